// azure-iothub, JobClient: updates of many twins, by a clock that this script moves.
'use strict';

const { advance } = require('./clock.cjs');
const { jobClient, registry, rows } = require('./registry.cjs');
const { run, step } = require('./steps.cjs');

run(async ([lastDevice]) => {
  const hub = registry();
  const jobs = jobClient();
  const status = ({ jobStatus }) => jobStatus;
  const get = async (id) => status(await jobs.getJob(id));
  const level = { etag: '*', properties: { desired: { level: 7 } } };
  const schedule = async (id, condition, twin, ...times) =>
    status(await jobs.scheduleTwinUpdate(id, condition, twin, ...times));
  const outcomes = (condition) => rows(hub.createQuery(`SELECT * FROM devices.jobs WHERE ${condition}`));

  await step('schedule', () => schedule('j-1', "tags.site = 'a'", level));
  await step('at once', () => get('j-1'));
  await step('schedule again', () => schedule('j-1', '*', level));
  await step('schedule another', () => schedule('j-2', '*', level));
  await step('cancel running', () => jobs.cancelJob('j-1'));
  await advance(1);
  await step('a second later', () => get('j-1'));
  await step('pending', async () =>
    (await outcomes("devices.jobs.jobId = 'j-1' AND devices.jobs.status = 'pending'")).length
  );
  await hub.delete(lastDevice);
  await advance(10);
  await step('completed', () => get('j-1'));
  await step('failed', () => outcomes("devices.jobs.jobId = 'j-1' AND devices.jobs.status = 'failed'"));
  await step('one', () => outcomes("devices.jobs.jobId = 'j-1' AND devices.jobs.deviceId = 'd01'"));

  await step('schedule later', () => schedule('later', '*', level, new Date('2020-01-01T01:00:00Z'), 60));
  await step('scheduled', () => get('later'));
  await step('cancel', async () => status(await jobs.cancelJob('later')));
  await advance(2 * 3600);
  await step('cancelled', () => get('later'));
  await step('schedule short', () => schedule('short', '*', level, undefined, 1));
  await step('schedule method', async () => {
    await advance(5);
    return status(await jobs.scheduleDeviceMethod('method', "deviceId IN ['d00', 'd01']", { methodName: 'reboot' }));
  });
  await advance(5);
  await step('out of time', () => get('short'));
  await step('methods', () => outcomes("devices.jobs.jobId = 'method'"));

  await step('pages', async () => {
    const query = jobs.createQuery(null, null, 3);
    const pages = [];
    while (query.hasMoreResults) pages.push((await query.next(query.continuationToken)).result.map(({ jobId }) => jobId));
    return pages;
  });
  const listed = async (...wanted) => (await rows(jobs.createQuery(...wanted))).map(({ jobId }) => jobId);
  await step('by status', () => listed('scheduleUpdateTwin', 'cancelled'));

  await step('no etag', () => schedule('bad', '*', { tags: { a: 'b' } }));
  await step('other etag', () => schedule('bad', '*', { etag: 'AAAAAAAAAAE=', tags: { a: 'b' } }));
  await step('link', () => schedule('bad', '*', { etag: '*', tags: { a: 'https://blobs.example/a?sig=x' } }));
  await step('bad condition', () => schedule('bad', 'tags.site =', level));
  await step('get missing', () => jobs.getJob('bad'));
  await step('cancel missing', () => jobs.cancelJob('bad'));
});
