from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobhook.core.errors import SettingsError
from jobhook.core.guards import Limits
from jobhook.database import Database
from jobhook.settings import SETTINGS, Settings

SECRET = "0123456789abcdef"
KEY = "0123456789abcdefghijklmnopqrstuvwxyz"


def read(**environ: str) -> Settings:
    return Settings.from_env(environ)


def test_nothing_set_gives_the_defaults() -> None:
    settings = read()
    assert (settings.database.path, settings.rules) == (Path("jobhook.db"), Path("rules"))
    assert (settings.host, settings.port, settings.instance) == ("127.0.0.1", 7860, "jobhook")
    assert (settings.public_url, settings.register, settings.namespace) == (None, None, None)
    assert (settings.hf_endpoint, settings.hf_token) == ("https://huggingface.co", None)
    assert (settings.pause, settings.limits, settings.launch_max_age) == (False, Limits(), 86400)
    assert (settings.webhook_secrets, settings.query_secret, settings.is_space) == (
        (),
        False,
        False,
    )


@pytest.mark.parametrize(
    ("environ", "field", "value"),
    [
        pytest.param({"JOBHOOK_RULES": "my/rules"}, "rules", Path("my/rules"), id="rules"),
        pytest.param({}, "reload", True, id="rules are reloaded"),
        pytest.param({"JOBHOOK_RELOAD": "off"}, "reload", False, id="unless that is off"),
        pytest.param({"JOBHOOK_HOST": "0.0.0.0"}, "host", "0.0.0.0", id="host"),  # noqa: S104
        pytest.param({"JOBHOOK_PORT": "0"}, "port", 0, id="a free port"),
        pytest.param({"JOBHOOK_INSTANCE": "team-a"}, "instance", "team-a", id="instance"),
        pytest.param({"JOBHOOK_NAMESPACE": "acme"}, "namespace", "acme", id="namespace"),
        pytest.param(
            {"JOBHOOK_PUBLIC_URL": "https://us.test/"}, "public_url", "https://us.test", id="url"
        ),
        pytest.param(
            {"SPACE_HOST": "a-b.hf.space"}, "public_url", "https://a-b.hf.space", id="on a Space"
        ),
        pytest.param({"JOBHOOK_REGISTER": "on"}, "register", True, id="register"),
        pytest.param(
            {"JOBHOOK_PUBLIC_URL": "https://us.test", "JOBHOOK_REGISTER": "off"},
            "register",
            False,
            id="do not register",
        ),
        pytest.param({"JOBHOOK_QUERY_SECRET": "on"}, "query_secret", True, id="switched on"),
        pytest.param(
            {"JOBHOOK_WEBHOOK_SECRETS": f"{SECRET}, {SECRET}2,"},
            "webhook_secrets",
            (SECRET, SECRET + "2"),
            id="two secrets",
        ),
        pytest.param({"WEBHOOK_SECRET": SECRET}, "webhook_secrets", (SECRET,), id="the Hub's name"),
        pytest.param(
            {"WEBHOOK_SECRET": SECRET, "JOBHOOK_WEBHOOK_SECRETS": SECRET},
            "webhook_secrets",
            (SECRET,),
            id="the same twice",
        ),
        pytest.param(
            {"JOBHOOK_SECRET_HF_TOKEN": " v "}, "job_secrets", {"HF_TOKEN": " v "}, id="for jobs"
        ),
        pytest.param({"JOBHOOK_PAUSE": "on"}, "pause", True, id="pause"),
        pytest.param({"JOBHOOK_LAUNCH_MAX_AGE": "2h"}, "launch_max_age", 7200, id="age"),
        pytest.param({"JOBHOOK_QUARANTINE": "30s"}, "quarantine", 30, id="quarantine"),
        pytest.param(
            {"JOBHOOK_DATABASE_FORCE": "on"},
            "database",
            Database("sqlite:///jobhook.db", Path("jobhook.db"), force=True),
            id="force",
        ),
        pytest.param({"JOBHOOK_HUB_DEADLINE": "2s"}, "hub_deadline", 2, id="deadline"),
        pytest.param({}, "retention", 30 * 86_400, id="a month is kept"),
        pytest.param({"JOBHOOK_RETENTION": "2d"}, "retention", 2 * 86_400, id="retention"),
        pytest.param(
            {"JOBHOOK_CHAIN_DEPTH": "1", "JOBHOOK_ROOT_FANOUT": "2"},
            "limits",
            Limits(chain_depth=1, root_fanout=2),
            id="chains",
        ),
        pytest.param(
            {
                "JOBHOOK_RULE_REPO_PER_HOUR": "1",
                "JOBHOOK_RULE_REPO_PER_DAY": "2",
                "JOBHOOK_RULE_USD_PER_DAY": "3.5",
                "JOBHOOK_USD_PER_DAY": "0",
            },
            "limits",
            Limits(rule_repo_per_hour=1, rule_repo_per_day=2, rule_usd_per_day=3.5, usd_per_day=0),
            id="limits",
        ),
        pytest.param({"HF_TOKEN": "hf_x\n"}, "hf_token", "hf_x", id="token"),
        pytest.param({"HUGGING_FACE_HUB_TOKEN": "hf_y"}, "hf_token", "hf_y", id="its old name"),
        pytest.param({"HF_ENDPOINT": "http://h:1/"}, "hf_endpoint", "http://h:1", id="endpoint"),
        pytest.param({"SPACE_ID": "a/b"}, "is_space", True, id="a Space"),
        pytest.param({"JOBHOOK_SERVICE_HOST": "10.0.0.1"}, "host", "127.0.0.1", id="Kubernetes"),
        pytest.param({"JOBHOOK_PORT_80_TCP": "x"}, "port", 7860, id="Kubernetes ports"),
        pytest.param(
            {"JOBHOOK_PORT": "tcp://10.0.0.1:80"}, "port", 7860, id="Kubernetes's own port"
        ),
    ],
)
def test_a_setting_is_read(environ: dict[str, str], field: str, value: Any) -> None:
    assert getattr(read(**environ), field) == value


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        pytest.param(
            {"JOBHOOK_RULE": "x"},
            "no setting JOBHOOK_RULE; did you mean `JOBHOOK_RULES`",
            id="name",
        ),
        pytest.param({"JOBHOOK_CONSOLE": "1"}, "no setting JOBHOOK_CONSOLE", id="not built yet"),
        pytest.param({"JOBHOOK_USD_PER_DAY": "lots"}, "write a number", id="dollars"),
        pytest.param({"JOBHOOK_USD_PER_DAY": "-1"}, "write a number", id="negative dollars"),
        pytest.param({"JOBHOOK_RULE_REPO_PER_HOUR": "1.5"}, "write a number", id="half a launch"),
        pytest.param({"JOBHOOK_LAUNCH_MAX_AGE": "soon"}, "no length of time", id="age"),
        pytest.param({"JOBHOOK_HUB_DEADLINE": "1s"}, "write 2s to 120s", id="deadline"),
        pytest.param({"JOBHOOK_RETENTION": "1d"}, "for 2d or longer", id="retention"),
        pytest.param({"JOBHOOK_RULES_FILE": "x"}, "no setting JOBHOOK_RULES_FILE", id="no secret"),
        pytest.param({"JOBHOOK_PORT": "http"}, "JOBHOOK_PORT is 'http'", id="port"),
        pytest.param({"JOBHOOK_PORT": "65536"}, "JOBHOOK_PORT is '65536'", id="port too high"),
        pytest.param({"JOBHOOK_QUERY_SECRET": "maybe"}, "write on or off", id="switch"),
        pytest.param({"JOBHOOK_INSTANCE": "a b"}, "it becomes a label", id="instance"),
        pytest.param({"JOBHOOK_INSTANCE": ""}, "it becomes a label", id="no instance"),
        pytest.param({"JOBHOOK_PORT": "000000080"}, "JOBHOOK_PORT is", id="port too long"),
        pytest.param({"JOBHOOK_PUBLIC_URL": "us.test"}, "is no http", id="url"),
        pytest.param({"JOBHOOK_CORS_ORIGINS": "null"}, "is no http", id="origin"),
        pytest.param({"JOBHOOK_CORS_ORIGINS": "*"}, "is no http", id="every origin"),
        pytest.param(
            {"JOBHOOK_CORS_ORIGINS": "https://a.test/x"}, "has a path", id="origin's path"
        ),
        pytest.param({"JOBHOOK_PUBLIC_URL": "http://[bad"}, "is no http", id="half an address"),
        pytest.param(
            {"JOBHOOK_PUBLIC_URL": "http://h/?q=1"}, "nothing else", id="url with a query"
        ),
        pytest.param({"JOBHOOK_PUBLIC_URL": "http://a:b@h"}, "nothing else", id="url with a login"),
        pytest.param({"HF_ENDPOINT": "http://[bad"}, "HF_ENDPOINT", id="endpoint"),
        pytest.param({"HF_TOKEN": "hf_tökén"}, "is no token", id="token"),
        pytest.param({"JOBHOOK_NAMESPACE": "a/b c"}, "no name of a user or org", id="namespace"),
        pytest.param({"JOBHOOK_SECRET_A": "caf\udce9"}, "no UTF-8 text", id="half a character"),
        pytest.param(
            {"JOBHOOK_SECRET_A": "x", "JOBHOOK_SECRET_A_FILE": "y"}, "both set", id="twice"
        ),
        pytest.param({"JOBHOOK_DATABASE": "jobhook.db"}, "write sqlite:///", id="path alone"),
        pytest.param({"JOBHOOK_WEBHOOK_SECRETS": "short"}, "16 to 1024 characters", id="short"),
        pytest.param({"WEBHOOK_SECRET": "sécret-that-is-long"}, "printable ASCII", id="no ASCII"),
        pytest.param(
            {"JOBHOOK_SECRET_A-B": "x"}, "takes no secret named 'A-B'", id="secret's name"
        ),
        pytest.param({"JOBHOOK_SECRET_": "x"}, "takes no secret named ''", id="no name"),
        pytest.param(
            {"JOBHOOK_WEBHOOK_SECRETS_FILE": "/nowhere"}, "No such file or directory", id="no file"
        ),
        pytest.param({"JOBHOOK_SECRET_A_FILE": "a\0b"}, "JOBHOOK_SECRET_A$", id="no name of one"),
    ],
)
def test_a_setting_that_cannot_be_is_told(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(**environ)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        pytest.param("sqlite:////data/a.db", Path("/data/a.db"), id="absolute"),
        pytest.param("sqlite:///a.db", Path("a.db"), id="relative"),
        pytest.param("postgresql://me@db/x", None, id="PostgreSQL"),
        pytest.param("postgres://me@db/x", None, id="PostgreSQL, its other name"),
        pytest.param("postgresql://me:p%40%2F%3As@db:5432/x", None, id="an encoded password"),
        pytest.param("postgresql:///x?host=/run/postgresql", None, id="a socket"),
        pytest.param("postgresql://db/x?user=me&password=a@b", None, id="in the query"),
        pytest.param("postgresql://me:s@[::1]:5432,db:5433/x", None, id="several hosts"),
    ],
)
def test_a_database_is_a_file_or_a_server(url: str, path: Path | None) -> None:
    assert read(JOBHOOK_DATABASE=url).database.path == path


