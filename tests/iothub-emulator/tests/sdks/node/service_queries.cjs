// azure-iothub, Registry.createQuery: pages, twins, projections, aggregates.
'use strict';

const { registry, rows } = require('./registry.cjs');
const { run, step } = require('./steps.cjs');

run(async () => {
  const hub = registry();
  const ids = ({ result }) => result.map(({ deviceId }) => deviceId);
  await step('pages', async () => {
    const query = hub.createQuery("SELECT * FROM devices WHERE tags.site = 'a'", 2);
    const pages = [];
    while (query.hasMoreResults) pages.push(ids(await query.next(query.continuationToken)));
    return pages;
  });
  await step('twins', async () => {
    const query = hub.createQuery('SELECT * FROM devices', 3);
    const pages = [];
    while (query.hasMoreResults) {
      const { result } = await query.nextAsTwin();
      pages.push(result.map((twin) => [twin.constructor.name, twin.deviceId, twin.tags.n]));
    }
    return pages;
  });
  await step('first page for ever', async () => {
    const query = hub.createQuery('SELECT deviceId FROM devices', 2);
    return [ids(await query.next()), ids(await query.next())];
  });
  await step('callbacks', async () => {
    const query = hub.createQuery('SELECT deviceId FROM devices', 3);
    const next = () =>
      new Promise((resolve, reject) => query.next((error, result) => (error ? reject(error) : resolve(result))));
    const pages = [];
    while (query.hasMoreResults) pages.push((await next()).map(({ deviceId }) => deviceId));
    return pages;
  });
  await step('projection', () => rows(hub.createQuery('SELECT deviceId, tags.n AS n FROM devices WHERE tags.n IN [1, 2]')));
  await step('count', () => rows(hub.createQuery('SELECT COUNT() AS devices FROM devices')));
  await step('groups', () =>
    rows(hub.createQuery('SELECT tags.site AS site, COUNT() AS devices FROM devices GROUP BY tags.site'))
  );
  await step('refused', () => rows(hub.createQuery('SELECT * FRM devices')));
});
