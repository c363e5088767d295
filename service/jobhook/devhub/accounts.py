"""Who exists on a devhub, which token is whose, and who may do what where."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from jobhook.core.errors import UsageError

from .wire import sentence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

USER = "dev"
TOKEN = "hf_devhub"  # noqa: S105 - the token of a Hub that guards nothing
OTHER_USER = "eve"
OTHER_TOKEN = "hf_devhub_eve"  # noqa: S105
ORG = "acme"

_BORN = "2024-01-01T00:00:00.000Z"
_USERS_HELP = '[{"name": "ann", "token": "hf_ann", "orgs": [{"name": "acme", "role": "read"}]}]'


class Role(StrEnum):
    """What a member may do in an organization."""

    ADMIN = "admin"
    WRITE = "write"
    CONTRIBUTOR = "contributor"
    READ = "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """Something that owns repos and jobs: a user or an organization."""

    name: str
    type: Literal["user", "org"]

    @property
    def id(self) -> str:
        """Return 24 hex digits that are the same on every devhub."""
        return hashlib.sha256(f"{self.type}:{self.name}".encode()).hexdigest()[:24]

    def to_wire(self, url: str) -> dict[str, Any]:
        """Return what the Hub tells about an owner."""
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type,
            "avatarUrl": f"{url}/avatars/{self.id}.svg",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody with a token, and the roles that they have in organizations."""

    name: str
    token: str = field(repr=False)
    roles: Mapping[str, Role] = field(default_factory=dict)

    @property
    def namespace(self) -> Namespace:
        """Return what this user owns things as."""
        return Namespace(name=self.name, type="user")


BUILT_IN = (
    User(name=USER, token=TOKEN, roles={ORG: Role.ADMIN}),
    User(name=OTHER_USER, token=OTHER_TOKEN),
)


class Accounts:
    """All users and organizations; an organization exists because somebody is a member."""

    def __init__(self, users: Iterable[User]) -> None:
        users = tuple(users)
        orgs = {org for user in users for org in user.roles}
        self._by_token = {user.token: user for user in users}
        self._namespaces = {
            **{org: Namespace(name=org, type="org") for org in orgs},
            **{user.name: user.namespace for user in users},
        }
        self._by_id = {user.namespace.id: user for user in users}

    def of_token(self, token: str) -> User | None:
        """Return whose *token* this is."""
        return self._by_token.get(token)

    def of_id(self, user_id: str) -> User | None:
        """Return the user with this id."""
        return self._by_id.get(user_id)

    def namespace(self, name: str) -> Namespace | None:
        """Return the user or organization called *name*."""
        return self._namespaces.get(name)

    def may_read(self, user: User | None, namespace: str) -> bool:
        """Whether *user* may see what is private in *namespace*."""
        return user is not None and (user.name == namespace or namespace in user.roles)

    def may_write(self, user: User | None, namespace: str) -> bool:
        """Whether *user* may change what is in *namespace*."""
        if user is None:
            return False
        return user.name == namespace or user.roles.get(namespace, Role.READ) is not Role.READ

    def whoami(self, user: User, url: str) -> dict[str, Any]:
        """Return the answer of `/api/whoami-v2`."""
        return {
            **user.namespace.to_wire(url),
            "fullname": user.name,
            "email": f"{user.name}@devhub.invalid",
            "emailVerified": True,
            "canPay": True,
            "isPro": True,
            "orgs": [self._membership(org, role, url) for org, role in user.roles.items()],
            "auth": {
                "type": "access_token",
                "accessToken": {"displayName": "devhub", "role": "write", "createdAt": _BORN},
            },
        }

    def members(
        self, org: str, url: str, *, search: str, asker: User | None
    ) -> list[dict[str, Any]]:
        """Return who is in *org*, by name; only its members are told who is what in it."""
        inside = asker is not None and org in asker.roles
        return [
            {
                "_id": user.namespace.id,
                "user": user.name,
                "fullname": user.name,
                "type": "user",
                "isPro": True,
                "avatarUrl": user.namespace.to_wire(url)["avatarUrl"],
                **({"role": user.roles[org]} if inside else {}),
            }
            for user in sorted(self._by_token.values(), key=lambda user: user.name)
            if org in user.roles and search.casefold() in user.name.casefold()
        ]

    def _membership(self, org: str, role: Role, url: str) -> dict[str, Any]:
        wire = self._namespaces[org].to_wire(url)
        return {**wire, "fullname": org, "isEnterprise": False, "canPay": True, "roleInOrg": role}


_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")]


def _named_orgs(value: object) -> object:
    """Take `{"acme": "read"}` as well as `[{"name": "acme", "role": "read"}]`."""
    if isinstance(value, dict):
        return [{"name": name, "role": role} for name, role in value.items()]
    return value


class _Membership(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: _Name
    role: Role = Role.WRITE


class _Person(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: _Name
    token: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]
    orgs: Annotated[list[_Membership], BeforeValidator(_named_orgs)] = []


_People = TypeAdapter(list[_Person])


def read_users(path: Path) -> tuple[User, ...]:
    """
    Return the users in the JSON file at *path*: a list, or an object with a list `users`.

    Raises:
        UsageError: If it cannot be read, is no such list, or takes a name or token twice.
    """
    try:
        content = orjson.loads(path.read_bytes())
        people = _People.validate_python(
            content.get("users") if isinstance(content, dict) else content
        )
    except OSError as exc:
        raise UsageError(f"cannot read the users file {path} ({exc.strerror})") from exc
    except orjson.JSONDecodeError as exc:
        raise UsageError(f"the users file {path} is not JSON: write {_USERS_HELP}") from exc
    except ValidationError as exc:
        raise UsageError(f"the users file {path} is wrong at {sentence(exc)}") from exc
    users = tuple(
        User(name=one.name, token=one.token, roles={org.name: org.role for org in one.orgs})
        for one in people
    )
    _refuse_clashes(path, users)
    return users


def _refuse_clashes(path: Path, users: tuple[User, ...]) -> None:
    everybody = (*BUILT_IN, *users)
    orgs = {org for user in everybody for org in user.roles}
    names = [user.name for user in everybody]
    for user in users:
        if names.count(user.name) > 1 or user.name in orgs:
            raise UsageError(f"the users file {path} takes the name {user.name!r} a second time")
    if len({user.token for user in everybody}) < len(everybody):
        raise UsageError(f"the users file {path} gives one token to two users")
