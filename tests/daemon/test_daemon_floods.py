"""Floods in the log: what counts as the same line, what is written, what is counted, and that nothing grows."""

from __future__ import annotations

import random

import pytest

from mmd.daemon.logs.floods import QUIET_S, WINDOW_S, WRITTEN, Floods, Line, without_numbers

ERROR, INFO = 40, 20


def admit(floods: Floods, body: str, now_s: float, event: str = "order_refused", level: int = ERROR) -> bool:
    return floods.admit(Line(level, event, body), without_numbers(body), now_s)


def test_the_first_few_are_written_and_the_others_counted() -> None:
    """Of a thousand lines of one kind five are admitted; a minute later the last one and the number of the others are told, once."""
    floods = Floods()
    admitted = [admit(floods, f"order=mmd-x-{n} code=-2019", n / 1000) for n in range(1000)]
    assert admitted == [True] * WRITTEN + [False] * (1000 - WRITTEN)
    assert floods.take_due(9.0) == []
    (told,) = floods.take_due(12.0)
    assert (told.last.body, told.times) == ("order=mmd-x-999 code=-2019", 1000 - WRITTEN)
    assert told.within_s == pytest.approx(0.994)
    assert floods.take_due(500.0) == []


def test_a_flood_without_end_is_told_every_minute() -> None:
    """Ten a second for five minutes are five lines and one more a minute, and no line is lost from the count."""
    floods, written, told = Floods(), 0, []
    for tick in range(3000):
        written += admit(floods, f"attempt={tick}", tick / 10)
        told += floods.take_due(tick / 10)
    told += floods.take_all()
    assert (written, len(told)) == (WRITTEN, 5)
    assert written + sum(each.times for each in told) == 3000
    assert all(each.within_s <= WINDOW_S + 0.1 for each in told)


def test_a_flood_that_is_over_is_told_and_forgotten() -> None:
    """Ten seconds without a further line end it: it is told, and the next line of that kind is written again."""
    floods = Floods()
    for n in range(9):
        admit(floods, f"n={n}", float(n) / 10)
    assert floods.take_due(0.8 + QUIET_S - 0.1) == []
    assert [each.times for each in floods.take_due(0.8 + QUIET_S)] == [4]
    assert admit(floods, "n=9", 0.9 + QUIET_S)


def test_what_comes_seldom_is_always_written() -> None:
    """A line of one kind every ten seconds is no flood, even for a day, and whether or not anybody asks what is due."""
    for ask in (True, False):
        floods = Floods()
        for n in range(8640):
            assert admit(floods, f"n={n}", n * QUIET_S)
            assert not ask or floods.take_due(n * QUIET_S) == []
        assert floods.take_all() == []


@pytest.mark.parametrize(("one", "other", "same"), [
    ("order=mmd-x1-1 price=2500.10", "order=mmd-x1-234 price=2499", True),
    ('why="lost after 120 ms"', 'why="lost after 3.5 ms"', True),
    ("at=2026-11-23T00:55:54.048Z", "at=2026-11-24T10:05:00.001Z", True),
    ("position=-0.200", "position=17", True),
    ("code=-2019", "code=-2022", False),
    ('why="400 -2019 Margin is insufficient."', 'why="400 -1111 Margin is insufficient."', False),
    ('why="400 -1000 x"', 'why="503 -1000 x"', False),
    ("status=429", "status=418", False),
    ('{"status": 429}', '{"status": 418}', False),
    ("stream=user", "stream=market", False),
    ("symbol=ETHUSDT", "symbol=BTCUSDT", False),
    ("x=1", "y=1", False),
])
def test_numbers_make_no_difference_and_words_and_codes_do(one: str, other: str, same: bool) -> None:
    """Two complaints are the same where they differ in numbers, times and counted ids only."""
    assert (without_numbers(one) == without_numbers(other)) is same


def test_another_event_or_level_is_another_kind() -> None:
    """The same fields under another event or level are never taken for the same."""
    floods = Floods()
    for level in (ERROR, INFO):
        for event in ("a", "b"):
            assert [admit(floods, "x=1", 0.0, event, level) for _ in range(WRITTEN + 1)] == [True] * WRITTEN + [False]


def test_memory_is_bounded_and_nothing_is_lost_from_the_counts() -> None:
    """Whatever comes in whatever order, written and counted lines add up, and no more kinds are kept than the bound allows."""
    for seed in range(20):
        draw = random.Random(seed)
        floods, written, counted, now_s = Floods(), 0, 0, 0.0
        for _ in range(5000):
            now_s += draw.choice((0.0, 0.0, 0.001, 0.5))
            word = "".join(draw.choices("abcdefgh", k=draw.choice((1, 6))))
            written += admit(floods, f"word={word}", now_s)
            if floods.is_full:
                counted += sum(each.times for each in floods.take_due(now_s))
            assert len(floods._kinds) <= 513, seed
        counted += sum(each.times for each in floods.take_all())
        assert written + counted == 5000, seed
        assert counted > 0, seed
