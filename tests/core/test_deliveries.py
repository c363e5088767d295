"""Deliveries: the secret, the key, and JSON that a stranger wrote."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from factories import BODY, DELIVERIES, sample
from jobhook.core.deliveries import (
    BODY_MAX_BYTES,
    SECRET_MAX_BYTES,
    WEBHOOK_ID_MAX_BYTES,
    AcceptedSecrets,
    Delivery,
    DeliveryState,
    Unreadable,
    delivery_id,
    delivery_key,
    load_json,
    read_delivery,
    short_digest,
)
from jobhook.core.errors import WrongSecret
from jobhook.core.events import events_of

SECRET = "correct-horse-battery-staple"


def payload(**over: Any) -> bytes:
    """A push, with *over* in place of what it has."""
    return json.dumps(json.loads(BODY) | over).encode()


def reason_of(body: bytes) -> str:
    answer = read_delivery(body)
    assert isinstance(answer, Unreadable)
    return answer.reason


# -- the secret --


def test_the_secret_opens() -> None:
    AcceptedSecrets([SECRET]).check([SECRET.encode()])


@pytest.mark.parametrize("given_secret", ["old-secret-of-16-b", "new-secret-of-16-b"])
def test_each_of_several_secrets_opens(given_secret: str) -> None:
    AcceptedSecrets(["old-secret-of-16-b", "new-secret-of-16-b"]).check([given_secret.encode()])


def test_a_secret_that_is_not_ascii_opens_by_its_bytes() -> None:
    AcceptedSecrets(["pässword-of-16-bytes"]).check(["pässword-of-16-bytes".encode()])


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="missing"),
        pytest.param([b""], id="empty"),
        pytest.param([SECRET.encode()] * 2, id="repeated"),
        pytest.param([SECRET.encode(), b"other"], id="the-right-one-first"),
        pytest.param([b"other", SECRET.encode()], id="the-right-one-last"),
        pytest.param([b"other"], id="wrong"),
        pytest.param([SECRET.upper().encode()], id="other-case"),
        pytest.param([b" " + SECRET.encode()], id="space-before"),
        pytest.param([SECRET.encode() + b"\0"], id="nul-after"),
        pytest.param([SECRET.encode() + b"\n"], id="newline-after"),
        pytest.param([b"\xff\xfe\x80"], id="no-text"),
        pytest.param(["ſecret".encode()], id="not-ascii"),
        pytest.param([SECRET.encode("utf-16")], id="utf-16"),
        pytest.param([hashlib.sha256(SECRET.encode()).digest()], id="the-digest"),
        pytest.param([hashlib.sha256(SECRET.encode()).hexdigest().encode()], id="the-hex-digest"),
        pytest.param([b"a" * (SECRET_MAX_BYTES + 1)], id="too-long"),
    ],
)
def test_anything_but_the_one_secret_is_refused(values: list[bytes]) -> None:
    with pytest.raises(WrongSecret):
        AcceptedSecrets([SECRET, "another-secret-here"]).check(values)


@pytest.mark.parametrize("length", range(len(SECRET)))
def test_every_proper_prefix_of_the_secret_is_refused(length: int) -> None:
    with pytest.raises(WrongSecret):
        AcceptedSecrets([SECRET]).check([SECRET[:length].encode()])


@pytest.mark.parametrize("more", range(256))
def test_every_extension_of_the_secret_by_a_byte_is_refused(more: int) -> None:
    with pytest.raises(WrongSecret):
        AcceptedSecrets([SECRET]).check([SECRET.encode() + bytes([more])])


@given(secret=st.text(min_size=1, max_size=64), other=st.binary(max_size=80))
def test_only_equal_bytes_open(secret: str, other: bytes) -> None:
    accepted = AcceptedSecrets([secret])
    accepted.check([secret.encode()])
    for refused in {other, secret.encode() + other, secret.encode()[:-1]} - {secret.encode()}:
        with pytest.raises(WrongSecret):
            accepted.check([refused])


def test_a_secret_may_have_1_kib_and_no_more() -> None:
    AcceptedSecrets(["a" * SECRET_MAX_BYTES]).check([b"a" * SECRET_MAX_BYTES])
    longer = "a" * (SECRET_MAX_BYTES + 1)
    with pytest.raises(WrongSecret):
        AcceptedSecrets([longer]).check([longer.encode()])


@pytest.mark.parametrize("secrets", [[], [""], ["", ""]], ids=["none", "empty", "empties"])
def test_without_a_secret_nothing_can_be_opened(secrets: list[str]) -> None:
    with pytest.raises(WrongSecret, match="no webhook secret is configured"):
        AcceptedSecrets(secrets)


def test_an_empty_secret_beside_a_real_one_opens_nothing() -> None:
    with pytest.raises(WrongSecret):
        AcceptedSecrets(["", SECRET]).check([b""])


def test_a_refusal_tells_nothing_of_the_secret() -> None:
    with pytest.raises(WrongSecret) as caught:
        AcceptedSecrets([SECRET]).check([b"guess"])
    assert str(caught.value) == "the webhook secret is wrong"


# -- the key --


def test_the_webhook_id_is_the_key_whatever_the_body() -> None:
    first, second = delivery_key(b"w1", b"one"), delivery_key(b"w1", b"two")
    assert first == second
    assert (first.value, first.webhook_id, first.is_weak) == ("w1", "w1", False)


@pytest.mark.parametrize("webhook_id", [None, b""], ids=["absent", "empty"])
def test_without_a_webhook_id_the_body_is_a_weak_key(webhook_id: bytes | None) -> None:
    key = delivery_key(webhook_id, b"body")
    assert key.value == f"body:{hashlib.sha256(b'body').hexdigest()}"
    assert key.webhook_id is None
    assert key.is_weak
    assert key != delivery_key(webhook_id, b"another")


@pytest.mark.parametrize(
    "webhook_id",
    [
        pytest.param(bytes(range(32, 127)), id="ascii"),
        pytest.param(bytes(range(128, 256)), id="bytes-that-are-no-utf-8"),
        pytest.param(b"w" * WEBHOOK_ID_MAX_BYTES, id="as-long-as-may-be"),
    ],
)
def test_a_webhook_id_is_opaque(webhook_id: bytes) -> None:
    key = delivery_key(webhook_id, b"")
    assert key.value.encode("latin-1") == webhook_id
    assert not key.is_weak


def test_a_webhook_id_that_is_too_long_is_hashed_and_still_tells_deliveries_apart() -> None:
    long = b"w" * (WEBHOOK_ID_MAX_BYTES + 1)
    key = delivery_key(long, b"")
    assert key.value == f"sha256:{hashlib.sha256(long).hexdigest()}"
    assert not key.is_weak
    assert key != delivery_key(long + b"w", b"")


@given(webhook_id=st.binary(max_size=400), body=st.binary(max_size=50))
def test_any_header_gives_a_short_key_of_text(webhook_id: bytes, body: bytes) -> None:
    key = delivery_key(webhook_id, body)
    assert 0 < len(key.value) <= WEBHOOK_ID_MAX_BYTES
    assert key.value.encode()
    assert key.is_weak == (not webhook_id)


# -- our ids --


def test_the_id_of_a_delivery_never_changes() -> None:
    # Pinned: another value would make every stored delivery a stranger to its copies.
    assert delivery_id("hub", "w1") == "d7ea5ubzlob3uu6ika5mdqvwtn"


def test_an_id_is_one_letter_and_25_of_base32() -> None:
    identity = delivery_id("hub", "w1")
    assert len(identity) == 26
    assert set(identity) <= set("abcdefghijklmnopqrstuvwxyz234567")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param(("ab", "c"), ("a", "bc"), id="shifted"),
        pytest.param(("ab", ""), ("a", "b"), id="shifted-to-nothing"),
        pytest.param(("", "ab"), ("ab", ""), id="empty-first-or-last"),
        pytest.param(("a",), ("a", ""), id="one-more-empty"),
        pytest.param(("1:a",), ("a",), id="looks-like-a-count"),
        pytest.param(("a1:b",), ("a", "b"), id="holds-a-count"),
        pytest.param(("é",), ("e\u0301",), id="composed-or-not"),
    ],
)
def test_digests_of_other_parts_differ(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    assert short_digest(*left) != short_digest(*right)


@given(text=st.text(st.sampled_from("ab:0123"), max_size=12), data=st.data())
def test_digests_never_meet_when_the_same_text_is_cut_elsewhere(text: str, data: Any) -> None:
    cuts = st.integers(0, len(text))
    one, two = data.draw(cuts), data.draw(cuts)
    same = short_digest(text[:one], text[one:]) == short_digest(text[:two], text[two:])
    assert same == (one == two)


# -- reading --


def test_only_what_routes_an_event_is_read() -> None:
    delivery = read_delivery(sample("14"))
    assert isinstance(delivery, Delivery)
    assert (delivery.event.scope, delivery.event.action) == ("repo.content", "update")
    assert (delivery.repo.type, delivery.repo.name) == ("dataset", "tinylab/birdsong-clips")
    assert delivery.repo.owner == "tinylab"
    (ref,) = delivery.updated_refs or ()
    assert ref.ref == "refs/heads/main"
    assert ref.old_sha == "3905ab5475d9617ce29b5b184a210fa27d9d4403"
    assert ref.new_sha == "ac485a0c67b925ada1796571f38c01fd8fdb5bbf"


@pytest.mark.parametrize(
    "path", sorted(DELIVERIES.glob("[0-8]*.json")), ids=lambda path: str(path.stem)
)
def test_every_recorded_delivery_can_be_read(path: Any) -> None:
    assert isinstance(read_delivery(path.read_bytes()), Delivery)


def test_the_files_of_a_bucket_are_read() -> None:
    delivery = read_delivery(sample("17"))
    assert isinstance(delivery, Delivery)
    assert [file["path"] for file in delivery.updated_files] == [
        "runs/0042/metrics.jsonl",
        "runs/0042/weights.safetensors",
        "runs/0039/weights.safetensors",
    ]


def test_a_comment_is_read() -> None:
    delivery = read_delivery(sample("31"))
    assert isinstance(delivery, Delivery)
    assert delivery.discussion
    assert delivery.comment
    assert (delivery.discussion.status, delivery.discussion.is_pull_request) == ("open", True)
    assert not delivery.comment.hidden


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"updatedFiles": {"path": "a"}}, id="files-an-object"),
        pytest.param({"updatedConfig": []}, id="config-a-list"),
        pytest.param({"updatedConfig": None}, id="config-null"),
        pytest.param({"discussion": {"num": "4", "title": None, "status": None}}, id="nulls"),
        pytest.param({"discussion": {"isPullRequest": None}}, id="pull-request-null"),
        pytest.param({"comment": {"hidden": "no", "content": 5}}, id="hidden-a-text"),
        pytest.param({"repo": {"type": "m", "name": "a/b", "private": "x", "id": 5}}, id="repo"),
        pytest.param({"something": 9**40}, id="a-number-over-64-bits"),
    ],
)
def test_what_only_shades_an_event_does_not_make_it_unreadable(odd: dict[str, Any]) -> None:
    assert isinstance(read_delivery(payload(**odd)), Delivery)


@pytest.mark.parametrize(
    ("digits", "value"),
    [
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"9223372036854775808", "9223372036854775808"),
        (b"-9999999999999999999", "-9999999999999999999"),
        (b"9" * 5000, "9" * 5000),
    ],
)
def test_an_integer_over_64_bits_stays_text(digits: bytes, value: object) -> None:
    assert load_json(digits) == value


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(payload(newThing={"a": [1, None, 1.5]}, event2=[]), id="unknown-fields"),
        pytest.param(payload(webhook={"id": "x", "version": 4}), id="a-newer-version"),
        pytest.param(payload(webhook=None), id="no-webhook"),
        pytest.param(payload(updatedRefs=None), id="null-refs"),
        pytest.param(payload(repo={"type": "galaxy", "name": "a/b"}), id="a-new-type-of-repo"),
        pytest.param(payload(event={"scope": "x.y", "action": "z"}), id="a-new-scope-and-action"),
        pytest.param(payload(repo={"type": "model", "name": "gpt2"}), id="a-name-without-owner"),
        pytest.param(payload(repo={"type": "model", "name": "é/鳥\U0001f426"}), id="astral-names"),
        pytest.param(b" \r\n\t" + BODY + b"\n", id="white-space-around"),
        pytest.param(json.dumps(json.loads(BODY), indent=4).encode(), id="indented"),
    ],
)
def test_what_the_hub_may_add_is_tolerated(body: bytes) -> None:
    assert isinstance(read_delivery(body), Delivery)


LIKE_JSON = "the body is not JSON that can be trusted: "
WITH_TRAP = (
    b'{"event":{"scope":"repo","action":"update"},"repo":{"type":"model","name":"a/b"},"x":%s}'
)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(b"", "Expecting value", id="empty"),
        pytest.param(b"{", "Expecting property name", id="cut"),
        pytest.param(BODY + BODY, "Extra data", id="two-in-one"),
        pytest.param(BODY + b"\0", "Extra data", id="nul-after"),
        pytest.param(b"\xff" + BODY, "can't decode byte 0xff", id="not-utf-8"),
        pytest.param(b"\xef\xbb\xbf" + BODY, "BOM", id="utf-8-bom"),
        pytest.param(BODY.decode().encode("utf-16"), "can't decode byte 0xff", id="utf-16"),
        pytest.param(BODY.decode().encode("utf-16-le"), "Expecting property name", id="utf-16-le"),
        pytest.param(BODY.decode().encode("utf-16-be"), "Expecting value", id="utf-16-be"),
        pytest.param(BODY.decode().encode("utf-32"), "can't decode byte 0xff", id="utf-32"),
        pytest.param(BODY.decode().encode("utf-32-le"), "Expecting property name", id="utf-32-le"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', "can't decode byte 0xed", id="surrogate-in-utf-8"),
        pytest.param(b'{"a":"\xc0\x80"}', "can't decode byte 0xc0", id="overlong-nul"),
        pytest.param(b"event=repo&secret=x", "Expecting value", id="a-form"),
        pytest.param(WITH_TRAP % b"NaN", "NaN is not JSON", id="nan"),
        pytest.param(WITH_TRAP % b"Infinity", "Infinity is not JSON", id="infinity"),
        pytest.param(WITH_TRAP % b"-Infinity", "-Infinity is not JSON", id="minus-infinity"),
        pytest.param(WITH_TRAP % b"1e400000", "a number is too large", id="a-huge-float"),
        pytest.param(WITH_TRAP % b"-1e309", "a number is too large", id="a-huge-minus-float"),
        pytest.param(WITH_TRAP % b'{"a":1,"a":1}', "a key stands twice", id="twice-inside"),
        pytest.param(WITH_TRAP % b'1,"\\u0078":2', "a key stands twice", id="twice-by-escape"),
        pytest.param(
            BODY[:-1] + b',"event":{"scope":"repo","action":"create"}}',
            "a key stands twice",
            id="twice-on-top",
        ),
        pytest.param(WITH_TRAP % rb'"\ud800"', "half a character", id="lone-high-surrogate"),
        pytest.param(WITH_TRAP % rb'"a\udfffb"', "half a character", id="lone-low-surrogate"),
        pytest.param(WITH_TRAP % rb'"\udc00\ud800"', "half a character", id="swapped-surrogates"),
        pytest.param(WITH_TRAP % rb'{"\ud800":1}', "half a character", id="surrogate-in-a-key"),
        pytest.param(WITH_TRAP % rb'[["\ud800"]]', "half a character", id="surrogate-deep-down"),
        pytest.param(WITH_TRAP % rb'"\u0000"', "a text holds a NUL", id="nul"),
        pytest.param(WITH_TRAP % r'"é\u0000"'.encode(), "a NUL or half", id="nul-not-ascii"),
        pytest.param(WITH_TRAP % rb'{"a\u0000":1}', "a text holds a NUL", id="nul-in-a-key"),
        pytest.param(WITH_TRAP % (b"[" * 64 + b"]" * 64), "nested over 64 levels", id="65-levels"),
        pytest.param(WITH_TRAP % (b"[" * 900 + b"]" * 900), "nested over 64", id="900-levels"),
    ],
)
def test_a_json_trap_is_refused_with_a_reason(body: bytes, why: str) -> None:
    reason = reason_of(body)
    assert reason.startswith(LIKE_JSON)
    assert why in reason


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 5000 + b"]" * 5000, id="5000-lists"),
        pytest.param(b'{"a":' * 5000 + b"1" + b"}" * 5000, id="5000-objects"),
        pytest.param(b"[" * BODY_MAX_BYTES, id="a-body-of-brackets"),
    ],
)
def test_nesting_that_may_end_the_parser_is_refused(body: bytes) -> None:
    # Which of the two gives up first depends on the Python: the parser, or our own limit.
    assert reason_of(body).startswith(LIKE_JSON)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("9223372036854775807", 2**63 - 1, id="the-largest-integer"),
        pytest.param("-9223372036854775808", -(2**63), id="the-smallest-integer"),
        pytest.param("1.7976931348623157e308", 1.7976931348623157e308, id="the-largest-float"),
        pytest.param("1e-400000", 0.0, id="a-tiny-float"),
        pytest.param(r'"\ud83d\udc26"', "\U0001f426", id="a-pair-of-surrogates"),
        pytest.param('"\U0001f426"', "\U0001f426", id="astral"),
        pytest.param(r'"\u0001\ufffe"', "\x01\ufffe", id="odd-but-encodable"),
        pytest.param('{"a":{"a":1}}', {"a": {"a": 1}}, id="same-key-at-two-levels"),
        pytest.param("[]", [], id="empty"),
    ],
)
def test_json_at_the_edge_is_read(text: str, value: object) -> None:
    assert load_json(text.encode()) == value


@pytest.mark.parametrize("inside", [b"", b"1", b'"text"'], ids=["nothing", "number", "text"])
def test_64_levels_may_be_nested(inside: bytes) -> None:
    assert load_json(b"[" * 64 + inside + b"]" * 64)
    with pytest.raises(ValueError, match="nested over 64 levels"):
        load_json(b"[" * 65 + inside + b"]" * 65)


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null", b"true", b"[" + BODY + b"]"])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    assert reason_of(body) == "the body is JSON, but not an object"


def test_a_legacy_delivery_is_refused_by_name() -> None:
    assert reason_of(sample("91")).startswith("a legacy payload (version 2)")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        pytest.param(b"{}", "event: field required", id="nothing"),
        pytest.param(payload(event=None), "event: ", id="event-null"),
        pytest.param(payload(event={"action": "update"}), "event.scope: ", id="no-scope"),
        pytest.param(payload(event={"scope": "repo"}), "event.action: ", id="no-action"),
        pytest.param(
            payload(event={"scope": "", "action": "u"}), "event.scope: ", id="scope-empty"
        ),
        pytest.param(
            payload(event={"scope": 1, "action": "u"}), "event.scope: ", id="scope-number"
        ),
        pytest.param(
            payload(event={"scope": "s" * 257, "action": "u"}), "event.scope: ", id="scope-long"
        ),
        pytest.param(payload(repo="acme/corpus"), "repo: ", id="repo-a-text"),
        pytest.param(payload(repo={"type": "model"}), "repo.name: ", id="no-name"),
        pytest.param(payload(repo={"type": "model", "name": ""}), "repo.name: ", id="name-empty"),
        pytest.param(payload(repo={"type": "m", "name": "n" * 513}), "repo.name: ", id="name-long"),
        pytest.param(payload(updatedRefs={}), "updatedRefs: ", id="refs-an-object"),
        pytest.param(payload(updatedRefs="main"), "updatedRefs: ", id="refs-a-text"),
        pytest.param(payload(updatedRefs=["main"]), "updatedRefs.0: ", id="a-ref-is-a-text"),
        pytest.param(payload(updatedRefs=[{"ref": 1}]), "updatedRefs.0.ref: ", id="ref-a-number"),
        pytest.param(payload(discussion="x"), "discussion: ", id="discussion-a-text"),
    ],
)
def test_what_is_no_payload_is_refused_with_the_place(body: bytes, where: str) -> None:
    assert reason_of(body).startswith(f"not a webhook payload: {where}")


def test_a_reason_does_not_repeat_what_a_stranger_wrote() -> None:
    assert "hf_token" not in reason_of(payload(repo={"type": "model", "name": ["hf_token"]}))


def check_is_harmless(body: bytes) -> None:
    answer = read_delivery(body)
    if isinstance(answer, Unreadable):
        assert len(answer.reason.encode()) < 400
        assert "\n" not in answer.reason
    else:
        text = json.dumps(answer.model_dump(), ensure_ascii=False)
        text.encode()
        assert "\\u0000" not in text
        assert all(event.name for event in events_of(answer))


@given(st.binary(max_size=200))
@example(b"\x00")
def test_no_bytes_whatever_raise(body: bytes) -> None:
    check_is_harmless(body)


# Half characters and NULs are what databases, logs and environments choke on.
NASTY_TEXT = st.text(st.characters() | st.sampled_from('\0\ud800\udfff\x1b\n"'), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | NASTY_TEXT
ANY_JSON = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(NASTY_TEXT, below, max_size=4),
    max_leaves=20,
)


@given(ANY_JSON, st.booleans())
def test_no_json_whatever_raises(value: object, escaped: bool) -> None:
    check_is_harmless(json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass"))


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly what belongs here, now and then anything."""
    return strategy | strategy | strategy | ANY_JSON


