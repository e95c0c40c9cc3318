// azure-iothub, Registry: identities.
'use strict';

const { Registry } = require('azure-iothub');
const { dialling, registry } = require('./registry.cjs');
const { run, step } = require('./steps.cjs');

run(async ([ownKey, oddId]) => {
  const hub = registry();
  const body = ({ responseBody }) => responseBody;
  await step('create', async () => body(await hub.create({ deviceId: 'n-1' })));
  await step('create again', () => hub.create({ deviceId: 'n-1' }));
  const authentication = { symmetricKey: { primaryKey: ownKey, secondaryKey: ownKey } };
  await step('create with keys', async () => body(await hub.create({ deviceId: 'n-2', authentication })));
  const x509Thumbprint = { primaryThumbprint: 'a'.repeat(40), secondaryThumbprint: 'b'.repeat(64) };
  await step('create with thumbprints', async () =>
    body(await hub.create({ deviceId: 'n-3', authentication: { x509Thumbprint } }))
  );
  await hub.delete('n-3');
  const issued = { type: 'certificateAuthority' };
  await step('certificate authority', () => hub.create({ deviceId: 'n-4', authentication: issued }));
  await step('create odd', async () => body(await hub.create({ deviceId: oddId })).deviceId);
  await step('get odd', async () => body(await hub.get(oddId)).deviceId);
  await step('get', async () => body(await hub.get('n-1')));
  await step('get missing', () => hub.get('nobody'));
  const disabled = { deviceId: 'n-1', status: 'disabled', statusReason: 'repair' };
  await step('update', async () => body(await hub.update(disabled)));
  await step('update missing', () => hub.update({ deviceId: 'nobody' }));
  await step('list', async () => body(await hub.list()).map(({ deviceId }) => deviceId));
  await step('delete', async () => (await hub.delete('n-2')).httpResponse.statusCode);
  await step('delete missing', () => hub.delete('n-2'));
  const wrong = process.env.SERVICE_CONNECTION_STRING.replace(/SharedAccessKey=.*/, `SharedAccessKey=${ownKey}`);
  await step('wrong key', () => registry(wrong).get('n-1'));
  const [, host] = /HostName=([^;]*)/.exec(wrong);
  const credential = { getToken: async () => ({ token: 'a.b.c', expiresOnTimestamp: Date.now() + 3_600_000 }) };
  await step('token credential', () => dialling(Registry.fromTokenCredential(host, credential)).get('n-1'));
});
