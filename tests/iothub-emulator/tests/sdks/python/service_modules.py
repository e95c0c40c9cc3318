"""azure-iot-hub, IoTHubRegistryManager: modules of a device and their twins."""

import sys

from service import models, plain, registry
from steps import step

device_id, odd_id, own_key = sys.argv[1:]
hub = registry()


def create(module_id, key="", device_id=device_id):
    return plain(hub.create_module_with_sas(device_id, module_id, "someone", key, key))


step("create", lambda: create("m-1"))
step("create with keys", lambda: create(odd_id, own_key))
step("create again", lambda: create("m-1"))
step("create on nobody", lambda: create("m-1", device_id="nobody"))
thumbprints = "a" * 40, "b" * 64
step(
    "create with thumbprints",
    lambda: plain(hub.create_module_with_x509(device_id, "m-2", "someone", *thumbprints)),
)
module = hub.get_module(device_id, "m-1")
step("get", lambda: plain(module))
step("get missing", lambda: plain(hub.get_module(device_id, "none")))
step("list", lambda: [module.module_id for module in hub.get_modules(device_id)])


def update(etag, managed_by="another"):
    return plain(hub.update_module_with_sas(device_id, "m-1", managed_by, etag, own_key, own_key))


step("update", lambda: update(module.etag))
step("update stale", lambda: update(module.etag))
step("update any", lambda: update(None, "third"))


def twin(tags=None, desired=None):
    properties = models.TwinProperties(desired=desired) if desired else None
    return models.Twin(tags=tags, properties=properties)


fresh = hub.get_module_twin(device_id, "m-1")
step("get twin", lambda: plain(fresh))
step("get missing twin", lambda: plain(hub.get_module_twin(device_id, "none")))
change = twin({"kind": "x"}, {"level": 1, "old": [1]})
step("update twin", lambda: plain(hub.update_module_twin(device_id, "m-1", change, fresh.etag)))
step("update twin stale", lambda: plain(hub.update_module_twin(device_id, "m-1", change, fresh.etag)))
step("update twin any", lambda: plain(hub.update_module_twin(device_id, "m-1", twin(desired={"old": None}))))
step("replace twin", lambda: plain(hub.replace_module_twin(device_id, "m-1", twin({"only": 1}, {"only": 2}))))
step(
    "replace twin stale",
    lambda: plain(hub.replace_module_twin(device_id, "m-1", twin({"only": 3}), fresh.etag)),
)


def found(query):
    page = hub.query_iot_hub(models.QuerySpecification(query=query))
    return [plain(item) for item in page.items]


step("query", lambda: found("SELECT * FROM devices.modules WHERE tags.only = 1"))
step("delete stale", lambda: hub.delete_module(device_id, "m-1", module.etag))
step("delete", lambda: hub.delete_module(device_id, "m-1"))
step("delete missing", lambda: hub.delete_module(device_id, "m-1"))
step("list then", lambda: [module.module_id for module in hub.get_modules(device_id)])
