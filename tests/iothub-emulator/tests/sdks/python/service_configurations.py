"""azure-iot-hub, IoTHubConfigurationManager, by a clock that this script moves."""

from clock import advance
from service import configuration_manager, models, plain, registry
from steps import step

hub = registry()
configurations = configuration_manager()


def configuration(configuration_id, uri="u", target="tags.site = 'a'", **rest):
    content = models.ConfigurationContent(device_content={"properties.desired.blob": {"uri": uri}})
    rest = {"content": content, "priority": 5} | rest
    return models.Configuration(
        id=configuration_id, schema_version="2.0", target_condition=target, labels={"made": "by-test"}, **rest
    )


def create(*arguments, **rest):
    return plain(configurations.create_configuration(configuration(*arguments, **rest)))


def get(configuration_id):
    return plain(configurations.get_configuration(configuration_id))


def state(twin):
    """What a service set, and what the hub says of its configurations, of which the SDK's model knows nothing."""
    desired = {key: value for key, value in twin.properties.desired.items() if not key.startswith("$")}
    return {"desired": desired, "configurations": twin.additional_properties.get("configurations")}


def device(device_id):
    return state(hub.get_twin(device_id))


acked = {"acked": "SELECT deviceId FROM devices WHERE properties.reported.ok = true"}
step("create", lambda: create("c-1", metrics=models.ConfigurationMetrics(queries=acked)))
step("create again", lambda: create("c-1"))
first = configurations.get_configuration("c-1")
step("get", lambda: plain(first))
step("inside", lambda: device("in"))
hub.update_twin("out", models.Twin(tags={"site": "a"}))
advance(299)
step("before the tick", lambda: device("out"))
advance(1)
step("after the tick", lambda: device("out"))
step("counted", lambda: get("c-1"))


def update(etag, uri="u", configuration_id="c-1"):
    changed = configuration(configuration_id, uri, priority=6)
    return plain(configurations.update_configuration(changed, etag))


# The SDK sends an etag as it is, and a hub takes an unquoted one for none: a creation.
step("update", lambda: update(first.etag))
step("update quoted", lambda: update(f'"{first.etag}"'))
step("update quoted, stale", lambda: update(f'"{first.etag}"'))
step("update any", lambda: update("*"))
step("update content", lambda: update("*", "v"))
step("update missing", lambda: update("*", configuration_id="none"))
step("bad target", lambda: create("bad", target="tags.site ="))
step("bad content", lambda: create("bad", content=models.ConfigurationContent()))

hub.create_module_with_sas("in", "m", "", "", "")
hub.update_module_twin("in", "m", models.Twin(tags={"kind": "x"}))
for_modules = models.ConfigurationContent(module_content={"properties.desired.level": 1})
target = "FROM devices.modules WHERE tags.kind = 'x'"
step("create for modules", lambda: create("c-0", target=target, content=for_modules)["content"])
step("module", lambda: state(hub.get_module_twin("in", "m")))
step("list", lambda: [found.id for found in configurations.get_configurations()])
step("list one", lambda: [found.id for found in configurations.get_configurations(1)])


def test(target, **queries):
    tested = models.ConfigurationQueriesTestInput(target_condition=target, custom_metric_queries=queries)
    return plain(configurations.test_configuration_queries(tested))


step("test good", lambda: test("tags.site = 'a'", **acked))
step("test bad", lambda: test("tags.site =", good=acked["acked"], bad="SELECT * FROM nothing"))

hub.create_device_with_sas("edge", "", "", "enabled", iot_edge=True)
modules = models.ConfigurationContent(modules_content={"filter": {"properties.desired": {"a": 1}}})


def apply(device_id, content):
    return configurations.apply_configuration_on_edge_device(device_id, content)


step("apply", lambda: apply("edge", modules))
step("edge module", lambda: state(hub.get_module_twin("edge", "filter")))
step("apply for devices", lambda: apply("edge", first.content))
step("apply elsewhere", lambda: apply("in", modules))

step("delete stale", lambda: configurations.delete_configuration("c-1", f'"{first.etag}"'))
step("delete", lambda: configurations.delete_configuration("c-1"))
step("delete missing", lambda: configurations.delete_configuration("c-1"))
step("get missing", lambda: get("c-1"))
