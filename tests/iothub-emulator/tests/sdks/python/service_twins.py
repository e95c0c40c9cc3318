"""azure-iot-hub, IoTHubRegistryManager: twins, with and without an etag."""

import sys

from service import models, plain, registry
from steps import step

(device_id,) = sys.argv[1:]
hub = registry()


def twin(tags=None, desired=None):
    properties = models.TwinProperties(desired=desired) if desired else None
    return models.Twin(tags=tags, properties=properties)


fresh = hub.get_twin(device_id)
step("get", lambda: plain(fresh))
step("get missing", lambda: plain(hub.get_twin("nobody")))
blob = {"uri": "https://blobs.example/a?se=1&sig=x%2B", "ts": "2026-01-01T00:00:00.0000000Z"}
change = twin({"site": "a", "floor": 3}, {"blob": blob, "old": [1, "b", True]})
step("update", lambda: plain(hub.update_twin(device_id, change, fresh.etag)))
step("update stale", lambda: plain(hub.update_twin(device_id, twin({"site": "z"}), fresh.etag)))
step("update any", lambda: plain(hub.update_twin(device_id, twin({"floor": None}, {"old": None}))))
whole = hub.get_twin(device_id)
step("send back", lambda: plain(hub.update_twin(device_id, whole, whole.etag)))
step("replace", lambda: plain(hub.replace_twin(device_id, twin({"only": 1}, {"only": 2}))))
step("replace stale", lambda: plain(hub.replace_twin(device_id, twin({"site": "z"}), fresh.etag)))
step("long value", lambda: plain(hub.update_twin(device_id, twin(desired={"long": "x" * 4097}))))
step("bad name", lambda: plain(hub.update_twin(device_id, twin(desired={"a.b": 1}))))
