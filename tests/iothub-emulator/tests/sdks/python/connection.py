"""A client for the hub: over MQTT (`mqtt`) or in a WebSocket (`ws`), for a device or a module as the connection string has it."""

import os
import sys

from azure.iot.device import X509, ProxyOptions

CONNECTION_STRING = os.environ["DEVICE_CONNECTION_STRING"]
IS_MODULE = ";ModuleId=" in CONNECTION_STRING


def client(device_client, module_client):
    """One of the two classes, with the arguments of the script: transport, and for how many seconds a token is good."""
    transport, *token_seconds = sys.argv[1:]
    with open(os.environ["CA_FILE"]) as file:
        options = {"server_verification_cert": file.read(), "connection_retry_interval": 1}
    options["websockets"] = transport == "ws"
    if token_seconds:
        options["sastoken_ttl"] = int(token_seconds[0])
    # The SDK dials ports 443 and 8883 alone; to another one a proxy must lead.
    if detour := os.environ["DETOUR_PORT"]:
        options["proxy_options"] = ProxyOptions(proxy_type="HTTP", proxy_addr="127.0.0.1", proxy_port=int(detour))
    kind = module_client if IS_MODULE else device_client
    if ";x509=true" not in CONNECTION_STRING:
        return kind.create_from_connection_string(CONNECTION_STRING, **options)
    # The SDK has another way to say it.
    parts = dict(part.split("=", 1) for part in CONNECTION_STRING.split(";"))
    if IS_MODULE:
        options["module_id"] = parts["ModuleId"]
    return kind.create_from_x509_certificate(
        X509(os.environ["CERTIFICATE_FILE"], os.environ["KEY_FILE"]),
        hostname=parts["HostName"],
        device_id=parts["DeviceId"],
        **options,
    )
