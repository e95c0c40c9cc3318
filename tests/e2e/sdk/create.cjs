// An administrator's part: a device is registered and tagged, by the service SDK. Prints the key that the hub made.
'use strict';

const { registry } = require('../../iothub-emulator/tests/sdks/node/registry.cjs');

async function main([deviceId, site]) {
  const hub = registry();
  const { responseBody: identity } = await hub.create({ deviceId });
  const { responseBody: twin } = await hub.getTwin(deviceId);
  await twin.update({ tags: { site } });
  console.log(JSON.stringify({ key: identity.authentication.symmetricKey.primaryKey, tags: twin.tags }));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
