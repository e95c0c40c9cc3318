"""azure-iot-device, aio.IoTHubDeviceClient: the same as the synchronous one, awaited."""

import asyncio
import os

from azure.iot.device.aio import IoTHubDeviceClient
from steps import failed, say


async def step(name, work):
    try:
        say(step=name, ok=await work)
    except Exception as error:
        failed(name, error)


async def main():
    with open(os.environ["CA_FILE"]) as file:
        options = {"server_verification_cert": file.read(), "connection_retry_interval": 1}
    client = IoTHubDeviceClient.create_from_connection_string(os.environ["DEVICE_CONNECTION_STRING"], **options)
    end, loop = asyncio.Event(), asyncio.get_running_loop()

    # The SDK awaits handlers in a loop of its own.
    async def desired(patch):
        say(step="desired", ok=patch)
        if "end" in patch:
            loop.call_soon_threadsafe(end.set)

    async def connection():
        say(step="connection", ok=client.connected)

    client.on_connection_state_change = connection
    await step("connect", client.connect())
    await step("twin", client.get_twin())
    report = client.patch_twin_reported_properties
    await step("report", report({"blob": {"status": "received"}, "n": 1, "gone": True}))
    await step("report null", report({"gone": None}))
    await step("report refused", report({"a.b": 1}))
    await step("telemetry", client.send_message("hello"))
    # Setting it subscribes, and returns when that is acknowledged.
    client.on_twin_desired_properties_patch_received = desired
    say(step="listening")
    await end.wait()
    await step("report at the end", report({"ended": True}))
    await client.shutdown()


asyncio.run(main())
