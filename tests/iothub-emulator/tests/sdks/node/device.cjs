// azure-iot-device over MQTT: twin, reports, desired listener, what follows a dropped socket, token renewal.
'use strict';

const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { run, say, step } = require('./steps.cjs');

run(async ([tokenSeconds]) => {
  const client = Client.fromConnectionString(process.env.DEVICE_CONNECTION_STRING, Mqtt);
  if (tokenSeconds) {
    const valid = Number(tokenSeconds);
    const tokenRenewal = { tokenValidTimeInSeconds: valid, tokenRenewalMarginInSeconds: valid / 2 };
    await client.setOptions({ tokenRenewal });
  }
  client.on('disconnect', () => say({ step: 'disconnected' }));
  await step('open', async () => (await client.open()).constructor.name);
  const twin = await client.getTwin();
  const sections = () => ({ desired: twin.properties.desired, reported: twin.properties.reported });
  await step('twin', sections);
  const report = (state) =>
    new Promise((resolve, reject) => {
      twin.properties.reported.update(state, (error) => (error ? reject(error) : resolve()));
    });
  await step('report', () => report({ blob: { status: 'received' }, n: 1, gone: true }));
  await step('report null', () => report({ gone: null }));
  await step('report refused', () => report({ 'a.b': 1 }));
  await step('telemetry', async () => (await client.sendEvent(new Message('hello'))).constructor.name);

  twin.on('properties.desired', (patch) => {
    say({ step: 'desired', ok: patch });
    if (patch.end) client.close();
  });
  // Whoever cuts the wire asks for an operation this way.
  process.on('SIGTERM', () => step('operation', () => report({ operated: true })));
  // Its answer comes after that to the subscription.
  await twin.get();
  say({ step: 'listening' });
});
