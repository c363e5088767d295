"""Links to payloads: signed, for a while, and for one delivery."""

from __future__ import annotations

import string

import pytest

from factories import NOON, make_launch, make_spec
from jobhook.adapters.signing import TOKEN_MAX, PayloadLinks
from jobhook.core.deliveries import delivery_id

OLD, NEW, OTHER = "o" * 43, "n" * 43, "x" * 43
HOUR = 3_600_000
DELIVERY = delivery_id("hub", "w1")
PREFIX = "https://hooks.example.com/jobhook/payloads/"


def links(*keys: str, public_url: str | None = "https://hooks.example.com/jobhook") -> PayloadLinks:
    return PayloadLinks(keys, public_url=public_url)


def token_of(made: PayloadLinks, *, timeout: int = 1800) -> str:
    url = made.url(make_launch(delivery=DELIVERY, spec=make_spec(timeout=timeout)), NOON)
    assert url
    assert url.startswith(PREFIX)
    return url.removeprefix(PREFIX)


def test_a_link_opens_its_delivery() -> None:
    assert links(NEW).delivery(token_of(links(NEW)), NOON) == DELIVERY


def test_a_token_is_short_and_fit_for_a_path() -> None:
    token = token_of(links(NEW), timeout=10**9)
    assert set(token) <= {*string.ascii_letters, *string.digits, *"._-"}
    assert len(token) < TOKEN_MAX


@pytest.mark.parametrize(
    ("timeout_hours", "open_hours"), [(1, 24), (18, 24), (19, 25), (48, 54)], ids=str
)
def test_a_link_stays_open_for_a_day_or_until_well_after_the_job(
    timeout_hours: int, open_hours: int
) -> None:
    token = token_of(links(NEW), timeout=timeout_hours * 3600)
    assert links(NEW).delivery(token, NOON + open_hours * HOUR - 1) == DELIVERY
    assert links(NEW).delivery(token, NOON + open_hours * HOUR) is None


def test_the_first_key_signs_and_all_of_them_open() -> None:
    assert links(NEW, OLD).delivery(token_of(links(OLD)), NOON) == DELIVERY
    assert links(NEW).delivery(token_of(links(NEW, OLD)), NOON) == DELIVERY
    assert links(OLD).delivery(token_of(links(NEW, OLD)), NOON) is None


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param("", id="empty"),
        pytest.param("a", id="no-signature"),
        pytest.param(".", id="a-dot"),
        pytest.param("a.b.c", id="dots"),
        pytest.param("a" * 10_000, id="long"),
        pytest.param("é.ü", id="not-ascii"),
        pytest.param("\udcff.a", id="half-a-character"),
    ],
)
def test_what_is_no_token_opens_nothing(wrong: str) -> None:
    assert links(NEW).delivery(wrong, NOON) is None


def test_a_token_that_was_changed_anywhere_opens_nothing() -> None:
    token = token_of(links(NEW))
    for at in range(len(token) - 1):
        other = "A" if token[at] != "A" else "B"
        assert links(NEW).delivery(token[:at] + other + token[at + 1 :], NOON) is None


def test_a_token_of_another_service_opens_nothing() -> None:
    assert links(NEW).delivery(token_of(links(OTHER)), NOON) is None


def test_without_a_public_url_there_is_no_link() -> None:
    assert links(NEW, public_url=None).url(make_launch(), NOON) is None
