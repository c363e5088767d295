"""How people name a job or a schedule: its id, or `namespace/id` as the Hub's pages show it."""

from __future__ import annotations

from jobhook.core.errors import UsageError


def split_id(text: str, namespace: str | None) -> tuple[str, str | None]:
    """
    Return the id and the namespace that *text* and the option *namespace* say together.

    Raises:
        UsageError: It is no id, or the two say different namespaces.
    """
    *before, job_id = text.split("/")
    if not job_id or len(before) > 1 or before == [""]:
        raise UsageError(f"{text[:120]!r} is no id: write ID, or NAMESPACE/ID")
    named = before[0] if before else None
    if named and namespace and named != namespace:
        raise UsageError(f"{text[:120]!r} is in another namespace than --namespace {namespace}")
    return job_id, named or namespace
