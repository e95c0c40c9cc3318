// azure-iothub, Registry: configurations, by a clock that this script moves.
'use strict';

const { advance } = require('./clock.cjs');
const { registry, rows } = require('./registry.cjs');
const { run, step } = require('./steps.cjs');

run(async () => {
  const hub = registry();
  const body = ({ responseBody }) => responseBody;
  const get = async (id) => body(await hub.getConfiguration(id));
  // What a service set, and what the hub says of its configurations.
  const state = ({ responseBody: twin }) => {
    const set = Object.entries(twin.properties.desired).filter(([key]) => !key.startsWith('$'));
    return { desired: Object.fromEntries(set), configurations: twin.configurations };
  };
  const device = async (id) => state(await hub.getTwin(id));
  const queries = {
    acked: 'SELECT deviceId FROM devices WHERE properties.reported.ok = true',
    all: 'SELECT deviceId FROM devices',
  };
  const first = {
    id: 'c-1',
    content: { deviceContent: { 'properties.desired.blob': { uri: 'u', n: 1 } } },
    targetCondition: "tags.site = 'a'",
    priority: 5,
    labels: { made: 'by-test' },
    metrics: { queries },
  };
  await step('add', async () => body(await hub.addConfiguration(first)));
  await step('add again', () => hub.addConfiguration(first));
  const added = await step('get', () => get('c-1'));
  await step('inside', () => device('in'));
  await step('outside', () => device('out'));
  for (const name of ['appliedCount', 'targetedCount'])
    await step(`query ${name}`, () => rows(hub.createQuery(added.systemMetrics.queries[name])));

  await hub.updateTwin('out', { tags: { site: 'a' } }, '*');
  await hub.updateTwin('in', { properties: { desired: { blob: { n: 2 }, own: 1 } } }, '*');
  await advance(299);
  await step('before the tick', async () => [await device('in'), await device('out')]);
  await advance(1);
  await step('after the tick', async () => [await device('in'), await device('out')]);
  await step('counted', () => get('c-1'));

  const over = { deviceContent: { 'properties.desired.blob.uri': 'w' } };
  await hub.addConfiguration({ id: 'c-2', content: over, targetCondition: first.targetCondition, priority: 9 });
  await step('below another', () => device('in'));
  await step('counted below', async () => (await get('c-1')).systemMetrics.results);
  await hub.removeConfiguration('c-2');
  await step('alone again', () => device('in'));

  await step('update', async () => body(await hub.updateConfiguration({ ...added, priority: 6 })));
  await step('update stale', () => hub.updateConfiguration({ ...added, priority: 7 }));
  await step('update any', async () => body(await hub.updateConfiguration({ ...added, priority: 8 }, true)));
  const content = { deviceContent: { 'properties.desired.blob': { uri: 'v', n: 1 } } };
  await step('update content', () => hub.updateConfiguration({ ...added, content }, true));
  await step('update missing', () => hub.updateConfiguration({ ...first, id: 'none' }, true));
  await step('bad target', () => hub.addConfiguration({ ...first, id: 'bad', targetCondition: 'tags.site =' }));
  await step('bad content', () => hub.addConfiguration({ ...first, id: 'bad', content: {} }));

  await hub.addModule({ deviceId: 'in', moduleId: 'm' });
  await hub.updateModuleTwin('in', 'm', { tags: { kind: 'x' } }, '*');
  const moduleContent = { 'properties.desired.level': 1 };
  const targetCondition = "FROM devices.modules WHERE tags.kind = 'x'";
  await step('add for modules', async () =>
    body(await hub.addConfiguration({ id: 'c-0', content: { moduleContent }, targetCondition, priority: 1 }))
  );
  await step('module', async () => state(await hub.getModuleTwin('in', 'm')));
  await step('list', async () => body(await hub.getConfigurations()).map(({ id }) => id));

  await hub.create({ deviceId: 'edge', capabilities: { iotEdge: true } });
  const modulesContent = { filter: { 'properties.desired': { a: 1 } } };
  const apply = async (id, content) =>
    (await hub.applyConfigurationContentOnDevice(id, content)).httpResponse.statusCode;
  await step('apply', () => apply('edge', { modulesContent }));
  await step('edge module', async () => state(await hub.getModuleTwin('edge', 'filter')));
  await step('apply for devices', () => apply('edge', content));
  await step('apply elsewhere', () => apply('in', { modulesContent }));

  await step('remove', async () => (await hub.removeConfiguration('c-1')).httpResponse.statusCode);
  await step('remove missing', () => hub.removeConfiguration('c-1'));
  await step('get missing', () => get('c-1'));
});
