// A device that follows the written contract, by the device SDK over MQTT: it downloads what its twin links to, checks it and
// answers, for as many assets as it is told, and ends. One line of JSON says what happened; links are written without their
// query, for it carries a signature.
'use strict';

const { createHash } = require('node:crypto');
const { Client } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

const say = (step) => console.log(JSON.stringify(step));

async function download({ uri, sha256 }) {
  const answer = await fetch(uri);
  if (!answer.ok) throw new Error(`the storage answered ${answer.status}`);
  const bytes = Buffer.from(await answer.arrayBuffer());
  if (createHash('sha256').update(bytes).digest('hex') !== sha256) throw new Error('it is not what was announced');
  return { text: bytes.toString(), contentType: answer.headers.get('content-type') };
}

async function main([count]) {
  const client = Client.fromConnectionString(process.env.DEVICE_CONNECTION_STRING, Mqtt);
  await client.open();
  const twin = await client.getTwin();
  const report = (state) =>
    new Promise((resolve, reject) => {
      twin.properties.reported.update(state, (error) => (error ? reject(error) : resolve()));
    });
  let left = Number(count);
  let current;

  async function receive(link) {
    if (link.uri === current || left === 0) return;
    current = link.uri;
    const asset = await download(link);
    await report({ configurationBlob: { current: link.uri, acknowledged: link.uri, status: 'received' } });
    say({ step: 'received', blob: link.uri.split('?')[0], ...asset });
    left -= 1;
    if (left === 0) await client.close();
  }

  const fail = (error) => {
    console.error(error);
    process.exit(1);
  };
  // One at a time, in the order in which they come.
  let work = Promise.resolve();
  twin.on('error', fail);
  twin.on('properties.desired.configurationBlob', (link) => {
    work = work.then(() => receive(link)).catch(fail);
  });
  // Its answer comes after that to the subscription which the listener has asked for.
  await twin.get();
  say({ step: 'listening' });
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
