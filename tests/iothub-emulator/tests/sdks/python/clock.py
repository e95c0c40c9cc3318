"""The emulator's clock, where the test lets it stand still."""

import json
import os
from urllib.request import urlopen


def advance(seconds):
    """Lets so many seconds pass on it, by the admin API."""
    body = json.dumps({"advanceMs": seconds * 1000}).encode()
    urlopen(f"http://127.0.0.1:{os.environ['ADMIN_PORT']}/clock", body).close()
