// azure-iothub, Registry: modules of a device and their twins.
'use strict';

const { registry, rows } = require('./registry.cjs');
const { run, step } = require('./steps.cjs');

run(async ([deviceId, oddId, ownKey]) => {
  const hub = registry();
  const body = ({ responseBody }) => responseBody;
  const authentication = { symmetricKey: { primaryKey: ownKey, secondaryKey: ownKey } };
  await step('add', async () => body(await hub.addModule({ deviceId, moduleId: 'm-1', managedBy: 'someone' })));
  await step('add with keys', async () => body(await hub.addModule({ deviceId, moduleId: oddId, authentication })));
  await step('add again', () => hub.addModule({ deviceId, moduleId: 'm-1' }));
  await step('add to nobody', () => hub.addModule({ deviceId: 'nobody', moduleId: 'm-1' }));
  const module = await step('get', async () => body(await hub.getModule(deviceId, 'm-1')));
  await step('get missing', () => hub.getModule(deviceId, 'none'));
  await step('list', async () => body(await hub.getModulesOnDevice(deviceId)).map(({ moduleId }) => moduleId));
  await step('list of nobody', () => hub.getModulesOnDevice('nobody'));

  const moved = { ...module, managedBy: 'another' };
  await step('update', async () => body(await hub.updateModule(moved)));
  await step('update stale', () => hub.updateModule(moved));
  await step('update any', async () => body(await hub.updateModule({ ...moved, managedBy: 'third' }, true)));

  const plain = ({ responseBody: twin }) => {
    const { moduleId, tags, properties, etag, version } = twin;
    return { deviceId: twin.deviceId, moduleId, tags, properties, etag, version };
  };
  const fresh = await hub.getModuleTwin(deviceId, 'm-1');
  await step('get twin', () => plain(fresh));
  await step('get missing twin', () => hub.getModuleTwin(deviceId, 'none'));
  const patch = { tags: { kind: 'x' }, properties: { desired: { level: 1, old: [1] } } };
  await step('update twin', async () =>
    plain(await hub.updateModuleTwin(deviceId, 'm-1', patch, fresh.responseBody.etag))
  );
  await step('update twin stale', () => hub.updateModuleTwin(deviceId, 'm-1', patch, fresh.responseBody.etag));
  // Twin.update of a module's twin is the same call.
  const twin = (await hub.getModuleTwin(deviceId, 'm-1')).responseBody;
  await step('update twin object', async () => {
    await twin.update({ properties: { desired: { old: null } } });
    return plain({ responseBody: twin });
  });
  await step('query', () => rows(hub.createQuery("SELECT * FROM devices.modules WHERE tags.kind = 'x'")));

  // With an object, whose etag counts, only the form with a callback works.
  const remove = (module) =>
    new Promise((resolve, reject) => {
      hub.removeModule(module, (error, _, response) => (error ? reject(error) : resolve(response.statusCode)));
    });
  await step('remove stale', () => remove(module));
  await step('remove', async () => (await hub.removeModule(deviceId, 'm-1')).httpResponse.statusCode);
  await step('remove missing', () => hub.removeModule(deviceId, 'm-1'));
  const odd = body(await hub.getModule(deviceId, oddId));
  await step('remove object, promised', () => hub.removeModule(odd));
  await step('remove object', () => remove(odd));
  await step('list then', async () => body(await hub.getModulesOnDevice(deviceId)));
});