def test_a_password_in_a_database_url_is_not_told() -> None:
    settings = read(JOBHOOK_DATABASE="postgresql://me:s3cret@db/x")
    assert str(settings.database) == "postgresql://db/x"
    assert "s3cret" not in repr(settings)
    assert "s3cret" in settings.secrets


@pytest.mark.parametrize("odd", "@ / ? # [ ] @/ /@ ?@ 1/ 1? :/".split())
def test_a_password_that_is_not_encoded_is_recognised_and_not_shown(odd: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(JOBHOOK_DATABASE=f"postgresql://me:{odd}s3cret@db:5432/x")
    assert "write %40 for @, %2F for /" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in str(caught.value.__cause__ or caught.value.__context__ or "")


@pytest.mark.parametrize("address", ["db:54x2", "db:65536", "db:1:2", "[::1", "d b"])
def test_an_odd_host_or_port_is_told(address: str) -> None:
    with pytest.raises(SettingsError, match="odd host or port"):
        read(JOBHOOK_DATABASE=f"postgresql://{address}/x")


def test_a_password_in_the_query_of_a_database_url_is_not_told_either() -> None:
    settings = read(JOBHOOK_DATABASE="postgresql://db/x?user=me&password=s3%40cret")
    assert str(settings.database) == "postgresql://db/x"
    assert {"s3%40cret", "s3@cret"} <= set(settings.secrets)


def test_a_database_url_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://me:s3cret@db/x\n")
    settings = read(JOBHOOK_DATABASE_FILE=str(tmp_path / "url"))
    assert settings.database.url == "postgresql://me:s3cret@db/x"


def test_secrets_may_lie_in_files(tmp_path: Path) -> None:
    (tmp_path / "webhook").write_text(SECRET + "\n")
    (tmp_path / "token").write_text("value\n")
    (tmp_path / "keys").write_text(f"{KEY}\n")
    settings = read(
        JOBHOOK_WEBHOOK_SECRETS_FILE=str(tmp_path / "webhook"),
        JOBHOOK_SECRET_HF_TOKEN_FILE=str(tmp_path / "token"),
        JOBHOOK_SIGNING_KEYS_FILE=str(tmp_path / "keys"),
        JOBHOOK_ADMIN_TOKEN_FILE=str(tmp_path / "keys"),
    )
    assert settings.webhook_secrets == (SECRET,)
    assert settings.job_secrets == {"HF_TOKEN": "value"}
    assert settings.signing_keys == (KEY,)
    assert settings.admin_token == KEY


def test_there_is_no_admin_token_by_default_and_one_that_is_set_is_kept_out_of_sight() -> None:
    assert read().admin_token is None
    settings = read(JOBHOOK_ADMIN_TOKEN=KEY)
    assert settings.admin_token in settings.secrets
    assert KEY not in repr(settings)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(KEY[:31], id="short"),
        pytest.param(KEY * 17, id="long"),
        pytest.param(f"{KEY} {KEY}", id="with a space"),
        pytest.param(f"{KEY}ü", id="no ASCII"),
    ],
)
def test_an_admin_token_that_is_weak_or_fits_no_header_is_refused_and_not_repeated(
    token: str,
) -> None:
    with pytest.raises(SettingsError, match="must have 32 to 512 characters") as caught:
        read(JOBHOOK_ADMIN_TOKEN=token)
    assert token not in str(caught.value)


