"""Joining snapshot, diffs and book ticker: V1 "How to manage a local order book correctly", case by case."""

from __future__ import annotations

from typing import Any

import pytest
from recorded_lines import START_NS, agg_trade, diff, snapshot, top, trade

from mmd.core.units import Side
from mmd.paper.market_source import DepthFrame, MarketEvent, MarketTrade
from mmd.paper.outside_book import OutsideBook
from mmd.paper.recorded_market import WAITING_FRAMES_MAX, BadFrameError, RecordedMarket, transition
from mmd.paper.recording import RecordedFrame
from mmd.paper.symbols import Symbol

ETHUSDT = Symbol.named("ETHUSDT")


def play(*frames: dict[str, Any], stream: str = "", market: RecordedMarket | None = None, finish: bool = True) -> list[MarketEvent]:
    """The events of these frames, 10 ms apart."""
    market = market or RecordedMarket(ETHUSDT)
    found = [market.take(RecordedFrame(number, START_NS + number * 10_000_000, stream, frame)) for number, frame in enumerate(frames, 1)]
    if finish:
        market.finish()
    return [event for event in found if event is not None]


def refusal(*frames: dict[str, Any]) -> BadFrameError:
    with pytest.raises(BadFrameError) as caught:
        play(*frames)
    return caught.value


def book_after(*frames: dict[str, Any]) -> tuple[dict[int, int], dict[int, int]]:
    """The book that the events make (not the one that the market keeps for itself)."""
    book = OutsideBook()
    for event in play(*frames):
        if isinstance(event, DepthFrame):
            book.apply(event)
    return book.bids.sizes, book.asks.sizes


def test_the_snapshot_is_the_first_event() -> None:
    """It is the whole book at 0, best first, in ticks and lots."""
    assert play(snapshot()) == [DepthFrame(0, ((9900, 1000), (9800, 2000)), ((10100, 1000), (10200, 2000)))]


def test_diffs_follow_the_snapshot_in_time() -> None:
    """Sizes are absolute, times count from the snapshot's."""
    assert play(snapshot(), diff(90, 110, 80, [["99.00", "0.000"]]), diff(111, 112, 110, (), [["100.50", "3.000"]]))[1:] == [
        DepthFrame(10, ((9900, 0),), ()), DepthFrame(20, (), ((10050, 3000),))]  # fmt: skip


def test_older_diffs_are_dropped_and_waiting_ones_are_joined() -> None:
    """Diffs that came before the snapshot count from the one that holds its id on; the rest were in the snapshot already."""
    bids, _ = book_after(
        diff(1, 50, 0, [["97.00", "9.000"]]),
        diff(51, 99, 50, [["96.00", "9.000"]]),
        diff(100, 105, 99, [["95.00", "1.000"]]),
        snapshot(100),
        diff(106, 107, 105, [["94.00", "2.000"]]),
    )
    assert bids == {9900: 1000, 9800: 2000, 9500: 1000, 9400: 2000}


def test_old_diffs_after_the_snapshot_are_dropped_too() -> None:
    """A slow stream brings diffs that the snapshot holds: no event, no gap."""
    assert len(play(snapshot(100), diff(90, 95, 80, [["97.00", "9.000"]]), diff(96, 101, 95))) == 2


@pytest.mark.parametrize(("frames", "line"), [
    ([snapshot(100), diff(102, 110, 101)], 2),
    ([snapshot(100), diff(101, 110, 100), diff(112, 115, 111)], 3),
    ([snapshot(100), diff(101, 110, 100), diff(101, 110, 100)], 3),
    ([diff(150, 160, 140), snapshot(100)], 1),
    ([diff(100, 110, 99), diff(150, 160, 140), snapshot(100)], 2),
])  # fmt: skip
def test_a_gap_is_refused_at_its_line(frames: list[dict[str, Any]], line: int) -> None:
    """Where `pu` is not the last `u`, or no diff joins the snapshot, the recording is no whole book."""
    error = refusal(*frames)
    assert "updates are missing before this frame" in str(error)
    assert error.line_number == line


