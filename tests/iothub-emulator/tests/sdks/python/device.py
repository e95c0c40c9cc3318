"""azure-iot-device, IoTHubDeviceClient or IoTHubModuleClient: twin, reports, desired listener, what follows a dropped socket,
token renewal."""

import threading

from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient
from connection import IS_MODULE, client as create
from steps import say, step

client = create(IoTHubDeviceClient, IoTHubModuleClient)
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
if IS_MODULE:
    # Subscribes to the inputs.
    client.on_message_received = lambda message: None
    step("output", lambda: client.send_message_to_output("hello", "out"))
# Setting it subscribes, and returns when that is acknowledged.
client.on_twin_desired_properties_patch_received = desired
say(step="listening")
end.wait()
step("report at the end", lambda: client.patch_twin_reported_properties({"ended": True}))
client.shutdown()
