"""The functions that are compared, as the official client declares them."""

from __future__ import annotations

import inspect

from agreement.environment import HfApi

JOBS = (
    "run_job",
    "run_uv_job",
    "inspect_job",
    "list_jobs",
    "fetch_job_logs",
    "fetch_job_metrics",
    "wait_for_job",
    "cancel_job",
    "rerun_job",
    "update_job_labels",
    "update_job_expose",
    "list_jobs_hardware",
)
SCHEDULES = (
    "create_scheduled_job",
    "create_scheduled_uv_job",
    "list_scheduled_jobs",
    "inspect_scheduled_job",
    "suspend_scheduled_job",
    "resume_scheduled_job",
    "trigger_scheduled_job",
    "update_scheduled_job_schedule",
    "update_scheduled_job_labels",
    "delete_scheduled_job",
)
WEBHOOKS = (
    "create_webhook",
    "get_webhook",
    "list_webhooks",
    "update_webhook",
    "enable_webhook",
    "disable_webhook",
    "delete_webhook",
)
FUNCTIONS = JOBS + SCHEDULES + WEBHOOKS
# What else the official client has of the kind, and why it is not compared.
LEFT_OUT = {
    "sync_job_volume": "ours asks the official client (tests/hub/test_folders.py)",
}


def parameters(function: str, owner: type = HfApi) -> dict[str, inspect.Parameter]:
    """The parameters of a method, without `self`."""
    found = dict(inspect.signature(getattr(owner, function)).parameters)
    del found["self"]
    return found
