"""
The kinds of values that jobs are made of, as callers give them.

What can be said in a schema is said there, so that whoever keeps to it is not refused; what is
left, the same rules say as for the Python functions (`core/jobs.py`).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from jobhook.core.errors import UsageError
from jobhook.core.jobs import PORTS_MAX
from jobhook.core.schedules import SCHEDULE_WORDS, check_schedule
from jobhook.web.api.given import Given, Named

LINE_MAX = 1000
TIMEOUT_MAX = 1_000_000_000
_ATTEMPTS_MAX = 1000
_FILE_NAME_MAX = 255
# What no name and no address may hold.
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_NAME = "[A-Za-z0-9_][A-Za-z0-9._-]{0,95}"
_ENV_NAME = "^[a-zA-Z][_a-zA-Z0-9]+$"
_SECRET_NAME = "^[a-zA-Z][_a-zA-Z0-9]*$"  # noqa: S105 - a pattern
_LABEL_KEY, _LABEL_VALUE = "[a-zA-Z0-9._-]{1,100}", "[a-zA-Z0-9._-]{0,100}"
# A bucket has no revisions.
_URI = (
    f"^hf://(((models|datasets|spaces)/)?{_NAME}/{_NAME}(@[^/@:{_CONTROLS}]+)?"
    f"|buckets/{_NAME}/{_NAME})"
    f"(/[^/:{_CONTROLS}]+)*:/[^:{_CONTROLS}]+(:(ro|rw))?$"
)
# Minute, hour, day, month, day of the week; which of six or seven fields is which, nobody says.
_FIELDS = (
    "[0-5]?[0-9]",
    "([01]?[0-9]|2[0-3])",
    "(0?[1-9]|[12][0-9]|3[01])",
    "(0?[1-9]|1[0-2])",
    "0?[0-7]",
)
_ANY = "[0-9]{1,4}"
# At least a second; longer than anybody means it cannot be.
_TIMEOUT = (
    "^([1-9][0-9]{0,8}([.][0-9]{1,4})?[smhd]?|0[.][1-9][0-9]{0,3}[mhd]|0[.]0[1-9][0-9]{0,2}[hd])$"
)


def _field(number: str) -> str:
    """Return the pattern of one field of a cron expression."""
    step = "/[1-9][0-9]{0,3}"
    return rf"(\*({step})?|{number}({step}|-{number}|(,{number})*))"


_CRON = " ".join(map(_field, _FIELDS))
_LONG_CRON = f"{_field(_ANY)}( {_field(_ANY)}){{5,6}}"
_SCHEDULE = f"^({'|'.join((*SCHEDULE_WORDS, _CRON, _LONG_CRON))})$"


def _a_timeout(value: float | str) -> float | str:
    if isinstance(value, str):
        if not re.fullmatch(_TIMEOUT, value):
            raise PydanticCustomError("timeout", "seconds, or a number with s, m, h or d: 90m")
        return value
    if not 1 <= value <= TIMEOUT_MAX:
        raise PydanticCustomError("timeout", "a second at least, and a thousand million at most")
    # How many digits a number has behind the point says nothing of its length.
    return int(value)


def _a_schedule(value: str) -> str:
    try:
        return check_schedule(value)
    except UsageError as exc:
        raise PydanticCustomError("schedule", "{told}", {"told": str(exc)}) from exc


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Line = Annotated[str, StringConstraints(max_length=LINE_MAX, pattern=f"^[^{_CONTROLS}]*$")]
FullLine = Annotated[
    str, StringConstraints(min_length=1, max_length=LINE_MAX, pattern=f"^[^{_CONTROLS}]+$")
]
# A text that an environment or an argument can carry.
Plain = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
Word = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00]+$")]
Words = tuple[Word, ...]
Secret = Annotated[Plain, Field(json_schema_extra={"format": "password", "writeOnly": True})]
# What has a name here has it in the document, and in the clients that are generated from it.
Env = TypeAliasType(
    "Env", Annotated[dict[Annotated[str, StringConstraints(pattern=_ENV_NAME)], Plain], Named()]
)
Secrets = TypeAliasType(
    "Secrets",
    Annotated[dict[Annotated[str, StringConstraints(pattern=_SECRET_NAME)], Secret], Named()],
)
LabelValue = Annotated[str, StringConstraints(pattern=f"^{_LABEL_VALUE}$")]
Labels = TypeAliasType(
    "Labels",
    Annotated[
        dict[Annotated[str, StringConstraints(pattern=f"^{_LABEL_KEY}$")], LabelValue], Named()
    ],
)
Label = Annotated[str, StringConstraints(pattern=f"^{_LABEL_KEY}={_LABEL_VALUE}$")]
# Of a user, an org or a repo.
HubName = Annotated[str, StringConstraints(pattern=f"^{_NAME}(/{_NAME})?$")]
Namespace = Annotated[str, StringConstraints(pattern=f"^{_NAME}$")]
HubId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{24}$")]
# The path of a file as the caller knows it; its last part is a name, and no folder.
FileName = Annotated[
    str,
    StringConstraints(
        max_length=_FILE_NAME_MAX,
        pattern=f"^([^/{_CONTROLS}]*/)*[.]?[^/.{_CONTROLS}][^/{_CONTROLS}]*$",
    ),
]
Files = TypeAliasType("Files", Annotated[dict[FileName, Plain], Named(_FILE_NAME_MAX)])
Group = Annotated[str, StringConstraints(pattern="^[a-z0-9-]{1,46}$")]
Alias = Annotated[str, StringConstraints(pattern="^[a-z0-9-]{1,34}$")]
# In JSON 1.0 is as whole as 1.
Attempts = Annotated[int, Field(ge=1, le=_ATTEMPTS_MAX), BeforeValidator(_whole)]
Port = Annotated[int, Field(ge=1, le=65_535), BeforeValidator(_whole)]
Ports = Annotated[tuple[Port, ...], Field(max_length=PORTS_MAX)]
Timeout = Annotated[
    float | str,
    AfterValidator(_a_timeout),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 1, "maximum": TIMEOUT_MAX},
                {"type": "string", "pattern": _TIMEOUT},
            ]
        }
    ),
]
Times = Annotated[
    str,
    AfterValidator(_a_schedule),
    WithJsonSchema({"type": "string", "maxLength": 200, "pattern": _SCHEDULE}),
]


class GivenVolume(Given):
    """A bucket or repo that the job finds at *mount_path*; what is null the Hub decides."""

    type: Literal["bucket", "model", "dataset", "space"] = Field(
        "model", description="A bucket, or a type of repo."
    )
    source: FullLine = Field(description="Its name, as `owner/name`.")
    mount_path: Annotated[
        str, StringConstraints(max_length=LINE_MAX, pattern=f"^/[^{_CONTROLS}]*$")
    ] = Field(description="A path in the container.")
    revision: FullLine | None = Field(None, description="A branch, a tag or a commit.")
    read_only: bool | None = Field(None, description="Whether the job may not write to it.")
    path: FullLine | None = Field(None, description="What of it is mounted, if not all.")


Volume = GivenVolume | Annotated[str, StringConstraints(max_length=LINE_MAX, pattern=_URI)]
Volumes = tuple[Volume, ...]