def test_a_later_snapshot_mends_a_gap() -> None:
    """A recorder that lost its stream takes a new snapshot; the event of it turns the old book into the new one."""
    frames = (snapshot(100), diff(101, 110, 100), diff(150, 160, 140), trade(), snapshot(155, [["90.00", "1.000"]], [["101.00", "1.000"]]),
              diff(161, 165, 160, (), [["101.00", "4.000"]]))  # fmt: skip
    assert play(*frames)[2:] == [DepthFrame(40, ((9900, 0), (9800, 0), (9000, 1000)), ((10200, 0),)), DepthFrame(50, (), ((10100, 4000),))]
    assert book_after(*frames) == ({9000: 1000}, {10100: 4000})


def test_a_recording_without_a_snapshot_is_refused() -> None:
    """At its end, or as soon as more diffs wait than may."""
    assert "no REST depth snapshot" in str(refusal(diff(1, 2, 0)))
    assert "no REST depth snapshot" in str(refusal())
    endless = [diff(number, number, number - 1) for number in range(1, WAITING_FRAMES_MAX + 2)]
    with pytest.raises(BadFrameError, match="no REST depth snapshot"):
        play(*endless, finish=False)


def test_the_book_ticker_corrects_the_top() -> None:
    """Levels in front of the new best vanish, the best has its size, and what is behind stays."""
    assert play(snapshot(), top(120, "98.00", "0.700", "101.50", "0.100"))[1] == DepthFrame(
        10, ((9900, 0), (9800, 700)), ((10100, 0), (10150, 100)))  # fmt: skip


def test_a_book_ticker_that_says_nothing_new_is_no_event() -> None:
    """Neither one that is as the book, nor one older than the book, nor one older than the ticker before."""
    assert len(play(snapshot(), top(120, "99.00", "1.000", "101.00", "1.000"))) == 1
    assert len(play(snapshot(), top(100, "98.00", "1.000", "101.00", "1.000"))) == 1
    assert len(play(snapshot(), top(120, "98.00", "1.000", "101.00", "1.000"), top(119, "98.00", "5.000", "101.00", "1.000"))) == 2


def test_a_diff_older_than_the_book_ticker_does_not_bring_the_old_top_back() -> None:
    """Between two diffs the ticker knows better; a diff that is newer than it is believed."""
    frames = (snapshot(), top(120, "98.00", "0.700", "101.00", "1.000"), diff(101, 110, 100, [["99.00", "5.000"], ["97.00", "1.000"]]))
    assert book_after(*frames)[0] == {9800: 700, 9700: 1000}
    assert book_after(*frames, diff(111, 130, 110, [["99.00", "6.000"]]))[0] == {9900: 6000, 9800: 700, 9700: 1000}


def test_a_book_ticker_before_the_snapshot_counts_where_it_is_newer() -> None:
    """The snapshot may be older than what the ticker said before it came."""
    assert book_after(top(120, "98.00", "0.700", "101.00", "1.000"), snapshot(100))[0] == {9800: 700}
    assert book_after(top(99, "98.00", "0.700", "101.00", "1.000"), snapshot(100))[0] == {9900: 1000, 9800: 2000}


def test_only_market_trades_after_the_snapshot_are_events() -> None:
    """Insurance fund rows and rows of price 0 are none, and so is what came before the book."""
    assert play(trade(), snapshot(), trade(), trade(kind="INSURANCE_FUND"), trade("0", "0", kind="NA"), trade(maker=False))[1:] == [
        MarketTrade(10, 9900, 500, True), MarketTrade(40, 9900, 500, False)]  # fmt: skip


def test_trades_are_made_of_one_frame_type() -> None:
    """A recording that has trades and their aggregates is not counted twice."""
    frames = (snapshot(), trade(), agg_trade(size="2.000"))
    assert [event.size_lots for event in play(*frames) if isinstance(event, MarketTrade)] == [500]
    found = play(*frames, market=RecordedMarket(ETHUSDT, trade_event="aggTrade"))
    assert [event.size_lots for event in found if isinstance(event, MarketTrade)] == [2000]


