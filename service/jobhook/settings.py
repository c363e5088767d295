"""
The settings of the service, read once from the environment that is passed in.

This is the only module that knows the names of our environment variables; those of the Hub's tools
are in `hub/login.py`. A name with our prefix that is not known is an error, because a setting that
is silently ignored is worse than none.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from jobhook.core.deliveries import SECRET_MAX_BYTES, SECRET_MIN_BYTES
from jobhook.core.errors import SettingsError, UsageError, did_you_mean
from jobhook.core.guards import Limits
from jobhook.core.jobs import LABEL_VALUE, NAMESPACE, SECRET_NAME
from jobhook.core.payloads import WEBHOOK_SECRET
from jobhook.core.timeouts import parse_timeout
from jobhook.database import Database, read_database
from jobhook.hub.login import HUB_ENDPOINT, PRINTABLE, given_token, login_file, saved_token

PREFIX = "JOBHOOK_"
JOB_SECRET_PREFIX = "JOBHOOK_SECRET_"  # noqa: S105 - a name
_WHOLE = re.compile("[0-9]{1,9}")
_DOLLARS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_SIGNING_KEY_MIN = 32
_ADMIN_TOKEN = re.compile(r"[\x21-\x7e]{32,512}")
_TOKEN_MAX = 1000
_RETENTION_MIN = 2 * 86_400
# Kubernetes gives every container variables that are named after its services.
_NOT_OURS = re.compile(r"JOBHOOK_(SERVICE|PORT)_.*")


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable of ours: its name without the prefix, its default, and what it is for."""

    name: str
    default: str
    help: str
    secret: bool = False


