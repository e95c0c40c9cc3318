"""The service SDK's managers, and what its objects say in plain JSON."""

import os
import sys
from unittest.mock import MagicMock

try:
    import uamqp  # noqa: F401
except ImportError:
    # Only cloud-to-device messages go by AMQP, and none are sent here; but the SDK imports it in any case.
    sys.modules["uamqp"] = MagicMock()

from azure.iot.hub import (  # noqa: E402, F401
    IoTHubConfigurationManager,
    IoTHubJobManager,
    IoTHubRegistryManager,
    models,
)

CONNECTION_STRING = os.environ["SERVICE_CONNECTION_STRING"]


def registry(connection_string=CONNECTION_STRING):
    return IoTHubRegistryManager.from_connection_string(connection_string)


def job_manager():
    return IoTHubJobManager.from_connection_string(CONNECTION_STRING)


def configuration_manager():
    return IoTHubConfigurationManager.from_connection_string(CONNECTION_STRING)


def plain(model):
    """A model of the SDK as the JSON that it was read from, columns that it does not know included."""
    return model.serialize(keep_readonly=True) | (model.additional_properties or {})
