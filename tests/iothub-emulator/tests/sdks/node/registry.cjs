// The service SDK's clients for the hub that the environment names.
'use strict';

const https = require('node:https');
const { JobClient, Registry } = require('azure-iothub');

/**
 * Lets a client dial the hub. The SDK dials port 443 and takes a port in HostName for a part of the name; where
 * the hub is on another one, HTTPS_PORT says which, and an agent dials it. For the agent there is no public option.
 */
function dialling(client) {
  const port = process.env.HTTPS_PORT;
  if (port) client._restApiClient.setOptions({ http: { agent: new https.Agent({ port: Number(port) }) } });
  return client;
}

/** The client for identities, twins, queries and configurations. */
function registry(connectionString = process.env.SERVICE_CONNECTION_STRING) {
  return dialling(Registry.fromConnectionString(connectionString));
}

/** The client for jobs. */
function jobClient() {
  return dialling(JobClient.fromConnectionString(process.env.SERVICE_CONNECTION_STRING));
}

/** All rows of a query. Without an argument `next` would ask for the first page for ever. */
async function rows(query) {
  const all = [];
  do all.push(...(await query.next(query.continuationToken)).result);
  while (query.hasMoreResults);
  return all;
}

module.exports = { dialling, jobClient, registry, rows };
