"""How tokens, the audit log and calls with a key lie in the columns of a table."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from jobhook.adapters.rows import Row, storable
from jobhook.core.access import ApiToken, Role
from jobhook.core.audits import AuditEntry, AuditFilter, fitted
from jobhook.core.repeats import Kept, Reply

TOKEN_COLUMNS = [each.name for each in fields(ApiToken)]
ENTRY_COLUMNS = [each.name for each in fields(AuditEntry) if each.name != "seq"]
TOKENS = f"SELECT {', '.join(TOKEN_COLUMNS)} FROM api_token"  # noqa: S608
AUDITS = f"SELECT {', '.join(ENTRY_COLUMNS)}, seq FROM audit"  # noqa: S608


def token_row(token: ApiToken) -> list[Any]:
    """Return the values for `TOKEN_COLUMNS`."""
    return [_storable(getattr(token, name)) for name in TOKEN_COLUMNS]


def token_of(row: Row) -> ApiToken:
    """Return a token of which `TOKENS` was read."""
    values = {name: row[name] for name in TOKEN_COLUMNS}
    return ApiToken(**{**values, "role": Role(values["role"])})


def entry_row(entry: AuditEntry) -> list[Any]:
    """Return the values for `ENTRY_COLUMNS`, fitted."""
    kept = fitted(entry)
    return [_storable(getattr(kept, name)) for name in ENTRY_COLUMNS]


def entry_of(row: Row) -> AuditEntry:
    """Return an entry of which `AUDITS` was read."""
    values = {name: row[name] for name in (*ENTRY_COLUMNS, "seq")}
    return AuditEntry(**{**values, "role": Role(values["role"])})


def kept_of(row: Row) -> Kept:
    """Return what is known of a key."""
    is_answered = row["status"] is not None
    return Kept(
        digest=row["digest"],
        began_at=row["began_at"],
        reply=Reply(row["status"], row["body"]) if is_answered else None,
    )


def wanted_audits(
    wanted: AuditFilter, before: int | None, mark: str
) -> tuple[tuple[str, object], ...]:
    """Return the conditions of *wanted*, and their values; *mark* stands for a value."""
    return (
        (f"seq < {mark}", before),
        (f"who = {mark}", _storable(wanted.who)),
        (f"did = {mark}", _storable(wanted.did)),
        (f"about = {mark}", _storable(wanted.about)),
        (f"at >= {mark}", wanted.since),
        (f"at < {mark}", wanted.until),
    )


def _storable(value: Any) -> Any:
    return storable(value) if isinstance(value, str) else value