def test_keys_are_told_apart_by_commas_and_kept_out_of_sight() -> None:
    settings = read(JOBHOOK_SIGNING_KEYS=f" {KEY} ,, {KEY[::-1]},{KEY}")
    assert settings.signing_keys == (KEY, KEY[::-1])
    assert set(settings.signing_keys) <= set(settings.secrets)
    assert KEY not in repr(settings)
    assert read().signing_keys == ()


def test_a_short_key_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsError, match="must have 32 characters or more") as caught:
        read(JOBHOOK_SIGNING_KEYS=f"{KEY},{KEY[:31]}")
    assert KEY[:31] not in str(caught.value)


def test_jobs_can_be_handed_the_first_webhook_secret_and_no_other_under_its_name() -> None:
    given = read(JOBHOOK_SECRET_A="a", JOBHOOK_SECRET_WEBHOOK_SECRET="b")
    assert given.handed_secrets == {"A": "a", "WEBHOOK_SECRET": "b"}
    given = read(JOBHOOK_WEBHOOK_SECRETS=f"{SECRET},{SECRET}2", JOBHOOK_SECRET_WEBHOOK_SECRET="b")
    assert given.handed_secrets == {"WEBHOOK_SECRET": SECRET}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param("HF_TOKEN_PATH", "token", id="its own path"),
        pytest.param("HF_HOME", "token", id="the Hub's folder"),
        pytest.param("XDG_CACHE_HOME", "huggingface/token", id="the cache"),
        pytest.param("HOME", ".cache/huggingface/token", id="home"),
    ],
)
def test_a_saved_login_is_found_as_the_hubs_tools_find_it(
    tmp_path: Path, name: str, path: str
) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("hf_saved\n")
    value = file if name == "HF_TOKEN_PATH" else tmp_path
    assert read(**{name: str(value)}).hf_token == "hf_saved"


