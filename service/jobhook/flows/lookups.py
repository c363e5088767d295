"""The questions to the Hub that rules make necessary, and what its answers mean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

import structlog

from jobhook.core.actions import place_of
from jobhook.core.deliveries import RepoField
from jobhook.core.errors import HubBusy, HubError, HubNotFound, HubRefused, HubUnauthorized
from jobhook.core.findings import Commit, Found, Kind, Lookup, Unavailable
from jobhook.ports import Hub

log = structlog.get_logger()


class Lookups:
    """Asks the Hub, a few questions at a time; *own* gives the namespace that our jobs run in."""

    def __init__(self, hub: Hub, own: Callable[[], str]) -> None:
        self._hub = hub
        self._own = own

    async def all_of(
        self, lookups: Collection[Lookup], repo: RepoField
    ) -> tuple[Mapping[Lookup, Found | Unavailable], Mapping[Lookup, HubError]]:
        """
        Return what was found, or is refused for good, and what failed and may be tried again.

        No lookup is in both.
        """
        ordered = sorted(lookups)
        answers = await asyncio.gather(*(self._one(lookup, repo) for lookup in ordered))
        pairs = list(zip(ordered, answers, strict=True))
        found = {lookup: got for lookup, got in pairs if not isinstance(got, HubError)}
        return found, {lookup: got for lookup, got in pairs if isinstance(got, HubError)}

    async def _one(self, lookup: Lookup, repo: RepoField) -> Found | Unavailable | HubError:
        try:
            return await self._ask(lookup, repo)
        except HubUnauthorized as exc:
            # The token is at fault, and may be mended.
            return exc
        except HubRefused as exc:
            return Unavailable(str(exc), is_refused=True)
        except HubError as exc:
            return exc
        except Exception as exc:
            # A fault of ours, perhaps on an answer that nobody has foreseen: it counts as one look.
            log.exception("lookup.broken", kind=lookup.kind.name)
            return HubBusy(f"jobhook failed on what the Hub answered: {type(exc).__name__}")

    async def _ask(self, lookup: Lookup, repo: RepoField) -> Found:
        match lookup.kind:
            case Kind.FILES:
                old, new = lookup.of
                return await self._hub.changed_files(
                    repo.name, repo_type=repo.type, old=old or None, new=new
                )
            case Kind.COMMIT:
                commit = await self._hub.commit(repo.name, lookup.of[0], repo_type=repo.type)
                return Commit(f"{commit.title}\n{commit.message}", tuple(commit.authors))
            case Kind.DISCUSSION:
                number = int(lookup.of[0])
                return await self._hub.discussion(repo.name, number, repo_type=repo.type)
            case Kind.ROLE:
                return await self._role(*lookup.of)
            case Kind.JOB:
                namespace, job_id = place_of(lookup.of[0], self._own())
                return await self._hub.job_spec(job_id, namespace=namespace)
        return await self._hub.repo(repo.name, repo_type=repo.type)

    async def _role(self, org: str, user: str) -> str:
        try:
            return await self._hub.role(org, user)
        except HubNotFound:
            # The owner is a user, and nobody has a role there.
            return ""
