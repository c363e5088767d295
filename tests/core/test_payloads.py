"""Payloads: whatever comes, a job can be started with it."""

from __future__ import annotations

import errno
import hashlib
import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from factories import BODY, DELIVERIES, sample
from jobhook.core.deliveries import Delivery, load_json, read_delivery
from jobhook.core.jobs import ENV_STRING_MAX_BYTES
from jobhook.core.payloads import (
    PAYLOAD_MAX_BYTES,
    PAYLOAD_VARIABLE,
    FittedPayload,
    Payload,
    fit_payload,
    payload_env,
)

PRINT_SIZE = f"import os; print(len(os.environb[b'{PAYLOAD_VARIABLE}']))"


def body_of(**over: Any) -> bytes:
    """A push, with *over* in place of what it has."""
    base = {
        "event": {"scope": "repo.content", "action": "update"},
        "repo": {"type": "model", "name": "acme/m"},
        "webhook": {"id": "c" * 24, "version": 3},
    }
    return json.dumps(base | over, ensure_ascii=False, separators=(",", ":")).encode()


def body_of_size(size: int) -> bytes:
    """A delivery of exactly *size* bytes, of which most are a comment."""
    empty = body_of(comment={"hidden": False, "content": ""})
    body = body_of(comment={"hidden": False, "content": "c" * (size - len(empty))})
    assert len(body) == size
    return body


def fitted(body: bytes) -> dict[str, Any]:
    """What a job reads of *body*; everything that must always hold is checked on the way."""
    before = read_delivery(body)
    assert isinstance(before, Delivery)
    payload = fit_payload(body)
    assert len(payload.text.encode()) <= PAYLOAD_MAX_BYTES
    after = read_delivery(payload.text.encode())
    assert isinstance(after, Delivery)
    assert after.event == before.event
    assert after.repo == before.repo
    text = load_json(payload.text.encode())
    assert isinstance(text, dict)
    return text


def run_with(environment: dict[str, str]) -> int:
    """Start a real process with *environment*, and have it say how long the payload is."""
    command = [sys.executable, "-S", "-E", "-c", PRINT_SIZE]
    return int(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)


def test_the_limit_is_what_linux_leaves_beside_the_name() -> None:
    assert ENV_STRING_MAX_BYTES == 131_072
    assert PAYLOAD_MAX_BYTES == 131_055


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is that of Linux")
def test_a_process_starts_with_a_payload_of_the_limit_and_not_with_a_byte_more() -> None:
    assert run_with({PAYLOAD_VARIABLE: "a" * PAYLOAD_MAX_BYTES}) == PAYLOAD_MAX_BYTES
    with pytest.raises(OSError, match="too long") as caught:
        run_with({PAYLOAD_VARIABLE: "a" * (PAYLOAD_MAX_BYTES + 1)})
    assert caught.value.errno == errno.E2BIG


@pytest.mark.parametrize("beyond", [-1, 0, 1, 2, 500_000])
def test_a_process_starts_with_every_fitted_payload(beyond: int) -> None:
    environment = fit_payload(body_of_size(PAYLOAD_MAX_BYTES + beyond)).env()
    assert run_with(environment) == len(environment[PAYLOAD_VARIABLE].encode())


def test_a_payload_that_fits_is_handed_over_byte_for_byte() -> None:
    body = body_of_size(PAYLOAD_MAX_BYTES)
    assert fit_payload(body) == FittedPayload(body.decode(), None)
    assert fit_payload(body).env() == {"WEBHOOK_PAYLOAD": body.decode()}


def test_a_payload_over_the_limit_by_a_byte_is_cut_and_says_so() -> None:
    body = body_of_size(PAYLOAD_MAX_BYTES + 1)
    environment = fit_payload(body).env()
    assert list(environment) == [
        "WEBHOOK_PAYLOAD",
        "WEBHOOK_PAYLOAD_TRUNCATED",
        "WEBHOOK_PAYLOAD_SHA256",
    ]
    assert environment["WEBHOOK_PAYLOAD_TRUNCATED"] == "1"
    assert environment["WEBHOOK_PAYLOAD_SHA256"] == hashlib.sha256(body).hexdigest()
    assert len(environment["WEBHOOK_PAYLOAD"]) == PAYLOAD_MAX_BYTES
    assert environment["WEBHOOK_PAYLOAD"] == body.decode().replace('c"}', '"}', 1)


