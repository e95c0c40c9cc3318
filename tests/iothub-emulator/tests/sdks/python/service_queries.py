"""azure-iot-hub, IoTHubRegistryManager.query_iot_hub: pages, projections, aggregates."""

from service import models, plain, registry
from steps import step

hub = registry()


def pages(query, size=None):
    """Each page with its type. A row is made into a Twin, whatever it is."""
    token, all_pages = None, []
    while token or not all_pages:
        page = hub.query_iot_hub(models.QuerySpecification(query=query), token, size)
        all_pages.append({"type": page.type, "rows": [plain(item) for item in page.items]})
        token = page.continuation_token
    return all_pages


def ids(query, size):
    return [[row["deviceId"] for row in page["rows"]] for page in pages(query, size)]


step("pages", lambda: ids("SELECT * FROM devices WHERE tags.site = 'a'", 2))
step("whole", lambda: pages("SELECT * FROM devices WHERE deviceId = 'd1'"))
step("projection", lambda: pages("SELECT deviceId, tags.n AS n FROM devices WHERE tags.n IN [1, 2]"))
step("count", lambda: pages("SELECT COUNT() AS devices FROM devices"))
step("groups", lambda: pages("SELECT tags.site AS site, COUNT() AS devices FROM devices GROUP BY tags.site"))
step("refused", lambda: pages("SELECT * FRM devices"))
