// azure-iothub, Registry and Twin: twins, with and without an etag.
'use strict';

const { registry } = require('./registry.cjs');
const { run, step } = require('./steps.cjs');

run(async ([deviceId]) => {
  const hub = registry();
  const plain = ({ responseBody: twin }) => {
    const { tags, properties, etag, version } = twin;
    return { deviceId: twin.deviceId, tags, properties, etag, version };
  };
  const fresh = await hub.getTwin(deviceId);
  await step('get', () => plain(fresh));
  await step('get missing', () => hub.getTwin('nobody'));
  const blob = { uri: 'https://blobs.example/a?se=1&sig=x%2B', ts: '2026-01-01T00:00:00.0000000Z' };
  const twin = fresh.responseBody;
  await step('update', async () => {
    await twin.update({ tags: { site: 'a', floor: 3 }, properties: { desired: { blob, old: [1, 'b', true] } } });
    return plain({ responseBody: twin });
  });
  await step('update stale', () => hub.updateTwin(deviceId, { tags: { site: 'z' } }, 'AAAAAAAAAAA='));
  await step('update any', async () =>
    plain(await hub.updateTwin(deviceId, { tags: { floor: null }, properties: { desired: { old: null } } }, '*'))
  );
  // The object keeps the etag of its last answer.
  await step('update outdated', () => twin.update({ tags: { site: 'z' } }));
  const desired = (desired) => hub.updateTwin(deviceId, { properties: { desired } }, '*');
  await step('long value', () => desired({ long: 'x'.repeat(4097) }));
  await step('bad name', () => desired({ 'a.b': 1 }));
  await step('null in array', () => desired({ list: [1, null] }));
  await step('throttled', () => hub.updateTwin(deviceId, { tags: { site: 'z' } }, '*'));
  await step('again', async () => plain(await hub.getTwin(deviceId)));
});