SETTINGS = (
    Setting(
        "DATABASE",
        "sqlite:///jobhook.db",
        "Where everything is kept: `sqlite:///PATH` or `postgresql://…`.",
        secret=True,
    ),
    Setting(
        "DATABASE_FORCE", "off", "Whether to use a database in a file on a network file system."
    ),
    Setting("RULES", "rules", "The folder with the rule files."),
    Setting(
        "RELOAD", "on", "Whether changed rule files are read by themselves, not only on SIGHUP."
    ),
    Setting(
        "WEBHOOK_SECRETS",
        "",
        "Comma-separated secrets that deliveries may carry; the first registers the webhook. "
        "`WEBHOOK_SECRET` adds one.",
        secret=True,
    ),
    Setting("QUERY_SECRET", "off", "Whether `?secret=` in the URL is accepted as well."),
    Setting(
        "SIGNING_KEYS",
        "",
        "Comma-separated keys for links to payloads; the first signs (default: one that is made "
        "and kept in the database).",
        secret=True,
    ),
    Setting(
        "ADMIN_TOKEN",
        "",
        "A token for the API that may do everything, to begin with where there is no shell: 32 "
        "characters or more.",
        secret=True,
    ),
    Setting("NAMESPACE", "", "The user or org that jobs run in (default: the token's user)."),
    Setting("PUBLIC_URL", "", "Where the Hub reaches this service (default: the Space's own URL)."),
    Setting(
        "REGISTER", "", "Whether to make the Hub's webhook at start (default: with a public URL)."
    ),
    Setting("HOST", "127.0.0.1", "The address to listen on."),
    Setting("PORT", "7860", "The port to listen on."),
    Setting(
        "CORS_ORIGINS",
        "",
        "Comma-separated origins, such as `https://ops.example.org`, whose pages may call the API.",
    ),
    Setting("PAUSE", "off", "Whether to launch nothing; deliveries are still taken in."),
    Setting("RULE_REPO_PER_HOUR", "6", "Launches an hour for a rule and a repo."),
    Setting("RULE_REPO_PER_DAY", "30", "Launches a day for a rule and a repo."),
    Setting("RULE_USD_PER_DAY", "5", "US dollars a day for a rule."),
    Setting("USD_PER_DAY", "20", "US dollars a day for all rules and all that people ask for."),
    Setting("CHAIN_DEPTH", "3", "Launches that may set one another off, in a row."),
    Setting(
        "ROOT_FANOUT", "25", "Launches that one event may lead to, with those set off by them."
    ),
    Setting(
        "QUARANTINE",
        "15m",
        "How long a launch whose outcome nobody knows is looked for before it may be tried again.",
    ),
    Setting("HUB_DEADLINE", "30s", "How long one request to the Hub may take, from 2s to 120s."),
    Setting("RETENTION", "30d", "How long deliveries are kept that are over; at least 2 days."),
    Setting("LAUNCH_MAX_AGE", "24h", "How long a launch may wait before it expires."),
    Setting("INSTANCE", "jobhook", "The name in the labels and ids of this service's jobs."),
    Setting("URL", "", "For the command line: the service elsewhere that commands are about."),
    Setting(
        "TOKEN", "", "An API token of that service; `jobhook token create` makes one.", secret=True
    ),
)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A service that is asked over HTTP: its address, and the API token that it is asked with."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    What the service is told.

    Attributes:
        launch_max_age: Seconds; so are *quarantine*, *hub_deadline* and *retention*.
        register: Whether to make the Hub's webhook at start; None means if a URL is known.
        job_secrets: What rules may hand to jobs, by name without the prefix.
        elsewhere: The service that the command line is about, if it is not the one of this machine.
        hf_login: The saved login that the token is from; None if it was given.
        is_space: Whether this runs on a Space, whose disk does not outlive a restart.
    """

    database: Database
    rules: Path
    reload: bool
    webhook_secrets: tuple[str, ...] = field(repr=False)
    query_secret: bool
    signing_keys: tuple[str, ...] = field(repr=False)
    admin_token: str | None = field(repr=False)
    namespace: str | None
    public_url: str | None
    register: bool | None
    host: str
    port: int
    cors_origins: tuple[str, ...]
    instance: str
    pause: bool
    limits: Limits
    launch_max_age: int
    quarantine: int
    hub_deadline: int
    retention: int
    job_secrets: Mapping[str, str] = field(repr=False)
    hf_endpoint: str
    hf_token: str | None = field(repr=False)
    hf_login: Path | None
    is_space: bool
    elsewhere: Elsewhere | None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every value that must not be seen in any output."""
        api_token = self.elsewhere.token if self.elsewhere else None
        tokens = (self.hf_token, self.admin_token, api_token)
        return (
            *self.webhook_secrets,
            *self.signing_keys,
            *self.job_secrets.values(),
            *(token for token in tokens if token),
            *self.database.passwords,
        )

    @property
    def handed_secrets(self) -> Mapping[str, str]:
        """What rules may hand to jobs, by the names that jobs know it by."""
        own = dict(zip([WEBHOOK_SECRET], self.webhook_secrets, strict=False))
        return {**self.job_secrets, **own}

    def current_token(self) -> str | None:
        """Return the token, read anew if it is a saved login: it may be replaced while we run."""
        with contextlib.suppress(SettingsError):
            return (self.hf_login and saved_token(self.hf_login)) or self.hf_token
        return self.hf_token

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """
        Return the settings that *environ* means.

        Raises:
            SettingsError: A name is misspelt, or a value cannot be.
        """
        ours, job_secrets = _our_values(environ)
        return cls(
            database=read_database(
                ours["DATABASE"], force=_switch("DATABASE_FORCE", ours["DATABASE_FORCE"])
            ),
            rules=Path(ours["RULES"]),
            reload=_switch("RELOAD", ours["RELOAD"]),
            webhook_secrets=_webhook_secrets(ours["WEBHOOK_SECRETS"], environ),
            query_secret=_switch("QUERY_SECRET", ours["QUERY_SECRET"]),
            signing_keys=_signing_keys(ours["SIGNING_KEYS"]),
            admin_token=_admin_token(ours["ADMIN_TOKEN"]),
            namespace=_namespace(ours["NAMESPACE"]),
            public_url=_public_url(ours["PUBLIC_URL"], environ),
            register=_switch("REGISTER", ours["REGISTER"]) if ours["REGISTER"] else None,
            host=ours["HOST"],
            port=_port(ours["PORT"]),
            cors_origins=_origins(ours["CORS_ORIGINS"]),
            instance=_instance(ours["INSTANCE"]),
            pause=_switch("PAUSE", ours["PAUSE"]),
            limits=_limits(ours),
            launch_max_age=_seconds("LAUNCH_MAX_AGE", ours["LAUNCH_MAX_AGE"]),
            quarantine=_seconds("QUARANTINE", ours["QUARANTINE"]),
            hub_deadline=_hub_deadline(ours["HUB_DEADLINE"]),
            retention=_retention(ours["RETENTION"]),
            job_secrets=job_secrets,
            hf_endpoint=_url("HF_ENDPOINT", environ.get("HF_ENDPOINT") or HUB_ENDPOINT),
            hf_token=given_token(environ) or saved_token(login_file(environ)),
            hf_login=None if given_token(environ) else login_file(environ),
            is_space=bool(environ.get("SPACE_ID")),
            elsewhere=_elsewhere(ours["URL"], ours["TOKEN"]),
        )


