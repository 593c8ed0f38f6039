"""The numbered list that forgets."""

from __future__ import annotations

import pytest

from mmd.paper.history import History


def test_it_is_bounded_and_keeps_the_numbers() -> None:
    """An entry keeps its number for ever; at least the capacity is remembered, at most twice that."""
    history: History[int] = History(10, first=1000)
    for number in range(1000, 1500):
        assert history.append(number) == number
        kept = history.entries()
        assert min(10, number - 999) <= len(kept) <= 20
        assert kept == list(range(history.first, history.end))
        assert history.newest() == number


def test_it_is_read_by_number_and_from_the_end() -> None:
    """`since` starts at the number or at the oldest kept; `last` counts from the end; both are in order."""
    history: History[str] = History(100, first=5)
    history.extend("abcd")
    assert history.since(6) == ["b", "c", "d"]
    assert history.since(6, 2) == ["b", "c"]
    assert history.since(-3) == ["a", "b", "c", "d"]
    assert history.since(9) == []
    assert history.last(2) == ["c", "d"]
    assert history.last(0) == []
    assert history.last(9) == ["a", "b", "c", "d"]


def test_the_newest_can_be_replaced_and_only_where_there_is_one() -> None:
    """Replacing changes the newest entry and no number; an empty history refuses."""
    history: History[str] = History(3)
    with pytest.raises(IndexError):
        history.replace_newest("x")
    history.extend("ab")
    history.replace_newest("c")
    assert (history.entries(), history.end) == (["a", "c"], 2)
