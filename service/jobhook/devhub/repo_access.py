"""Which repo a request is about, and whether who asks may see or change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .repos import TYPES, no_repo
from .requests import NO_TOKEN, asker, known_asker, param
from .wire import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from .accounts import Accounts, User
    from .limits import Limits
    from .repo_store import Repos
    from .repos import Repo

_KINDS = {f"{name}s": name for name in TYPES}


class RepoAccess:
    """What all routes of repos need."""

    def __init__(self, url: str, accounts: Accounts, repos: Repos, limits: Limits) -> None:
        self.url = url
        self.accounts = accounts
        self.repos = repos
        self.limits = limits

    def visible(self, user: User | None, repo_type: str, name: str) -> Repo:
        """Return the repo *name* if *user* may see it; else it is as if there were none."""
        repo = self.repos.find(repo_type, name)
        if repo is not None and repo.visible_to(user, self.accounts):
            return repo
        # To somebody unknown, the Hub does not even say that there is none.
        raise no_repo() if user else Refusal(401, NO_TOKEN, code="RepoNotFound")

    def writable(self, user: User, repo: Repo) -> Repo:
        """Return *repo*, which *user* may see, if they may also change it."""
        if not self.accounts.may_write(user, repo.owner.name):
            raise Refusal(403, f"You have no right to change {repo.full_name}")
        return repo

    def readable(self, request: Request) -> tuple[User | None, Repo]:
        """Return who asks and the repo in the path, if they may see it."""
        kind = request.path_params.get("kind", "models")
        if kind not in _KINDS:
            raise Refusal(404, "Not Found")
        user = asker(request, self.accounts)
        name = f"{param(request, 'owner')}/{param(request, 'name')}"
        return user, self.visible(user, _KINDS[kind], name)

    def changeable(self, request: Request) -> tuple[User, Repo]:
        """Return who asks and the repo in the path, if they may change it."""
        _, repo = self.readable(request)
        user = known_asker(request, self.accounts)
        return user, self.writable(user, repo)
