"""
Turn what happens on the Hugging Face Hub into Hub Jobs.

`from jobhook import run_job, Hub, …` gives the whole Jobs, Scheduled Jobs and Webhooks API, with
the names of `huggingface_hub` 2.4. Each name is loaded when it is first asked for, so that
importing this costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_OF_JOBS = (
    "cancel_job fetch_job_logs fetch_job_metrics inspect_job list_jobs list_jobs_hardware "
    "rerun_job run_job run_uv_job sync_job_volume update_job_expose update_job_labels wait_for_job"
)
_OF_SCHEDULES = (
    "create_scheduled_job create_scheduled_uv_job delete_scheduled_job inspect_scheduled_job "
    "list_scheduled_jobs resume_scheduled_job suspend_scheduled_job trigger_scheduled_job "
    "update_scheduled_job_labels update_scheduled_job_schedule"
)
_OF_WEBHOOKS = (
    "create_webhook delete_webhook disable_webhook enable_webhook get_webhook list_webhooks "
    "update_webhook"
)
_MODELS = (
    "JobAccelerator JobDurations JobHardwareInfo JobInfo JobInitiator JobNetwork JobOwner "
    "JobStatus ScheduledJobInfo WebhookInfo WebhookWatchedItem"
)
_ERRORS = (
    "FilesTooLong HubBusy HubError HubForbidden HubNotFound HubRefused HubUnauthorized "
    "JobHookError ListTooLong MissingFile OutcomeUnknown SettingsError UsageError WaitTimeout"
)
# The module that each name is from.
_HOMES = {
    name: module
    for module, names in {
        "jobhook.hub.functions": f"{_OF_JOBS} {_OF_SCHEDULES} {_OF_WEBHOOKS}",
        "jobhook.hub.client": "AsyncHub",
        "jobhook.hub.blocking": "Hub",
        "jobhook.hub.models": _MODELS,
        "jobhook.core.jobs": "JobStage Volume",
        "jobhook.core.hardware": "JobHardware",
        "jobhook.core.errors": _ERRORS,
    }.items()
    for name in names.split()
}

if TYPE_CHECKING:
    from jobhook.core.errors import (
        FilesTooLong as FilesTooLong,
    )
    from jobhook.core.errors import (
        HubBusy as HubBusy,
    )
    from jobhook.core.errors import (
        HubError as HubError,
    )
    from jobhook.core.errors import (
        HubForbidden as HubForbidden,
    )
    from jobhook.core.errors import (
        HubNotFound as HubNotFound,
    )
    from jobhook.core.errors import (
        HubRefused as HubRefused,
    )
    from jobhook.core.errors import (
        HubUnauthorized as HubUnauthorized,
    )
    from jobhook.core.errors import (
        JobHookError as JobHookError,
    )
    from jobhook.core.errors import (
        ListTooLong as ListTooLong,
    )
    from jobhook.core.errors import (
        MissingFile as MissingFile,
    )
    from jobhook.core.errors import (
        OutcomeUnknown as OutcomeUnknown,
    )
    from jobhook.core.errors import (
        SettingsError as SettingsError,
    )
    from jobhook.core.errors import (
        UsageError as UsageError,
    )
    from jobhook.core.errors import (
        WaitTimeout as WaitTimeout,
    )
    from jobhook.core.hardware import (
        JobHardware as JobHardware,
    )
    from jobhook.core.jobs import (
        JobStage as JobStage,
    )
    from jobhook.core.jobs import (
        Volume as Volume,
    )
    from jobhook.hub.blocking import (
        Hub as Hub,
    )
    from jobhook.hub.client import (
        AsyncHub as AsyncHub,
    )
    from jobhook.hub.functions import (
        cancel_job as cancel_job,
    )
    from jobhook.hub.functions import (
        create_scheduled_job as create_scheduled_job,
    )
    from jobhook.hub.functions import (
        create_scheduled_uv_job as create_scheduled_uv_job,
    )
    from jobhook.hub.functions import (
        create_webhook as create_webhook,
    )
    from jobhook.hub.functions import (
        delete_scheduled_job as delete_scheduled_job,
    )
    from jobhook.hub.functions import (
        delete_webhook as delete_webhook,
    )
    from jobhook.hub.functions import (
        disable_webhook as disable_webhook,
    )
    from jobhook.hub.functions import (
        enable_webhook as enable_webhook,
    )
    from jobhook.hub.functions import (
        fetch_job_logs as fetch_job_logs,
    )
    from jobhook.hub.functions import (
        fetch_job_metrics as fetch_job_metrics,
    )
    from jobhook.hub.functions import (
        get_webhook as get_webhook,
    )
    from jobhook.hub.functions import (
        inspect_job as inspect_job,
    )
    from jobhook.hub.functions import (
        inspect_scheduled_job as inspect_scheduled_job,
    )
    from jobhook.hub.functions import (
        list_jobs as list_jobs,
    )
    from jobhook.hub.functions import (
        list_jobs_hardware as list_jobs_hardware,
    )
    from jobhook.hub.functions import (
        list_scheduled_jobs as list_scheduled_jobs,
    )
    from jobhook.hub.functions import (
        list_webhooks as list_webhooks,
    )
    from jobhook.hub.functions import (
        rerun_job as rerun_job,
    )
    from jobhook.hub.functions import (
        resume_scheduled_job as resume_scheduled_job,
    )
    from jobhook.hub.functions import (
        run_job as run_job,
    )
    from jobhook.hub.functions import (
        run_uv_job as run_uv_job,
    )
    from jobhook.hub.functions import (
        suspend_scheduled_job as suspend_scheduled_job,
    )
    from jobhook.hub.functions import (
        sync_job_volume as sync_job_volume,
    )
    from jobhook.hub.functions import (
        trigger_scheduled_job as trigger_scheduled_job,
    )
    from jobhook.hub.functions import (
        update_job_expose as update_job_expose,
    )
    from jobhook.hub.functions import (
        update_job_labels as update_job_labels,
    )
    from jobhook.hub.functions import (
        update_scheduled_job_labels as update_scheduled_job_labels,
    )
    from jobhook.hub.functions import (
        update_scheduled_job_schedule as update_scheduled_job_schedule,
    )
    from jobhook.hub.functions import (
        update_webhook as update_webhook,
    )
    from jobhook.hub.functions import (
        wait_for_job as wait_for_job,
    )
    from jobhook.hub.models import (
        JobAccelerator as JobAccelerator,
    )
    from jobhook.hub.models import (
        JobDurations as JobDurations,
    )
    from jobhook.hub.models import (
        JobHardwareInfo as JobHardwareInfo,
    )
    from jobhook.hub.models import (
        JobInfo as JobInfo,
    )
    from jobhook.hub.models import (
        JobInitiator as JobInitiator,
    )
    from jobhook.hub.models import (
        JobNetwork as JobNetwork,
    )
    from jobhook.hub.models import (
        JobOwner as JobOwner,
    )
    from jobhook.hub.models import (
        JobStatus as JobStatus,
    )
    from jobhook.hub.models import (
        ScheduledJobInfo as ScheduledJobInfo,
    )
    from jobhook.hub.models import (
        WebhookInfo as WebhookInfo,
    )
    from jobhook.hub.models import (
        WebhookWatchedItem as WebhookWatchedItem,
    )


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
