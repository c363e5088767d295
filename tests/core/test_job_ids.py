from __future__ import annotations

import pytest

from jobhook.core.errors import UsageError
from jobhook.core.job_ids import split_id


@pytest.mark.parametrize(
    ("text", "namespace", "found"),
    [
        ("a1", None, ("a1", None)),
        ("a1", "acme", ("a1", "acme")),
        ("acme/a1", None, ("a1", "acme")),
        ("acme/a1", "acme", ("a1", "acme")),
    ],
)
def test_an_id_may_say_its_namespace(
    text: str, namespace: str | None, found: tuple[str, str | None]
) -> None:
    assert split_id(text, namespace) == found


@pytest.mark.parametrize("text", ["", "/", "acme/", "/a1", "a/b/c"])
def test_what_is_no_id_is_told_of(text: str) -> None:
    with pytest.raises(UsageError, match="is no id"):
        split_id(text, None)


def test_two_namespaces_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="another namespace than --namespace acme"):
        split_id("dev/a1", "acme")
