// An onlooker's part: the twin, and what a query says of the fleet, by the service SDK.
'use strict';

const { registry, rows } = require('../../iothub-emulator/tests/sdks/node/registry.cjs');

async function main([deviceId]) {
  const hub = registry();
  const { responseBody: twin } = await hub.getTwin(deviceId);
  const links = hub.createQuery(
    `SELECT deviceId, properties.desired.[[configurationBlob]] AS link FROM devices WHERE tags.site = '${twin.tags.site}'`
  );
  const answers = hub.createQuery(
    'SELECT properties.reported.configurationBlob.status AS status, COUNT() AS devices FROM devices ' +
      'GROUP BY properties.reported.configurationBlob.status'
  );
  console.log(
    JSON.stringify({ desired: twin.properties.desired, links: await rows(links), answers: await rows(answers) })
  );
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
