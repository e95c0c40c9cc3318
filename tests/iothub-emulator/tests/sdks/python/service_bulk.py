"""azure-iot-hub, IoTHubRegistryManager: identities and twins by the dozen, and their number."""

import sys

from service import models, plain, registry
from steps import step

(own_key,) = sys.argv[1:]
hub = registry()


def entry(device_id, mode, desired=None, **rest):
    properties = models.PropertyContainer(desired=desired) if desired else None
    return models.ExportImportDevice(id=device_id, import_mode=mode, properties=properties, **rest)


def bulk(*entries):
    return plain(hub.bulk_create_or_update_devices(list(entries)))


own = models.AuthenticationMechanism(
    type="sas", symmetric_key=models.SymmetricKey(primary_key=own_key, secondary_key=own_key)
)
step(
    "create",
    lambda: bulk(
        entry("b-1", "create", {"level": 1}, status="enabled", tags={"site": "a"}),
        entry("b-2", "create", status="disabled", authentication=own),
        entry("b-1", "create", module_id="m"),
    ),
)
step("created", lambda: [plain(hub.get_device(device_id)) for device_id in ("b-1", "b-2")])
fresh = hub.get_twin("b-1")
step("twin", lambda: plain(fresh))
step("module", lambda: hub.get_module("b-1", "m").module_id)
# What fails for some entries is a result of the SDK, not an error.
step("create some", lambda: bulk(entry("b-1", "create"), entry("b-3", "create"), entry("no spaces", "create")))
# And so is what is refused as a whole.
step("create twice", lambda: bulk(entry("b-4", "create"), entry("b-4", "create")))
step("statistics", lambda: plain(hub.get_device_registry_statistics()))
step("service statistics", lambda: plain(hub.get_service_statistics()))


def twins(etag):
    return bulk(
        entry("b-1", "updateTwinIfMatchETag", {"level": 2}, twin_etag=etag),
        entry("b-1", "updateTwin", {"level": 3}, module_id="m"),
        entry("nobody", "updateTwin", {"level": 3}),
    )


step("twins", lambda: twins(fresh.etag))
step("twins stale", lambda: twins(fresh.etag))
step("module twin", lambda: plain(hub.get_module_twin("b-1", "m")))
device = hub.get_device("b-1")
step("update", lambda: bulk(entry("b-1", "updateIfMatchETag", e_tag=device.etag, status="disabled")))
step("update stale", lambda: bulk(entry("b-1", "updateIfMatchETag", e_tag=device.etag, status="enabled")))
step("delete", lambda: bulk(entry("b-2", "delete"), entry("b-3", "deleteIfMatchETag", e_tag="*")))
