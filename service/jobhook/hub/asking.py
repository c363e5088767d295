"""What callers say of a job, as a `JobSpec`: the words of the official client, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobhook.core.errors import UsageError
from jobhook.core.job_names import name_from_image
from jobhook.core.jobs import JobSpec, Network, Volume
from jobhook.core.timeouts import parse_timeout
from jobhook.hub.arguments import (
    a_flag,
    a_line,
    a_line_or_none,
    a_text,
    a_whole_number,
    listed,
    texts,
    words,
)


def spec_from(
    *,
    image: str,
    command: Sequence[str],
    name: str | None,
    env: Mapping[str, Any] | None,
    secrets: Mapping[str, Any] | None,
    flavor: str | None,
    timeout: float | str | None,
    attempts: int | None,
    labels: Mapping[str, str] | None,
    volumes: Iterable[Any] | None,
    expose: Iterable[int] | None,
    expose_public: Iterable[int] | None,
    resource_group_id: str | None,
    ssh: bool = False,
    network_group: str | None = None,
    network_aliases: Iterable[str] | None = None,
) -> JobSpec:
    """
    Return what is asked for; *name* is another word for the label `name`.

    Raises:
        UsageError: The Hub would not take it, or it is no job at all.
    """
    if network_aliases and not network_group:
        raise UsageError("network_aliases needs a network_group")
    group = a_line_or_none("network_group", network_group)
    aliases = words("network_aliases", () if network_aliases is None else network_aliases)
    image, told = a_line("image", image), words("command", command)
    return JobSpec(
        image=image,
        command=told,
        flavor=a_line_or_none("flavor", flavor) or "cpu-basic",
        timeout=_timeout(timeout),
        attempts=None if attempts is None else a_whole_number("attempts", attempts),
        env=texts("env", env),
        secrets=texts("secrets", secrets),
        labels=_named(name, texts("labels", labels), name_from_image(image, told)),
        volumes=tuple(map(_volume, listed("volumes", volumes))),
        expose=listed("expose", expose),
        expose_public=listed("expose_public", expose_public),
        ssh=a_flag("ssh", ssh),
        resource_group_id=a_line_or_none("resource_group_id", resource_group_id),
        network=Network(group=group, aliases=aliases) if group else None,
    )


def _timeout(given: float | str | None) -> int | None:
    # Nothing, and 0, leave it to the Hub.
    is_0 = isinstance(given, int | float) and not isinstance(given, bool) and given == 0
    return None if given is None or is_0 else parse_timeout(given)


def _named(name: str | None, labels: dict[str, str], default: str) -> dict[str, str]:
    if name is None:
        return {"name": default, **labels}
    if "name" in labels:
        raise UsageError("say `name`, or the key `name` in `labels`, but not both")
    return {**labels, "name": a_text("name", name)}


def _volume(given: Any) -> Volume:
    """Return a volume of ours: the official client's have the same fields."""
    if isinstance(given, Volume):
        return given
    try:
        return Volume(
            type=given.type,
            source=given.source,
            mount_path=given.mount_path,
            revision=given.revision,
            read_only=given.read_only,
            path=given.path,
        )
    except AttributeError as exc:
        raise UsageError(f"volumes holds a {type(given).__name__}: it wants Volume(…)") from exc
