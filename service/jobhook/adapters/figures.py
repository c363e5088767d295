"""How things stand, asked so that it costs the same with any number of rows; for both databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from jobhook.adapters.rows import Row
from jobhook.core.deliveries import DeliveryState
from jobhook.core.figures import (
    DELIVERIES_MAX,
    LAUNCHES_MAX,
    REASON_CHARACTERS,
    Figures,
    Group,
    reason_class,
)
from jobhook.core.launches import LaunchState

_WAITING = (DeliveryState.STORED, DeliveryState.ENRICHING, DeliveryState.QUARANTINED)
_OPEN = tuple(state for state in LaunchState if not state.is_final)
# Since when a launch is where it is, as far as that is kept.
_SINCE = (
    "CASE state WHEN 'unknown' THEN unknown_since WHEN 'sending' THEN updated_at"
    " ELSE created_at END"
)


def _count_of(state: str) -> str:
    """Return a query of how many deliveries are in *state*, which the index tells by itself."""
    waiting = f"FROM delivery WHERE state = '{state}'"
    return (
        f"SELECT '{state}' AS state, '' AS reason, (SELECT count(*)"  # noqa: S608
        f" FROM (SELECT seq {waiting} LIMIT {DELIVERIES_MAX}) AS counted) AS number,"
        f" (SELECT received_at {waiting} ORDER BY seq LIMIT 1) AS since"
    )


def _groups_of(state: str) -> str:
    """Return a query of the launches in *state* by reason; {0} is since when a day counts."""
    return (
        "SELECT state, reason, count(*) AS number, min(since) AS since,"  # noqa: S608
        " CAST(sum(micro_usd) AS BIGINT) AS micro_usd"
        f" FROM (SELECT state, substr(reason, 1, {REASON_CHARACTERS}) AS reason, {_SINCE} AS since,"
        " CASE WHEN claimed_at > {0} THEN micro_usd ELSE 0 END AS micro_usd"
        f" FROM launch WHERE state = '{state}' ORDER BY seq LIMIT {LAUNCHES_MAX}) AS oldest"
        " GROUP BY state, reason"
    )


DELIVERIES = " UNION ALL ".join(map(_count_of, _WAITING))
LAUNCHES = " UNION ALL ".join(map(_groups_of, _OPEN))
# What all launches of this day have cost or have reserved.
DOLLARS = (
    "SELECT CAST(coalesce(sum(micro_usd), 0) AS BIGINT) AS micro_usd FROM launch"
    " WHERE claimed_at > {0} AND claimed_at > 0 AND claimed_at <= {1}"
)
PAUSES = "SELECT count(*) AS number FROM pause"


def figures_of(
    deliveries: Sequence[Row],
    launches: Sequence[Row],
    dollars: Sequence[Row],
    pauses: Sequence[Row],
) -> Figures:
    """Return what the rows of the four queries say."""
    committed = sum(row["micro_usd"] for row in launches)
    return Figures(
        deliveries=tuple(_groups(deliveries)),
        launches=tuple(_groups(launches)),
        # They are asked one after the other, and a launch may have moved between them.
        spent=max(0, dollars[0]["micro_usd"] - committed),
        committed=committed,
        pauses=pauses[0]["number"],
    )


def _groups(rows: Sequence[Row]) -> Iterator[Group]:
    counts: Counter[tuple[str, str]] = Counter()
    since: dict[tuple[str, str], int] = {}
    for row in rows:
        if not row["number"]:
            continue
        key = row["state"], reason_class(row["reason"])
        counts[key] += row["number"]
        since[key] = min(since.get(key, row["since"]), row["since"])
    for (state, reason), count in counts.items():
        yield Group(state=state, reason=reason, count=count, since=since[state, reason])
