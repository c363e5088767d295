"""
What callers hand over, checked before anything is sent: each is taken, or is a `UsageError`.

Type hints bind nobody at run time: here a list that stands where a text must be is told of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from jobhook.core.errors import UsageError
from jobhook.core.names import is_id
from jobhook.core.texts import ONE_LINE, is_one_line, shown

# Python writes down numbers of 4,300 digits; no number that the Hub takes has so many.
_NUMBER_MAX_BITS = 1024
_WHOLE_MAX = 10**15

Item = TypeVar("Item")


def a_text(what: str, value: Any) -> str:
    """Return *value*, which must be a text."""
    if not isinstance(value, str):
        raise UsageError(f"{what} must be a text, not {type(value).__name__}")
    return value


def a_line(what: str, value: Any) -> str:
    """Return *value*, which must be a text without control characters, and no long one."""
    if not is_one_line(a_text(what, value)):
        raise UsageError(f"{what} {shown(value)} {ONE_LINE}")
    return str(value)


def a_line_or_none(what: str, value: Any) -> str | None:
    """Return *value*, which must be such a text or None; an empty one is None."""
    return (a_line(what, value) or None) if value is not None else None


def a_flag(what: str, value: Any) -> bool:
    """Return *value*, which must be True or False, or None for False: the text "no" is neither."""
    if value is not None and not isinstance(value, bool):
        raise UsageError(f"{what} must be True or False, not {type(value).__name__}")
    return bool(value)


def a_whole_number(what: str, value: Any) -> int:
    """Return *value*, which must be a whole number that can be meant."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{what} must be a whole number, not {type(value).__name__}")
    if abs(value) >= _WHOLE_MAX:
        raise UsageError(f"{what} must be a whole number of 15 digits at most")
    return value


def seconds(what: str, value: Any, *, may_be_0: bool = False) -> float:
    """Return *value*, which must be a length of time."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{what} must be a number of seconds, not {type(value).__name__}")
    if isinstance(value, int) and value >= _WHOLE_MAX:
        raise UsageError(f"{what} must be a number of 15 digits at most")
    if may_be_0 and not value >= 0:
        raise UsageError(f"{what} cannot be negative, as {shown(value)} is")
    if not value > 0 and not may_be_0:
        raise UsageError(f"{what} must be more than 0 seconds, not {shown(value)}")
    return value


def a_deadline(value: Any) -> float | None:
    """Return *value*, which must be more than 0; None is the deadline of every call."""
    return None if value is None else seconds("timeout", value)


def listed(what: str, given: Iterable[Item] | None) -> tuple[Item, ...]:
    """Return *given*, which must be a list; None is an empty one."""
    if given is not None and not _is_listed(given):
        raise UsageError(f"{what} must be a list, not {type(given).__name__}")
    return tuple(given or ())


def words(what: str, given: Iterable[str] | None) -> tuple[str, ...]:
    """Return *given*, which must be a list of texts; one text is not taken apart."""
    if given is None or not _is_listed(given):
        raise UsageError(f"{what} must be a list of words, such as ['python', 'train.py']")
    return tuple(a_text(what, word) for word in given)


def _is_listed(given: Any) -> bool:
    return isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping)


def texts(what: str, given: Mapping[str, Any] | None) -> dict[str, str]:
    """
    Return names and values, numbers as text: the Hub wants texts. None is none.

    Raises:
        UsageError: A value is neither; it is not told, as it may be a secret.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise UsageError(f"{what} must map names to values")
    return {a_text(f"a name in {what}", name): _value(what, name, value)
            for name, value in given.items()}  # fmt: skip


def texts_to_set(what: str, given: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what `texts` returns; None is refused where it would take everything away."""
    if given is None:
        raise UsageError(f"{what} must map names to values: {{}} takes all of them away")
    return texts(what, given)


def _value(what: str, name: str, value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{what} {_plain(name)} is {type(value).__name__}: the Hub wants a text")
    if isinstance(value, int) and value.bit_length() > _NUMBER_MAX_BITS:
        raise UsageError(f"{what} {_plain(name)} is a number of over 300 digits")
    return str(value)


def _plain(name: str) -> str:
    return name[:120] if name.isprintable() else shown(name, 120)


def an_id(what: str, value: Any) -> str:
    """Return *value*, which must be able to be the id of *what*."""
    if not isinstance(value, str) or not is_id(value):
        raise UsageError(f"{shown(value, 80)} is no id of a {what}")
    return value


def no_problem(problems: Iterable[str]) -> None:
    """Raise `UsageError` with the first of *problems*, if there is one."""
    for problem in problems:
        raise UsageError(problem)
