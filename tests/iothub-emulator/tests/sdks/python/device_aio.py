"""azure-iot-device, aio.IoTHubDeviceClient or aio.IoTHubModuleClient: the same as the synchronous ones, awaited."""

import asyncio

from azure.iot.device.aio import IoTHubDeviceClient, IoTHubModuleClient
from connection import IS_MODULE, client as create
from steps import failed, say


async def step(name, work):
    try:
        say(step=name, ok=await work)
    except Exception as error:
        failed(name, error)


async def main():
    client = create(IoTHubDeviceClient, IoTHubModuleClient)
    end, loop = asyncio.Event(), asyncio.get_running_loop()

    # The SDK awaits handlers in a loop of its own.
    async def desired(patch):
        say(step="desired", ok=patch)
        if "end" in patch:
            loop.call_soon_threadsafe(end.set)

    async def connection():
        say(step="connection", ok=client.connected)

    async def message(_):
        pass

    client.on_connection_state_change = connection
    await step("connect", client.connect())
    await step("twin", client.get_twin())
    report = client.patch_twin_reported_properties
    await step("report", report({"blob": {"status": "received"}, "n": 1, "gone": True}))
    await step("report null", report({"gone": None}))
    await step("report refused", report({"a.b": 1}))
    await step("telemetry", client.send_message("hello"))
    if IS_MODULE:
        # Subscribes to the inputs.
        client.on_message_received = message
        await step("output", client.send_message_to_output("hello", "out"))
    # Setting it subscribes, and returns when that is acknowledged.
    client.on_twin_desired_properties_patch_received = desired
    say(step="listening")
    await end.wait()
    await step("report at the end", report({"ended": True}))
    await client.shutdown()


asyncio.run(main())
