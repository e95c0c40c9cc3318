// azure-iothub, Registry: identities by the dozen, and their number.
'use strict';

const { registry } = require('./registry.cjs');
const { run, step } = require('./steps.cjs');

run(async ([ownKey]) => {
  const hub = registry();
  const body = ({ responseBody }) => responseBody;
  const identity = async (deviceId) => body(await hub.get(deviceId));
  const authentication = { symmetricKey: { primaryKey: ownKey, secondaryKey: ownKey } };
  const three = [{ deviceId: 'b-1' }, { deviceId: 'b-2', status: 'disabled', authentication }, { deviceId: 'b-3' }];
  await step('add', async () => body(await hub.addDevices(three)));
  await step('added', () => Promise.all(['b-1', 'b-2'].map(identity)));
  await step('add some', () => hub.addDevices([{ deviceId: 'b-1' }, { deviceId: 'b-4' }, { deviceId: 'no spaces' }]));
  await step('add twice', () => hub.addDevices([{ deviceId: 'b-5' }, { deviceId: 'b-5' }]));
  await step('counts', async () => body(await hub.getRegistryStatistics()));

  const { etag } = await identity('b-1');
  const repair = { status: 'disabled', statusReason: 'repair' };
  await step('update', async () => body(await hub.updateDevices([{ deviceId: 'b-3', ...repair }], true)));
  await step('update etag', async () => body(await hub.updateDevices([{ deviceId: 'b-1', etag, ...repair }], false)));
  await step('updated', () => Promise.all(['b-1', 'b-3'].map(identity)));
  const some = [
    { deviceId: 'b-1', etag, status: 'enabled' },
    { deviceId: 'nobody', etag },
    { deviceId: 'b-4', etag: (await identity('b-4')).etag, status: 'disabled' },
  ];
  await step('update some', () => hub.updateDevices(some, false));

  await step('remove some', () => hub.removeDevices([{ deviceId: 'b-1', etag }, { deviceId: 'nobody', etag }], false));
  await step('remove', async () => body(await hub.removeDevices([{ deviceId: 'b-1' }, { deviceId: 'b-2' }], true)));
  await step('counts then', async () => body(await hub.getRegistryStatistics()));
});
