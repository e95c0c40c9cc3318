"""One line of JSON for each step: `{step, ok}` with what it gave, or `{step, error}` with the SDK's error."""

import json
import sys


def say(**line):
    # In one piece: the SDK calls handlers from threads of its own.
    sys.stdout.write(json.dumps(line) + "\n")


def failed(step, error):
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    # The service SDK's own text is the status alone; what the hub said is in the body.
    message = json.loads(response.text)["Message"] if response is not None else str(error)
    say(step=step, error={"kind": type(error).__name__, "status": status, "message": message})


def step(name, work):
    """Runs a step and returns what it gives; a failed one is told and gives nothing."""
    try:
        ok = work()
    except Exception as error:
        failed(name, error)
        return None
    say(step=name, ok=ok)
    return ok
