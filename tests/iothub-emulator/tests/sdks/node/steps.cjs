// One line of JSON for each step: `{step, ok}` with what it gave, or `{step, error}` with the SDK's error.
'use strict';

const say = (line) => console.log(JSON.stringify(line));

/** Runs a step, and returns what it gives; a failed one is told and gives nothing. */
async function step(name, work) {
  try {
    const ok = (await work()) ?? null;
    say({ step: name, ok });
    return ok;
  } catch (error) {
    const { name: kind, message, response } = error;
    say({ step: name, error: { kind, message, status: response?.statusCode } });
    return undefined;
  }
}

/** Runs a whole script; what no step caught ends it with code 1. */
function run(main) {
  main(process.argv.slice(2)).catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}

module.exports = { run, say, step };
