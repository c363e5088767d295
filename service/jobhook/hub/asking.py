"""What callers say of a job, as a `JobSpec`: the words of the official client, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from jobhook.core.errors import UsageError
from jobhook.core.job_names import name_from_image
from jobhook.core.jobs import JobSpec, Network, Volume
from jobhook.core.timeouts import parse_timeout

Item = TypeVar("Item")


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
    aliases = words("network_aliases", network_aliases or ())
    image, told = _text("image", image), words("command", command)
    return JobSpec(
        image=image,
        command=told,
        flavor=str(flavor or "cpu-basic"),
        # Nothing, and 0, leave it to the Hub.
        timeout=parse_timeout(timeout) if timeout else None,
        attempts=_whole("attempts", attempts),
        env=texts("env", env),
        secrets=texts("secrets", secrets),
        labels=_named(name, texts("labels", labels), name_from_image(image, told)),
        volumes=tuple(map(_volume, listed("volumes", volumes))),
        expose=listed("expose", expose),
        expose_public=listed("expose_public", expose_public),
        ssh=bool(ssh),
        resource_group_id=resource_group_id or None,
        network=Network(group=network_group, aliases=aliases) if network_group else None,
    )


def _named(name: str | None, labels: dict[str, str], default: str) -> dict[str, str]:
    if name is None:
        return {"name": default, **labels}
    if "name" in labels:
        raise UsageError("say `name`, or the key `name` in `labels`, but not both")
    return {**labels, "name": _text("name", name)}


def listed(what: str, given: Iterable[Item] | None) -> tuple[Item, ...]:
    """Return *given*, which must be a list; None is an empty one."""
    if given is not None and (isinstance(given, str | bytes) or not isinstance(given, Iterable)):
        raise UsageError(f"{what} must be a list, not {type(given).__name__}")
    return tuple(given or ())


def words(what: str, given: Iterable[str]) -> tuple[str, ...]:
    """Return *given*, which must be a list of texts; one text is not taken apart."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise UsageError(f"{what} must be a list of words, such as ['python', 'train.py']")
    return tuple(_text(what, word) for word in given)


def texts(what: str, given: Mapping[str, Any] | None) -> dict[str, str]:
    """
    Return names and values, numbers as text: the Hub wants texts.

    Raises:
        UsageError: A value is neither; it is not told, as it may be a secret.
    """
    if not isinstance(given or {}, Mapping):
        raise UsageError(f"{what} must map names to values")
    return {_text(f"a name in {what}", name): _value(what, name, value)
            for name, value in (given or {}).items()}  # fmt: skip


def _value(what: str, name: str, value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise UsageError(f"{what} {name[:120]} is {type(value).__name__}: the Hub wants a text")


def _text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{what} must be a text, not {type(value).__name__}")
    return value


def _whole(what: str, value: int | None) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise UsageError(f"{what} must be a whole number, not {type(value).__name__}")
    return value


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
