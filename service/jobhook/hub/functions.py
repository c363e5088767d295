"""
The Hub as plain functions: `from jobhook import run_job`.

They ask the Hub that the environment names when they are called, with the login that it has then.
"""

from __future__ import annotations

from jobhook.hub import login
from jobhook.hub.blocking import Hub
from jobhook.hub.client import AsyncHub


class _TheHub(Hub):
    """The Hub of the environment, which may be another one by the next call."""

    @property
    def asynchronous(self) -> AsyncHub:
        hub = super().asynchronous
        if hub.transport.endpoint != login.endpoint().rstrip("/"):
            self.close()
            self._made = None
            hub = super().asynchronous
        return hub


_hub = _TheHub()

run_job = _hub.run_job
run_uv_job = _hub.run_uv_job
inspect_job = _hub.inspect_job
list_jobs = _hub.list_jobs
fetch_job_logs = _hub.fetch_job_logs
fetch_job_metrics = _hub.fetch_job_metrics
wait_for_job = _hub.wait_for_job
cancel_job = _hub.cancel_job
rerun_job = _hub.rerun_job
update_job_labels = _hub.update_job_labels
update_job_expose = _hub.update_job_expose
list_jobs_hardware = _hub.list_jobs_hardware
sync_job_volume = _hub.sync_job_volume
create_scheduled_job = _hub.create_scheduled_job
create_scheduled_uv_job = _hub.create_scheduled_uv_job
list_scheduled_jobs = _hub.list_scheduled_jobs
inspect_scheduled_job = _hub.inspect_scheduled_job
suspend_scheduled_job = _hub.suspend_scheduled_job
resume_scheduled_job = _hub.resume_scheduled_job
trigger_scheduled_job = _hub.trigger_scheduled_job
update_scheduled_job_schedule = _hub.update_scheduled_job_schedule
update_scheduled_job_labels = _hub.update_scheduled_job_labels
delete_scheduled_job = _hub.delete_scheduled_job
create_webhook = _hub.create_webhook
get_webhook = _hub.get_webhook
list_webhooks = _hub.list_webhooks
update_webhook = _hub.update_webhook
enable_webhook = _hub.enable_webhook
disable_webhook = _hub.disable_webhook
delete_webhook = _hub.delete_webhook