def test_no_secret_is_in_what_settings_print() -> None:
    settings = read(WEBHOOK_SECRET=SECRET, JOBHOOK_SECRET_A="job-secret", HF_TOKEN="hf_token")
    assert settings.secrets == (SECRET, "job-secret", "hf_token")
    assert not any(secret in repr(settings) for secret in settings.secrets)


def test_every_setting_says_what_it_is_for() -> None:
    assert all(setting.help.endswith((".", ")", ").")) for setting in SETTINGS)


def test_a_saved_login_that_is_replaced_is_used_from_then_on(tmp_path: Path) -> None:
    login = tmp_path / "token"
    login.write_text("hf_first")
    settings = read(HF_TOKEN_PATH=str(login))
    assert settings.current_token() == "hf_first"
    login.write_text("hf_second\n")
    assert settings.current_token() == "hf_second"
    login.write_text("hf_tökén")
    assert settings.current_token() == "hf_first"
    login.unlink()  # as while it is written anew
    assert settings.current_token() == "hf_first"


def test_a_token_that_is_given_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hf_saved")
    settings = read(HF_TOKEN="hf_given", HF_TOKEN_PATH=str(tmp_path / "token"))
    assert settings.current_token() == "hf_given"


API_TOKEN = "jh_" + "a" * 43


