"""What is kept of a change."""

from __future__ import annotations

from factories import make_entry
from jobhook.core.audits import fitted, refused


def test_no_text_of_an_entry_grows_or_spans_lines() -> None:
    entry = fitted(make_entry(who="a\nb", about="x" * 1000, outcome=refused("not_found")))
    assert entry == make_entry(who="a�b", about="x" * 200, outcome="refused: not_found")