NAMES = st.text(max_size=10)
REFS = st.fixed_dictionaries(
    {
        "ref": maybe(st.sampled_from(["refs/heads/a", "refs/tags/a", "refs/pr/1", "x"]) | NAMES),
        "oldSha": maybe(st.none() | st.just("a")),
        "newSha": maybe(st.none() | st.just("b")),
    }
)
PAYLOADS = st.fixed_dictionaries(
    {
        "event": maybe(
            st.fixed_dictionaries(
                {
                    "scope": st.sampled_from(["repo", "repo.content", "repo.config.x", "?"])
                    | st.sampled_from(["discussion", "discussion.comment"]),
                    "action": NAMES,
                }
            )
        ),
        "repo": maybe(st.fixed_dictionaries({"type": NAMES, "name": st.text(min_size=1)})),
    },
    optional={
        "updatedRefs": maybe(st.lists(REFS, max_size=4)),
        "updatedFiles": maybe(
            st.lists(st.fixed_dictionaries({"path": NAMES, "action": NAMES}), max_size=2)
        ),
        "updatedConfig": maybe(st.dictionaries(NAMES | st.just("private"), ANY_JSON, max_size=3)),
        "discussion": maybe(
            st.fixed_dictionaries({"num": maybe(st.integers(0, 9)), "status": maybe(NAMES)})
        ),
        "comment": maybe(st.fixed_dictionaries({"hidden": maybe(st.booleans())})),
        "webhook": ANY_JSON,
    },
)


@given(PAYLOADS)
def test_nothing_shaped_like_a_payload_raises(value: object) -> None:
    check_is_harmless(json.dumps(value).encode())


def test_the_states_of_a_delivery_are_those_we_document() -> None:
    documented = "stored enriching matched ignored unparsed quarantined conflict"
    assert [state.value for state in DeliveryState] == documented.split()
