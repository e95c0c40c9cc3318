"""azure-iot-device, IoTHubDeviceClient: twin, reports, desired listener, what follows a dropped socket, token renewal."""

import os
import sys
import threading

from azure.iot.device import IoTHubDeviceClient
from steps import say, step

with open(os.environ["CA_FILE"]) as file:
    options = {"server_verification_cert": file.read(), "connection_retry_interval": 1}
if sys.argv[1:]:
    options["sastoken_ttl"] = int(sys.argv[1])
client = IoTHubDeviceClient.create_from_connection_string(os.environ["DEVICE_CONNECTION_STRING"], **options)
end = threading.Event()


def desired(patch):
    say(step="desired", ok=patch)
    if "end" in patch:
        end.set()


client.on_connection_state_change = lambda: say(step="connection", ok=client.connected)
step("connect", client.connect)
step("twin", client.get_twin)
step("report", lambda: client.patch_twin_reported_properties({"blob": {"status": "received"}, "n": 1, "gone": True}))
step("report null", lambda: client.patch_twin_reported_properties({"gone": None}))
step("report refused", lambda: client.patch_twin_reported_properties({"a.b": 1}))
step("telemetry", lambda: client.send_message("hello"))
# Setting it subscribes, and returns when that is acknowledged.
client.on_twin_desired_properties_patch_received = desired
say(step="listening")
end.wait()
step("report at the end", lambda: client.patch_twin_reported_properties({"ended": True}))
client.shutdown()
