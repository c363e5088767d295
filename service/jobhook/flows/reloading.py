"""
Keep the rules in force as their folder has them, while the service runs.

The folder is looked at again and again, because no system tells of every change: not of what
happens on another machine, and not of a link above the folder that is set anew. What is wrong
there changes nothing; the rules that were loaded last stay in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable

import structlog

from jobhook.core.errors import RulesError, UsageError
from jobhook.core.rules import RuleSet, setting_of
from jobhook.flows.rulebook import Edition, Rulebook
from jobhook.flows.worker import Worker
from jobhook.ports import Clock

_PAUSE_SECONDS = 1.0
# How long nothing may change before it is read: editors write in steps, git writes many files.
_QUIET_SECONDS = 0.5
# A look at a large folder, or over a slow network, is paid for by the pause after it.
_PAUSE_PER_LOOK = 50
# Of how many rules or problems a log line tells.
_TOLD_MAX = 20

log = structlog.get_logger()


class Reloader(Worker):
    """
    Puts the rules of a folder in force when they have changed, all of them or none.

    *look* returns another number whenever a file may have changed; *state* is the one from before
    the rules in force were read. *load* reads them. Both wait for the disk, in a thread. Unless it
    *watches*, the rules are read only when it is asked to.
    """

    def __init__(
        self,
        rulebook: Rulebook,
        monotonic: Clock,
        *,
        look: Callable[[], int],
        load: Callable[[], RuleSet],
        state: int,
        watches: bool,
        job_secrets: Collection[str],
        on_replaced: Callable[[], None],
    ) -> None:
        super().__init__()
        self._rulebook = rulebook
        self._monotonic = monotonic
        self._look = look
        self._load = load
        self._watches = watches
        self._job_secrets = job_secrets
        self._on_replaced = on_replaced
        self._asked = False
        self._loaded = self._state = state
        self._refused: tuple[str, ...] = ()

    def ask(self) -> None:
        """Say that the rules are to be read now, whatever the folder looks like."""
        self._asked = True
        self.wake()

    async def step(self) -> bool:
        asked, self._asked = self._asked, False
        if asked or self._watches:
            is_quiet = not await self._looks_other()
            if asked or (is_quiet and self._state != self._loaded):
                await self._reload(asked)
        return False

    async def _looks_other(self) -> bool:
        """Look at the folder; return whether it is not as it was at the last look."""
        began, before = self._monotonic(), self._state
        self._state = await asyncio.to_thread(self._look)
        is_other = self._state != before
        pause = _QUIET_SECONDS if is_other else _PAUSE_SECONDS
        self.idle = max(pause, (self._monotonic() - began) / 1000 * _PAUSE_PER_LOOK)
        return is_other

    async def _reload(self, asked: bool) -> None:
        state = self._state
        read = await asyncio.to_thread(self._read)
        if await self._looks_other():
            # What was read may be partly old and partly new.
            self._asked |= asked
        elif not self._stopped.is_set():
            self._loaded = state
            self._judge(read, asked)

    def _read(self) -> Edition | tuple[str, ...]:
        """Return the rules as they are now, or what is wrong with them."""
        try:
            return Edition.of(self._load())
        except RulesError as exc:
            return tuple(map(str, exc.problems))
        except UsageError as exc:
            return (str(exc),)

    def _judge(self, read: Edition | tuple[str, ...], asked: bool) -> None:
        refused, self._refused = self._refused, read if isinstance(read, tuple) else ()
        if isinstance(read, tuple):
            if asked or read != refused:
                self._tell_refusal(read)
        elif read.version != self._rulebook.version:
            self._replace(read)
        elif asked or refused:
            log.info("rules.unchanged", rules_version=read.version)

    def _replace(self, edition: Edition) -> None:
        before = self._rulebook.rules
        self._rulebook.replace(edition)
        warn_of(edition.rules, self._job_secrets, before=before)
        old, new = _fingerprints(before), _fingerprints(edition.rules)
        log.info(
            "rules.reloaded",
            rules=len(new),
            rules_version=edition.version,
            added=_told(new.keys() - old.keys()),
            changed=_told(name for name in new.keys() & old.keys() if new[name] != old[name]),
            removed=_told(old.keys() - new.keys()),
        )
        self._on_replaced()

    def _tell_refusal(self, problems: tuple[str, ...]) -> None:
        log.error(
            "rules.refused",
            count=len(problems),
            problems=list(problems[:_TOLD_MAX]),
            kept=self._rulebook.version,
        )


def warn_of(rules: RuleSet, job_secrets: Collection[str], *, before: RuleSet) -> None:
    """Log what the authors of *rules* should know, but not what was so *before* as well."""
    for warning in sorted({*rules.warnings}.difference(before.warnings)):
        log.warning("rule.warned", problem=str(warning))
    for name in sorted(rules.secret_names.difference(job_secrets, before.secret_names)):
        log.warning("rule.lacks_secret", secret=name, set=setting_of(name))


def _fingerprints(rules: RuleSet) -> dict[str, str]:
    return {rule.id: rule.fingerprint for rule in rules.rules}


def _told(ids: Iterable[str]) -> list[str]:
    told = sorted(ids)
    more = [f"… and {len(told) - _TOLD_MAX} more"] if len(told) > _TOLD_MAX else []
    return told[:_TOLD_MAX] + more
