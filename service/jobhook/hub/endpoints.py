"""Which endpoint of the Hub a path belongs to, so that calls can be counted by few names."""

from __future__ import annotations

import re
from functools import cache

OTHER = "other"
# Every kind of path that this package asks for, the narrow ones first.
ENDPOINTS = (
    "/api/whoami-v2",
    "/api/jobs/hardware",
    "/api/jobs/{namespace}",
    "/api/jobs/{namespace}/{job_id}",
    "/api/jobs/{namespace}/{job_id}/logs",
    "/api/jobs/{namespace}/{job_id}/metrics",
    "/api/jobs/{namespace}/{job_id}/cancel",
    "/api/jobs/{namespace}/{job_id}/duplicate",
    "/api/jobs/{namespace}/{job_id}/labels",
    "/api/jobs/{namespace}/{job_id}/expose",
    "/api/scheduled-jobs/{namespace}",
    "/api/scheduled-jobs/{namespace}/{scheduled_job_id}",
    "/api/scheduled-jobs/{namespace}/{scheduled_job_id}/run",
    "/api/scheduled-jobs/{namespace}/{scheduled_job_id}/suspend",
    "/api/scheduled-jobs/{namespace}/{scheduled_job_id}/resume",
    "/api/scheduled-jobs/{namespace}/{scheduled_job_id}/schedule",
    "/api/scheduled-jobs/{namespace}/{scheduled_job_id}/labels",
    "/api/settings/webhooks",
    "/api/settings/webhooks/{webhook_id}",
    "/api/settings/webhooks/{webhook_id}/enable",
    "/api/settings/webhooks/{webhook_id}/disable",
    "/api/organizations/{org}/members",
    "/api/repos/create",
    "/api/{repo_type}s/{owner}/{name}/commit/{revision}",
    "/api/{repo_type}s/{owner}/{name}/commits/{revision}",
    "/api/{repo_type}s/{owner}/{name}/discussions/{number}",
    "/api/{repo_type}s/{owner}/{name}/tree/{revision}",
    "/api/{repo_type}s/{owner}/{name}/tree/{revision}/{folder}",
    "/api/{repo_type}s/{owner}/{name}",
)
_STATUSES = frozenset((200, 201, 202, 204, 400, 401, 402, 403, 404, 406, 408, 409, 410, 422, 429))
_STATUSES_OF_SERVERS = frozenset((500, 502, 503, 504))


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    # Made when the first call is told of: a start must not take longer for them.
    return tuple((endpoint, _pattern(endpoint)) for endpoint in ENDPOINTS)


def _pattern(endpoint: str) -> re.Pattern[str]:
    pattern = endpoint.replace("{repo_type}", "(?:model|dataset|space|kernel)")
    pattern = re.sub(r"\{\w+\}", "[^/?]+", pattern)
    return re.compile(rf"{pattern}(?:\?.*)?", re.DOTALL)


def endpoint_of(path: str) -> str:
    """Return which of `ENDPOINTS` *path* is, or `OTHER`; what is asked after a `?` is left out."""
    return next((name for name, pattern in _patterns() if pattern.fullmatch(path)), OTHER)


def status_class(status: int) -> str:
    """Return *status* if it is one that is known, or else its hundred, as `4xx`."""
    known = status in _STATUSES or status in _STATUSES_OF_SERVERS
    return str(status) if known else f"{str(status)[:1]}xx"
