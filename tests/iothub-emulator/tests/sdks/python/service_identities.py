"""azure-iot-hub, IoTHubRegistryManager: identities."""

import re
import sys
import time

from azure.core.credentials import AccessToken
from service import CONNECTION_STRING, IoTHubRegistryManager, plain, registry
from steps import step

own_key, odd_id = sys.argv[1:]
hub = registry()


def create(device_id, key=""):
    return hub.create_device_with_sas(device_id, key, key, "enabled")


step("create", lambda: plain(create("p-1")))
step("create again", lambda: plain(create("p-1")))
step("create with keys", lambda: plain(create("p-2", own_key)))
thumbprints = "a" * 40, "b" * 64
step("create with thumbprints", lambda: plain(hub.create_device_with_x509("p-3", *thumbprints, "enabled")))


def update_thumbprints():
    turned = thumbprints[::-1]
    return plain(hub.update_device_with_x509("p-3", None, *turned, "disabled"))


step("update thumbprints", update_thumbprints)
hub.delete_device("p-3")
step("certificate authority", lambda: plain(hub.create_device_with_certificate_authority("p-4", "enabled")))
step("create odd", lambda: create(odd_id).device_id)
step("get odd", lambda: hub.get_device(odd_id).device_id)
device = hub.get_device("p-1")
step("get", lambda: plain(device))
step("get missing", lambda: plain(hub.get_device("nobody")))


def update(etag, device_id="p-1"):
    return plain(hub.update_device_with_sas(device_id, etag, own_key, own_key, "disabled", status_reason="repair"))


step("update", lambda: update(device.etag))
step("update stale", lambda: update(device.etag))
step("update any", lambda: update(None))
step("update missing", lambda: update(None, "nobody"))
step("list", lambda: [device.device_id for device in hub.get_devices()])
step("list two", lambda: [device.device_id for device in hub.get_devices(2)])
step("list none", lambda: [device.device_id for device in hub.get_devices(0)])
step("delete stale", lambda: hub.delete_device("p-1", device.etag))
step("delete", lambda: hub.delete_device("p-2"))
step("delete missing", lambda: hub.delete_device("p-2"))
step("retried", lambda: plain(hub.get_twin("p-1"))["deviceId"])
stranger = registry(re.sub("SharedAccessKey=.*", f"SharedAccessKey={own_key}", CONNECTION_STRING))
step("wrong key", lambda: plain(stranger.get_device("p-1")))


class Credential:
    def get_token(self, *scopes, **options):
        return AccessToken("a.b.c", int(time.time()) + 3600)


host = re.search("HostName=([^;]*)", CONNECTION_STRING)[1]
credentialed = IoTHubRegistryManager.from_token_credential(host, Credential())
step("token credential", lambda: plain(credentialed.get_device("p-1")))