@pytest.mark.parametrize("path", sorted(DELIVERIES.glob("[0-2]*.json")), ids=lambda path: path.stem)
def test_a_recorded_delivery_fits_as_it_is(path: Any) -> None:
    assert fit_payload(path.read_bytes()).text.encode() == path.read_bytes()


def test_the_recorded_comment_that_is_too_long_is_cut_in_its_text_only() -> None:
    whole = json.loads(sample("35"))
    cut = fitted(sample("35"))
    assert whole["comment"]["content"].startswith(cut["comment"].pop("content"))
    del whole["comment"]["content"]
    assert cut == whole


def test_white_space_goes_before_words() -> None:
    body = json.dumps(json.loads(BODY), indent=PAYLOAD_MAX_BYTES // 4).encode()
    assert len(body) > PAYLOAD_MAX_BYTES
    assert fitted(body) == json.loads(BODY)


def test_the_longer_text_is_cut_first() -> None:
    comment, title = "c" * 130_000, "t" * 2_000
    cut = fitted(body_of(comment={"content": comment}, discussion={"num": 1, "title": title}))
    assert cut["discussion"]["title"] == title
    assert len(cut["comment"]["content"]) > 120_000

    comment, title = "c" * 2_000, "t" * 130_000
    cut = fitted(body_of(comment={"content": comment}, discussion={"num": 1, "title": title}))
    assert cut["comment"]["content"] == comment
    assert len(cut["discussion"]["title"]) > 120_000


def test_both_texts_are_cut_when_one_is_not_enough() -> None:
    cut = fitted(
        body_of(comment={"content": "c" * 200_000}, discussion={"num": 1, "title": "t" * 190_000})
    )
    assert cut["comment"]["content"] == ""
    assert 130_000 < len(cut["discussion"]["title"]) < PAYLOAD_MAX_BYTES


def test_files_are_left_out_from_the_end_and_whole() -> None:
    files = [{"path": f"runs/{n:05}", "action": "add", "size": n} for n in range(10_000)]
    cut = fitted(body_of(repo={"type": "bucket", "name": "a/b"}, updatedFiles=files))
    kept = cut["updatedFiles"]
    assert 1_000 < len(kept) < 10_000
    assert kept == files[: len(kept)]


def test_as_much_is_kept_as_fits() -> None:
    files = [{"path": "p" * 10, "action": "add"}] * 10_000
    text = fit_payload(body_of(updatedFiles=files)).text
    row = len(json.dumps(files[0], separators=(",", ":"))) + 1
    assert PAYLOAD_MAX_BYTES - row < len(text.encode()) <= PAYLOAD_MAX_BYTES


def test_refs_are_left_out_after_files() -> None:
    refs = [{"ref": f"refs/heads/{n:04}", "oldSha": None, "newSha": "b"} for n in range(4_000)]
    files = [{"path": "p", "action": "add"}]
    cut = fitted(body_of(updatedRefs=refs, updatedFiles=files))
    assert cut["updatedFiles"] == []
    assert cut["updatedRefs"] == refs[: len(cut["updatedRefs"])]
    assert len(cut["updatedRefs"]) > 1_000


def test_a_text_is_never_cut_through_a_character() -> None:
    cut = fitted(body_of(comment={"content": "\U0001f426" * 40_000}))
    assert set(cut["comment"]["content"]) == {"\U0001f426"}


def test_a_text_that_grows_when_it_is_escaped_fits() -> None:
    assert set(fitted(body_of(comment={"content": '"\\\n\x01' * 60_000}))["comment"]["content"])


LONG = "x" * 200_000
REPO = {"type": "model", "name": "acme/m"}


@pytest.mark.parametrize(
    "over",
    [
        pytest.param({"new": LONG}, id="a-new-text"),
        pytest.param({"new": [LONG]}, id="a-new-list"),
        pytest.param({LONG: 1}, id="a-new-key"),
        pytest.param({"comment": {"content": LONG}, "new": LONG}, id="a-comment-and-a-new-text"),
        pytest.param({"comment": {"hidden": True, "new": LONG}}, id="in-the-comment"),
        pytest.param({"discussion": {"num": 1, "title": "t", "new": LONG}}, id="in-the-discussion"),
        pytest.param({"updatedConfig": {"new": LONG}}, id="in-the-settings"),
        pytest.param({"event": {"scope": "s", "action": "a", "new": LONG}}, id="in-the-event"),
        pytest.param({"repo": REPO | {"new": LONG}}, id="in-the-repo"),
        pytest.param({"repo": REPO | {LONG: 1}}, id="a-key-of-the-repo"),
        pytest.param({"repo": REPO | {f"k{n}": "x" * 900 for n in range(300)}}, id="many-of-repo"),
        pytest.param(
            {"repo": REPO | {f"k{n}": "鳥" * 900 for n in range(50)}}, id="many-not-ascii"
        ),
        pytest.param({"webhook": {"id": LONG}}, id="in-the-webhook"),
        pytest.param({"webhook": LONG}, id="the-webhook-is-a-text"),
        pytest.param({"webhook": None, "new": LONG}, id="the-webhook-is-null"),
        pytest.param({"webhook": [1], "new": LONG}, id="the-webhook-is-a-list"),
        pytest.param({"updatedFiles": None, "comment": None, "new": LONG}, id="nulls"),
    ],
)
def test_what_the_hub_does_not_send_fits_too(over: dict[str, Any]) -> None:
    cut = fitted(body_of(**over))
    assert cut["event"]["scope"]
    assert cut["repo"]["name"] == "acme/m"


@pytest.mark.parametrize("char", ["\x01", '"', "\U0001f426"], ids=["control", "quote", "astral"])
def test_the_longest_names_are_kept_whatever_they_take_on_the_wire(char: str) -> None:
    event = {"scope": char * 256, "action": char * 64}
    cut = fitted(body_of(event=event, repo={"type": char * 64, "name": char * 512}, new=LONG))
    assert cut["event"] == event


def test_without_a_webhook_there_is_none_after_the_cut() -> None:
    body = json.dumps(json.loads(BODY) | {"new": LONG}).encode()
    assert sorted(fitted(body)) == ["event", "repo"]


# Long texts out of few choices: what is long is what matters.
LONG_TEXTS = st.builds(
    lambda text, times: text * times,
    st.sampled_from(["a", "é", "鳥", "\U0001f426", '"', "\\", "\x01", "a\n"]),
    st.sampled_from([0, 1, 1_000, 22_000, 65_536]),
)
EXTRAS = st.dictionaries(
    st.sampled_from("vwxyz") | LONG_TEXTS,
    LONG_TEXTS | st.none() | st.lists(LONG_TEXTS, max_size=2),
    max_size=2,
)
ROWS = st.sampled_from([0, 1, 3_000, 10_000])


@st.composite
def big_bodies(draw: st.DrawFn) -> bytes:
    over: dict[str, Any] = draw(EXTRAS)
    over["webhook"] = draw(EXTRAS | st.none() | LONG_TEXTS)
    over["repo"] = draw(EXTRAS) | REPO
    over["comment"] = draw(EXTRAS) | {"content": draw(LONG_TEXTS)}
    over["discussion"] = draw(EXTRAS) | {"num": 1, "title": draw(LONG_TEXTS)}
    over["updatedFiles"] = [{"path": "a/b/c", "action": "add"}] * draw(ROWS)
    over["updatedRefs"] = [{"ref": "refs/heads/main", "oldSha": "a", "newSha": "b"}] * draw(ROWS)
    return body_of(**over)


# Shrinking megabytes takes minutes and tells nothing that the table above does not.
@settings(max_examples=25, phases=[Phase.generate])
@given(big_bodies())
def test_every_payload_fits_and_still_tells_what_happened_where(body: bytes) -> None:
    assert fitted(body)


# -- as much as the rule says --

BIG = body_of_size(PAYLOAD_MAX_BYTES + 1)
URL = "https://hooks.example.com/payloads/t"


def minimal_of(body: bytes) -> Any:
    environment = payload_env(body, Payload.MINIMAL, URL)
    assert list(environment) == [PAYLOAD_VARIABLE]
    assert len(environment[PAYLOAD_VARIABLE].encode()) <= PAYLOAD_MAX_BYTES
    after = read_delivery(environment[PAYLOAD_VARIABLE].encode())
    before = read_delivery(body)
    assert isinstance(after, Delivery)
    assert isinstance(before, Delivery)
    assert (after.event, after.repo) == (before.event, before.repo)
    return json.loads(environment[PAYLOAD_VARIABLE])


@pytest.mark.parametrize(
    ("size", "char"),
    [
        (131_054, "c"),
        (131_055, "c"),
        (131_056, "c"),
        (131_054, "\u9ce5"),
        (131_055, "\u9ce5"),
        (131_056, "\u9ce5"),
        (131_056, "\U0001f426"),
    ],
    ids=ascii,
)
def test_the_boundary_is_exact_and_a_character_is_kept_whole(size: int, char: str) -> None:
    empty = body_of(comment={"hidden": False, "content": ""}, webhook={"id": ""})
    many, rest = divmod(size - len(empty), len(char.encode()))
    body = body_of(comment={"hidden": False, "content": char * many}, webhook={"id": "w" * rest})
    assert len(body) == size
    environment = payload_env(body, Payload.FULL, URL)
    text = environment[PAYLOAD_VARIABLE]
    if size <= 131_055:
        assert environment == {PAYLOAD_VARIABLE: body.decode()}
    else:
        assert environment["WEBHOOK_PAYLOAD_URL"] == URL
        assert environment["WEBHOOK_PAYLOAD_SHA256"] == hashlib.sha256(body).hexdigest()
        assert 131_055 - len(char.encode()) < len(text.encode()) <= 131_055
        assert set(json.loads(text)["comment"]["content"]) == {char}


def test_without_a_link_a_cut_payload_says_so_and_no_more() -> None:
    environment = payload_env(BIG, Payload.FULL)
    assert environment == fit_payload(BIG).env()
    assert "WEBHOOK_PAYLOAD_URL" not in environment


def test_a_job_that_wants_no_payload_gets_none() -> None:
    assert payload_env(BIG, Payload.NONE, URL) == {}


def test_of_the_minimal_payload_everything_is_known() -> None:
    assert minimal_of(sample("31")) == {
        "event": {"action": "create", "scope": "discussion.comment"},
        "repo": {
            key: json.loads(sample("31"))["repo"][key] for key in ("type", "name", "id", "private")
        },
        "discussion": {
            key: json.loads(sample("31"))["discussion"][key]
            for key in ("id", "num", "status", "isPullRequest")
        },
        "comment": {"id": json.loads(sample("31"))["comment"]["id"], "hidden": False},
        "webhook": json.loads(sample("31"))["webhook"],
    }


@pytest.mark.parametrize("path", sorted(DELIVERIES.glob("[0-3]*.json")), ids=lambda path: path.stem)
def test_the_minimal_payload_holds_nothing_that_was_written_freely(path: Any) -> None:
    whole = json.loads(path.read_bytes())
    text = json.dumps(minimal_of(path.read_bytes()))
    for above, key in (("discussion", "title"), ("comment", "content")):
        written = whole.get(above, {}).get(key)
        assert written is None or json.dumps(written) not in text
    assert "https://" not in text


def test_the_minimal_payload_tells_which_refs_were_updated() -> None:
    whole = json.loads(sample("11"))
    assert minimal_of(sample("11"))["updatedRefs"] == whole["updatedRefs"]
    refs = [{"ref": f"refs/heads/{n:04}", "oldSha": None, "newSha": "b"} for n in range(9_000)]
    kept = minimal_of(body_of(updatedRefs=refs))["updatedRefs"]
    assert 1_000 < len(kept) < 9_000
    assert kept == refs[: len(kept)]


@pytest.mark.parametrize(
    "over",
    [
        pytest.param({"discussion": {"id": LONG, "num": 1}}, id="a-long-id"),
        pytest.param({"discussion": {"id": {"a": LONG}}}, id="an-id-that-is-none"),
        pytest.param({"webhook": LONG}, id="a-text"),
        pytest.param({"updatedRefs": None}, id="null-refs"),
        pytest.param({"comment": None}, id="null"),
    ],
)
def test_the_minimal_payload_is_small_whatever_came(over: dict[str, Any]) -> None:
    assert len(json.dumps(minimal_of(body_of(**over)))) < 1_000
