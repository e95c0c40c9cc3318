// azure-iot-device, over MQTT (`mqtt`) or in a WebSocket (`ws`), for a device or a module as the connection string has it: twin,
// reports, desired listener, what follows a dropped socket, token renewal.
'use strict';

const { readFileSync } = require('node:fs');
const https = require('node:https');
const { Client, Message, ModuleClient } = require('azure-iot-device');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { run, say, step } = require('./steps.cjs');

run(async ([transport, tokenSeconds]) => {
  const { DEVICE_CONNECTION_STRING: connection, DETOUR_PORT: detour, CERTIFICATE_FILE, KEY_FILE } = process.env;
  const isModule = connection.includes(';ModuleId=');
  const kind = isModule ? ModuleClient : Client;
  const client = kind.fromConnectionString(connection, { mqtt: Mqtt, ws: MqttWs }[transport]);
  // A WebSocket goes to port 443, unless an agent dials another one.
  const options = detour ? { mqtt: { webSocketAgent: new https.Agent({ port: Number(detour) }) } } : {};
  if (connection.includes(';x509=true')) {
    Object.assign(options, { cert: readFileSync(CERTIFICATE_FILE, 'utf8'), key: readFileSync(KEY_FILE, 'utf8') });
  }
  await client.setOptions(options);
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
  if (isModule) {
    // Subscribes to the inputs.
    client.on('inputMessage', () => {});
    await step('output', async () => (await client.sendOutputEvent('out', new Message('hello'))).constructor.name);
  }

  twin.on('properties.desired', (patch) => {
    say({ step: 'desired', ok: patch });
    if (patch.end) client.close();
  });
  // Whoever cuts the wire asks for an operation this way.
  process.on('SIGTERM', () => step('operation', () => report({ operated: true })));
  // Its answer comes after that to the subscription.
  await twin.get();
  say({ step: 'listening' });
  if (tokenSeconds) {
    // The first new token comes at once. Not before: what is under way then stays without its answer.
    const valid = Number(tokenSeconds);
    const tokenRenewal = { tokenValidTimeInSeconds: valid, tokenRenewalMarginInSeconds: valid / 2 };
    await client.setOptions({ ...options, tokenRenewal });
  }
});