def test_other_streams_are_passed_over() -> None:
    """Mark prices, partial depth and the replies to subscriptions are not part of the book."""
    assert len(play(snapshot(), {"e": "markPriceUpdate", "s": "ETHUSDT"}, {"result": None, "id": 1})) == 1
    assert len(play(diff(5, 6, 4), snapshot(), stream="ethusdt@depth5@100ms")) == 1
    assert len(play(snapshot(), diff(101, 102, 100), stream="ethusdt@depth@100ms")) == 2


@pytest.mark.parametrize(("frame", "expected"), [
    ({"hello": 1}, "neither a frame"),
    (diff(101, 102, 100) | {"s": "BTCUSDT"}, "of BTCUSDT, not of ETHUSDT"),
    (trade() | {"s": "BTCUSDT"}, "of BTCUSDT, not of ETHUSDT"),
    (diff(101, 102, 100, [["99.001", "1.000"]]), "not a multiple of 0.01"),
    (diff(101, 102, 100, [["99.00", "1.0001"]]), "not a multiple of 0.001"),
    (diff(101, 102, 100, [["0.00", "1.000"]]), "below 0.01"),
    (diff(101, 102, 100, [["99.00", "-1.000"]]), "below 0.000"),
    (diff(101, 102, 100, [["NaN", "1.000"]]), "is no number"),
    (diff(101, 102, 100, [["99.00", "1E999999999"]]), "not plain decimal text"),
    (diff(101, 102, 100, [["9" * 1000 + ".00", "1.000"]]), "not plain decimal text"),
    (diff(101, 102, 100, [[99.0, "1.000"]]), "not plain decimal text"),
    (diff(101, 102, 100, [["99.00"]]), "documented shape"),
    (diff(101, 102, 100, [7]), "documented shape"),
    (diff(101, "102", 100), "documented shape"),  # type: ignore[arg-type]
    ({"e": "depthUpdate", "s": "ETHUSDT"}, "documented shape"),
    ({"e": "trade", "s": "ETHUSDT", "p": "99.00", "q": "1.000", "m": "yes"}, "documented shape"),
    (top(120, "98.005", "1.000", "101.00", "1.000"), "not a multiple"),
    (snapshot("x"), "documented shape"),  # type: ignore[arg-type]
    (snapshot(bids={"99": "1"}), "documented shape"),
])  # fmt: skip
def test_a_frame_that_cannot_be_is_refused_at_its_line(frame: dict[str, Any], expected: str) -> None:
    """Wrong symbol, off the grid, not numbers, not the documented fields: the error says which line."""
    error = refusal(snapshot(), frame)
    assert expected in str(error)
    assert error.line_number == 2


def test_speed_and_offset_scale_time_and_it_never_goes_back() -> None:
    """At speed 4 a recorded second takes 250 ms after the offset; a receive clock that was set back stands still."""
    market = RecordedMarket(ETHUSDT, 4.0, 1_000)
    found = []
    for at_s, frame in ((0, snapshot()), (1, trade()), (3, trade()), (2, trade()), (4, trade())):
        event = market.take(RecordedFrame(1, START_NS + at_s * 1_000_000_000, "", frame))
        assert event is not None
        found.append(event.at_ms)
    assert found == [1_000, 1_250, 1_750, 1_750, 2_000]


def test_a_transition_turns_one_book_into_the_other() -> None:
    """Applied to the first book it gives the second, and it names only the levels that differ."""
    first, second = OutsideBook(), OutsideBook()
    first.apply(DepthFrame(0, ((99, 1), (98, 2), (97, 3)), ((101, 1),)))
    second.apply(DepthFrame(0, ((99, 1), (98, 5), (96, 4)), ((101, 1), (102, 7))))
    frame = transition(first, second, 5)
    assert frame == DepthFrame(5, ((97, 0), (98, 5), (96, 4)), ((102, 7),))
    first.apply(frame)
    assert list(first.levels(Side.BUY)) == list(second.levels(Side.BUY))