@pytest.mark.parametrize(
    "url",
    [
        "https://ops.test",
        "https://ops.test:8443/jobhook",
        "http://localhost:7860",
        "http://127.0.0.1:7860",
        "http://127.8.0.1",
        "http://[::1]:7860",
    ],
)
def test_commands_may_be_about_a_service_elsewhere(url: str) -> None:
    elsewhere = read(JOBHOOK_URL=f"{url}/", JOBHOOK_TOKEN=API_TOKEN).elsewhere
    assert elsewhere is not None
    assert (elsewhere.url, elsewhere.token) == (url, API_TOKEN)


def test_the_token_of_a_service_may_stand_in_a_file_and_is_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{API_TOKEN}\n")
    settings = read(JOBHOOK_URL="https://ops.test", JOBHOOK_TOKEN_FILE=str(tmp_path / "token"))
    assert settings.elsewhere is not None
    assert settings.elsewhere.token == API_TOKEN
    assert API_TOKEN in settings.secrets
    assert API_TOKEN not in repr(settings)


@pytest.mark.parametrize(
    ("url", "token", "sentence"),
    [
        pytest.param("https://ops.test", "", "without JOBHOOK_TOKEN: set both", id="no token"),
        pytest.param("", API_TOKEN, "without JOBHOOK_URL: set both", id="no URL"),
        pytest.param("https://ops.test", "jh x", "JOBHOOK_TOKEN is no token", id="a space"),
        pytest.param("https://ops.test", "x" * 1001, "is no token", id="longer than a header"),
        pytest.param("ops.test", API_TOKEN, "is no http", id="no scheme"),
        pytest.param("https://ops.test:99999", API_TOKEN, "is no http", id="no port"),
        pytest.param("https://a:b@ops.test", API_TOKEN, "a host, a port and a path", id="a user"),
        pytest.param("http://ops.test", API_TOKEN, "use https://", id="in the clear"),
        pytest.param(
            "http://10.0.0.1", API_TOKEN, "use https://", id="in the clear, to an address"
        ),
        pytest.param("http://localhost.ops.test", API_TOKEN, "use https://", id="called like us"),
    ],
)
def test_a_service_elsewhere_is_refused(url: str, token: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as caught:
        read(JOBHOOK_URL=url, JOBHOOK_TOKEN=token)
    assert API_TOKEN not in str(caught.value)
