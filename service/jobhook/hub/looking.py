"""
What rules want to know of a delivery that is not in it.

Names and ids come from whoever sent the delivery: what the Hub cannot know is not asked for.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from jobhook.core.errors import HubBusy, HubForbidden, HubNotFound, ListTooLong
from jobhook.core.findings import ChangedFile, Discussion, Repo
from jobhook.core.names import is_account, is_repo, is_sha
from jobhook.hub.models import AUTHOR_LENGTH
from jobhook.hub.transport import HubTransport
from jobhook.hub.trees import TreeComparison
from jobhook.hub.wire import items, items_or_empty, object_or_empty, text, text_or_empty

COMMENTS_MAX = 1_000
TAGS_MAX = 1_000
MEMBERS_PAGES_MAX = 20
_MEMBERS_A_PAGE = 1_000
# A discussion comes whole, each comment of up to 65,536 characters as text and as HTML.
_DISCUSSION_MAX_BYTES = 32 * 1024 * 1024
_WITH_COMMITS = frozenset({"model", "dataset", "space"})
_WITH_DISCUSSIONS = _WITH_COMMITS | {"kernel"}


class LookingApi:
    """Files that changed, discussions, repos, and who somebody is in an org."""

    transport: HubTransport

    async def changed_files(
        self, name: str, *, repo_type: str, old: str | None, new: str
    ) -> tuple[ChangedFile, ...]:
        """
        Return what differs between two commits; all files of *new* where *old* is None.

        Raises:
            HubNotFound: There is no such repo or commit (any more) for us to see.
            ListTooLong: It would take more calls, or more changed, than one delivery is worth.
        """
        path = _repo_path(name, repo_type, among=_WITH_COMMITS)
        if not is_sha(new) or not (old is None or is_sha(old)):
            raise HubNotFound(f"{name} has no such commit")
        return await TreeComparison(self.transport, f"{path}/tree", old=old, new=new).run()

    async def discussion(self, name: str, num: int, *, repo_type: str) -> Discussion:
        """
        Return a discussion or pull request; `HubNotFound` if there is none for us to see.

        Of very long ones, only the last `COMMENTS_MAX` comments are kept.
        """
        path = _repo_path(name, repo_type, among=_WITH_DISCUSSIONS)
        # The official client adds `diff=1`; who wrote what, and the head, come without it.
        answer = await self.transport.get(
            f"{path}/discussions/{num}", answer_max=_DISCUSSION_MAX_BYTES
        )
        try:
            return _read_discussion(answer.body)
        except (LookupError, TypeError, AttributeError) as exc:
            raise HubBusy(f"discussion {num} of {name} cannot be read") from exc

    async def repo(self, name: str, *, repo_type: str) -> Repo:
        """Return a repo; `HubNotFound` if there is none for us to see."""
        path = _repo_path(name, repo_type, among=_WITH_COMMITS)
        # Else it would list every file.
        answer = await self.transport.get(path, [("expand", "tags")])
        try:
            tags = map(text, items_or_empty(answer.body.get("tags"))[:TAGS_MAX])
            # What deliveries call the id; the Hub's `id` is the name.
            return Repo(id=text(answer.body["_id"]), tags=tuple(tags))
        except (LookupError, TypeError, AttributeError) as exc:
            raise HubBusy(f"what the Hub tells of {name} cannot be read") from exc

    async def role(self, org: str, user: str) -> str:
        """
        Return what *user* is in *org*: `admin`, `write`, `contributor`, `read`; empty for nothing.

        `member` where the Hub does not show us the role, `no_access` where that is the role.

        Raises:
            HubNotFound: There is no such org.
            HubForbidden: The org hides its members from us.
            ListTooLong: It has more members than are read.
        """
        if not is_account(org):
            raise HubNotFound("there is no such org")
        path, shown, pages = f"/api/organizations/{org}/members", 0, 0
        async for page in self.transport.pages(path, [("limit", str(_MEMBERS_A_PAGE))]):
            pages += 1
            if pages > MEMBERS_PAGES_MAX:
                raise ListTooLong(f"{org} has over {shown:,} members; no more were read")
            roles = _read_members(page, org)
            shown += len(roles)
            if user.casefold() in roles:
                return roles[user.casefold()]
        if not shown:
            raise HubForbidden(f"the Hub shows us no member of {org}")
        return ""


def _repo_path(name: str, repo_type: str, *, among: frozenset[str]) -> str:
    if repo_type not in among or not is_repo(name):
        raise HubNotFound(f"the Hub has nothing like that of a {repo_type[:20]} of that name")
    return f"/api/{repo_type}s/{quote(name)}"


def _read_discussion(wire: Any) -> Discussion:
    # A list that is not there would pass for nobody having written anything.
    comments = [event for event in items(wire["events"]) if event["type"] == "comment"]
    return Discussion(
        author=_author(wire),
        head_sha=text_or_empty(object_or_empty(wire.get("changes")).get("headCommitId")),
        commenters={text(event["id"]): _author(event) for event in comments[-COMMENTS_MAX:]},
    )


def _author(wire: Any) -> str:
    """Return the name of who wrote it; the Hub names nobody where the account is gone."""
    return text_or_empty(object_or_empty(wire.get("author")).get("name"))[:AUTHOR_LENGTH]


def _read_members(page: Any, org: str) -> dict[str, str]:
    """Return the roles on a *page* by the names of the users, in small letters."""
    try:
        return {
            text(member["user"]).casefold(): text_or_empty(member.get("role")) or "member"
            for member in items(page)
        }
    except (LookupError, TypeError, AttributeError) as exc:
        raise HubBusy(f"the Hub's list of the members of {org} cannot be read") from exc
