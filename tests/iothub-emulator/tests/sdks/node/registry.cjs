// The service SDK's client for the hub that the environment names.
'use strict';

const https = require('node:https');
const { Registry } = require('azure-iothub');

/**
 * The client for a connection string. The SDK dials port 443 and takes a port in HostName for a part of the name; where
 * the hub is on another one, HTTPS_PORT says which, and an agent dials it. For the agent there is no public option.
 */
function registry(connectionString = process.env.SERVICE_CONNECTION_STRING) {
  const port = process.env.HTTPS_PORT;
  const client = Registry.fromConnectionString(connectionString);
  if (port) client._restApiClient.setOptions({ http: { agent: new https.Agent({ port: Number(port) }) } });
  return client;
}

/** All rows of a query. Without an argument `next` would ask for the first page for ever. */
async function rows(query) {
  const all = [];
  do all.push(...(await query.next(query.continuationToken)).result);
  while (query.hasMoreResults);
  return all;
}

module.exports = { registry, rows };
