"""azure-iot-hub, IoTHubJobManager: updates of many twins, by a clock that this script moves."""

import sys
from datetime import datetime

from clock import advance
from service import job_manager, models, plain, registry
from steps import step

(last_device,) = sys.argv[1:]
hub = registry()
jobs = job_manager()


def schedule(job_id, condition="*", etag="*", desired=None, **times):
    properties = models.TwinProperties(desired=desired or {"level": 7})
    request = models.JobRequest(
        job_id=job_id,
        type="scheduleUpdateTwin",
        update_twin=models.Twin(etag=etag, properties=properties),
        query_condition=condition,
        **times,
    )
    return plain(jobs.create_scheduled_job(job_id, request))


def get(job_id):
    return plain(jobs.get_scheduled_job(job_id))


def outcomes(condition):
    query = models.QuerySpecification(query=f"SELECT * FROM devices.jobs WHERE {condition}")
    page = hub.query_iot_hub(query)
    return {"type": page.type, "rows": [plain(item) for item in page.items]}


step("schedule", lambda: schedule("j-1", "tags.site = 'a'"))
step("at once", lambda: get("j-1"))
step("schedule again", lambda: schedule("j-1"))
step("schedule another", lambda: schedule("j-2"))
step("cancel running", lambda: plain(jobs.cancel_scheduled_job("j-1")))
advance(1)
step("a second later", lambda: get("j-1"))
hub.delete_device(last_device)
advance(10)
step("completed", lambda: get("j-1"))
step("failed", lambda: outcomes("devices.jobs.jobId = 'j-1' AND devices.jobs.status = 'failed'"))
step("one", lambda: outcomes("devices.jobs.jobId = 'j-1' AND devices.jobs.deviceId = 'd01'"))

later = {"start_time": datetime(2020, 1, 1, 1), "max_execution_time_in_seconds": 60}
step("schedule later", lambda: schedule("later", **later))
step("scheduled", lambda: get("later"))
step("cancel", lambda: plain(jobs.cancel_scheduled_job("later")))
advance(2 * 3600)
step("cancelled", lambda: get("later"))

step("no etag", lambda: schedule("bad", etag=None))
step("other etag", lambda: schedule("bad", etag="AAAAAAAAAAE="))
step("link", lambda: schedule("bad", desired={"uri": "https://blobs.example/a?sig=x"}))
step("bad condition", lambda: schedule("bad", "tags.site ="))
step("get missing", lambda: get("bad"))
step("cancel missing", lambda: plain(jobs.cancel_scheduled_job("bad")))
step("list", lambda: plain(jobs.query_scheduled_jobs("scheduleUpdateTwin", "completed")))