def _our_values(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    values = {setting.name: setting.default for setting in SETTINGS}
    secret_names = {setting.name for setting in SETTINGS if setting.secret}
    job_secrets: dict[str, str] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or _NOT_OURS.fullmatch(variable):
            continue
        name = variable.removeprefix(PREFIX)
        if name == "PORT" and "://" in text:
            continue  # Kubernetes again, for a service that is called jobhook
        if f"{variable}_FILE" in environ:
            raise SettingsError(f"{variable} and {variable}_FILE are both set: keep one")
        if name in values:
            values[name] = text.strip()
        elif name.removesuffix("_FILE") in secret_names:
            values[name.removesuffix("_FILE")] = _file(variable, text)
        elif variable.startswith(JOB_SECRET_PREFIX):
            job_secrets.update([_job_secret(variable, text)])
        else:
            hint = did_you_mean(variable, [PREFIX + known for known in values])
            raise SettingsError(f"there is no setting {variable}{hint}")
    return values, job_secrets


def _job_secret(variable: str, text: str) -> tuple[str, str]:
    name, value = variable.removeprefix(JOB_SECRET_PREFIX), text
    if name.endswith("_FILE"):
        name, value = name.removesuffix("_FILE"), _file(variable, text)
    if not SECRET_NAME.fullmatch(name):
        raise SettingsError(f"{variable}: the Hub takes no secret named {name!r}")
    if not _is_text(value):
        raise SettingsError(f"{variable}: its value is no UTF-8 text")
    return name, value


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _file(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as exc:
        # What stands there may be the secret itself: it is not told.
        why = getattr(exc, "strerror", None) or "no UTF-8 text"
        raise SettingsError(
            f"{variable} names a file that cannot be read ({why}): a secret itself goes into "
            f"{variable.removesuffix('_FILE')}"
        ) from exc


def _webhook_secrets(text: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    given = [*text.split(","), environ.get("WEBHOOK_SECRET", "")]
    secrets = tuple(dict.fromkeys(secret.strip() for secret in given if secret.strip()))
    for secret in secrets:
        if not (secret.isascii() and secret.isprintable()):
            raise SettingsError("a webhook secret may only hold printable ASCII")
        if not SECRET_MIN_BYTES <= len(secret) <= SECRET_MAX_BYTES:
            raise SettingsError(
                f"a webhook secret must have {SECRET_MIN_BYTES} to {SECRET_MAX_BYTES} characters: "
                "make one with `jobhook secret new`"
            )
    return secrets


def _signing_keys(text: str) -> tuple[str, ...]:
    keys = tuple(dict.fromkeys(key.strip() for key in text.split(",") if key.strip()))
    if any(len(key) < _SIGNING_KEY_MIN for key in keys):
        raise SettingsError(
            f"a key in JOBHOOK_SIGNING_KEYS must have {_SIGNING_KEY_MIN} characters or more: "
            "make one with `jobhook secret new`"
        )
    return keys


def _admin_token(text: str) -> str | None:
    if text and not _ADMIN_TOKEN.fullmatch(text):
        raise SettingsError(
            "JOBHOOK_ADMIN_TOKEN must have 32 to 512 characters of printable ASCII, without "
            "spaces: make one with `jobhook secret new`"
        )
    return text or None


def _public_url(text: str, environ: Mapping[str, str]) -> str | None:
    space = environ.get("SPACE_HOST")
    url = text or (f"https://{space}" if space else "")
    return _url("JOBHOOK_PUBLIC_URL", url) if url else None


def _url(variable: str, text: str) -> str:
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise SettingsError(f"{variable} {text!r} is no http(s) URL")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise SettingsError(f"{variable} may have a host, a port and a path, and nothing else")
    return text.rstrip("/")


def _elsewhere(url: str, token: str) -> Elsewhere | None:
    if not url and not token:
        return None
    if not token:
        raise SettingsError("JOBHOOK_URL is set without JOBHOOK_TOKEN: set both, or neither")
    if not url:
        raise SettingsError("JOBHOOK_TOKEN is set without JOBHOOK_URL: set both, or neither")
    if not PRINTABLE.fullmatch(token) or len(token) > _TOKEN_MAX:
        raise SettingsError("JOBHOOK_TOKEN is no token: make one with `jobhook token create`")
    address = _url("JOBHOOK_URL", url)
    parts = urlsplit(address)
    if parts.scheme == "http" and not _is_this_machine(parts.hostname or ""):
        raise SettingsError(
            f"JOBHOOK_URL {address} is another machine without TLS, where others can read the "
            "token on its way: use https://"
        )
    return Elsewhere(address, token)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _switch(name: str, text: str) -> bool:
    words = {"on": True, "true": True, "1": True, "yes": True}
    words |= {"off": False, "false": False, "0": False, "no": False, "": False}
    if text.lower() not in words:
        raise SettingsError(f"{PREFIX}{name} is {text!r}: write on or off")
    return words[text.lower()]


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise SettingsError(f"JOBHOOK_PORT is {text!r}: write a number from 0 to 65535")
    return int(text)


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
    for origin in origins:
        if urlsplit(_url("JOBHOOK_CORS_ORIGINS", origin)).path or origin.endswith("/"):
            raise SettingsError(
                f"JOBHOOK_CORS_ORIGINS {origin!r} has a path: write https://host or https://host:port"
            )
    return origins


def _limits(ours: Mapping[str, str]) -> Limits:
    return Limits(
        rule_repo_per_hour=int(_amount("RULE_REPO_PER_HOUR", ours, _WHOLE)),
        rule_repo_per_day=int(_amount("RULE_REPO_PER_DAY", ours, _WHOLE)),
        rule_usd_per_day=_amount("RULE_USD_PER_DAY", ours, _DOLLARS),
        usd_per_day=_amount("USD_PER_DAY", ours, _DOLLARS),
        chain_depth=int(_amount("CHAIN_DEPTH", ours, _WHOLE)),
        root_fanout=int(_amount("ROOT_FANOUT", ours, _WHOLE)),
    )


def _amount(name: str, ours: Mapping[str, str], form: re.Pattern[str]) -> float:
    if not form.fullmatch(ours[name]):
        raise SettingsError(f"{PREFIX}{name} is {ours[name]!r}: write a number such as 20")
    return float(ours[name])


def _seconds(name: str, text: str) -> int:
    try:
        return parse_timeout(text)
    except UsageError as exc:
        raise SettingsError(f"{PREFIX}{name}: {exc}") from exc


def _hub_deadline(text: str) -> int:
    seconds = _seconds("HUB_DEADLINE", text)
    if not 2 <= seconds <= 120:
        raise SettingsError(f"JOBHOOK_HUB_DEADLINE is {text!r}: write 2s to 120s")
    return seconds


def _retention(text: str) -> int:
    seconds = _seconds("RETENTION", text)
    if seconds < _RETENTION_MIN:
        # The limits count a day, and a young database looks back for two.
        raise SettingsError(f"JOBHOOK_RETENTION is {text!r}: keep deliveries for 2d or longer")
    return seconds


def _instance(text: str) -> str:
    if not text or not LABEL_VALUE.fullmatch(text):
        raise SettingsError(
            f"JOBHOOK_INSTANCE is {text!r}: it becomes a label, so only letters, digits, `.`, `_` "
            "and `-`, 100 at most"
        )
    return text


def _namespace(text: str) -> str | None:
    if text and not NAMESPACE.fullmatch(text):
        raise SettingsError(f"JOBHOOK_NAMESPACE {text!r} is no name of a user or org")
    return text or None
