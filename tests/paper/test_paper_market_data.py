"""The public market: displayed book, update ids, and the documented REST replies."""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random

import pytest
from market_by_hand import START_MS, market_of

from mmd.core.errors import ConfigError
from mmd.core.units import Side
from mmd.paper.market_source import DepthFrame, MarketTrade


def test_a_market_without_a_side_is_refused() -> None:
    """A source whose book is empty on a side is a ConfigError, not a market at a made-up price."""
    with pytest.raises(ConfigError, match="empty side"):
        market_of(bids=())


def test_pending_pops_what_is_due_and_applies_nothing() -> None:
    """Events come with their time since the epoch, those due now included, later ones stay."""
    events = [DepthFrame(0, ((99, 0),), ()), MarketTrade(5, 101, 1, False), DepthFrame(6, (), ((101, 9),))]
    market = market_of(list(events))
    assert market.next_due_ms() == START_MS
    assert list(market.pending(START_MS + 5)) == [(START_MS, events[0]), (START_MS + 5, events[1])]
    assert market.best(Side.BUY) == (99, 10)
    assert market.next_due_ms() == START_MS + 6
    assert list(market.pending(START_MS + 6)) == [(START_MS + 6, events[2])]
    assert market.next_due_ms() == START_MS + 1000, "the next sample of the mark price"


@pytest.mark.parametrize("seed", range(20))
def test_the_displayed_book_is_the_outside_plus_the_overlay(seed: int) -> None:
    """Best, levels and single sizes are those of the two sums, whatever the overlay."""
    random, market = Random(seed), market_of()
    for _ in range(50):
        market.apply(DepthFrame(0, ((random.randrange(80, 100), random.randrange(3)),), ((random.randrange(101, 120), random.randrange(3)),)), START_MS)
        ours = {Side.BUY: {random.randrange(75, 100): random.randrange(1, 5) for _ in range(random.randrange(4))},
                Side.SELL: {random.randrange(101, 125): random.randrange(1, 5) for _ in range(random.randrange(4))}}  # fmt: skip
        market.overlay = ours.__getitem__
        for side in Side:
            sums = dict(market.outside.levels(side))
            for price, lots in ours[side].items():
                sums[price] = sums.get(price, 0) + lots
            ordered = sorted(sums.items(), reverse=side is Side.BUY)
            assert market.levels(side, 5) == ordered[:5], f"seed {seed}"
            assert market.best(side) == (ordered[0] if ordered else None), f"seed {seed}"
            assert all(market.displayed(side, price) == lots for price, lots in ordered), f"seed {seed}"


def test_every_change_has_its_update_id() -> None:
    """Frames, taken liquidity, touched levels and depth requests each move the update id on; a take of nothing does not."""
    market = market_of()
    ids = [market.update_id]
    market.apply(DepthFrame(0, ((97, 1),), ()), START_MS + 1)
    ids.append(market.update_id)
    assert market.take(Side.SELL, 101, 4) == 4
    ids.append(market.update_id)
    market.touch(Side.BUY, 95)
    ids.append(market.update_id)
    ids.append(market.depth(5)["lastUpdateId"])
    assert ids == sorted(set(ids))
    assert market.take(Side.SELL, 100, 4) == 0
    assert market.update_id == ids[-1]
    assert market.changes.entries() == [97, -101, 95], "bids by their price, asks by minus theirs"


def test_ids_grow_across_restarts() -> None:
    """A market that starts later has larger update and trade ids than the one before ever reached, though a recording was played fast."""
    market = market_of()
    for number in range(9_000):
        market.apply(DepthFrame(0, ((99, number + 1),), ()), START_MS + 1000)
        trade_id = market.record_trade(START_MS + 1000, 99, 1, True)
    later = market_of(start_ms=START_MS + 1000)
    assert market.update_id < later.update_id
    assert trade_id < later.record_trade(START_MS + 1000, 99, 1, True)


def test_depth_is_as_documented() -> None:
    """V1 "Order Book": text prices best first, no more levels than asked for."""
    market = market_of()
    market.apply(DepthFrame(0, ((99, 11),), ()), START_MS + 7)
    market.advance(START_MS + 20)
    reply = market.depth(2)
    assert reply == {
        "lastUpdateId": market.update_id, "E": START_MS + 20, "T": START_MS + 7,
        "bids": [["0.99", "0.011"], ["0.98", "0.020"]], "asks": [["1.01", "0.010"], ["1.02", "0.020"]],
    }  # fmt: skip


def test_trades_are_as_documented() -> None:
    """V1 "Recent Trades List", "Old Trades Lookup" and "Compressed/Aggregate Trades List"."""
    market = market_of()
    first = market.record_trade(START_MS + 1, 101, 1500, False)
    second = market.record_trade(START_MS + 1, 101, 500, False)
    third = market.record_trade(START_MS + 2, 99, 10, True)
    assert market.last_price_ticks == 99
    assert [entry["id"] for entry in market.trades(2)] == [second, third]
    assert market.trades(1) == [
        {"id": third, "price": "0.99", "qty": "0.010", "quoteQty": "0.00990", "time": START_MS + 2, "isBuyerMaker": True}]  # fmt: skip
    assert [entry["id"] for entry in market.historical_trades(2, first)] == [first, second]
    assert market.historical_trades(500) == market.trades(500)
    assert market.agg_trades(limit=500)[0] == {
        "a": first, "p": "1.01", "q": "2.000", "f": first, "l": second, "T": START_MS + 1, "m": False}  # fmt: skip
    assert [entry["T"] for entry in market.agg_trades(start=START_MS + 2, end=START_MS + 2)] == [START_MS + 2]


def test_klines_are_as_documented() -> None:
    """V1 "Kline/Candlestick Data": twelve columns; an unknown interval is a KeyError."""
    market = market_of()
    market.record_trade(START_MS + 1, 101, 1500, False)
    market.record_trade(START_MS + 2, 99, 500, True)
    opened = START_MS // 60_000 * 60_000
    assert market.klines("1m") == [
        [opened, "1.01", "1.01", "0.99", "0.99", "2.000", opened + 59_999, "2.01000", 2, "1.500", "1.51500", "0"]]  # fmt: skip
    with pytest.raises(KeyError):
        market.klines("7m")


def test_mark_and_index_klines_have_prices_of_eight_places() -> None:
    """V1 "Mark Price Kline/Candlestick Data": one data point a second, zeros where nothing is traded."""
    market = market_of()
    market.advance(START_MS + 3_000)
    for reply in (market.mark_price_klines("1d"), market.index_price_klines("1d")):
        ((_, opened, high, low, closed, *_, points, _, _, _),) = reply
        assert (opened, high, low, closed, points) == ("1.00000000",) * 4 + (2,)


def test_premium_index_is_as_documented() -> None:
    """V1 "Mark Price": the index is the outside mid; the accounts' own orders do not move it."""
    market = market_of()
    market.overlay = lambda side: {100: 1} if side is Side.BUY else {}
    market.apply(DepthFrame(0, (), ((101, 0), (102, 0), (111, 1))), START_MS + 10)
    market.advance(START_MS + 1_000)
    assert market.premium_index() == {
        "symbol": "ETHUSDT", "markPrice": "1.00450000", "indexPrice": "1.04500000", "estimatedSettlePrice": "1.04500000",
        "lastFundingRate": "0.00010000", "nextFundingTime": 1_700_006_400_000, "interestRate": "0.00010000", "time": START_MS + 1_000,
    }  # fmt: skip


def test_a_side_that_empties_keeps_the_last_index() -> None:
    """Without bids there is no mid: index and mark price stay where they were, and the book ticker shows zeros."""
    market = market_of()
    market.apply(DepthFrame(0, ((99, 0), (98, 0), (90, 0)), ()), START_MS + 10)
    market.advance(START_MS + 5_000)
    assert market.index_price == market.mark_price == Decimal(1)
    assert market.best(Side.BUY) is None
    assert market.book_ticker()["bidPrice"] == "0.00"


def test_funding_history_is_as_documented() -> None:
    """V1 "Get Funding Rate History": ascending; from a start the first ones, without one the latest; ends inclusive."""
    market = market_of()
    for tenths in range(5):
        market.last_funding_rate = Decimal(tenths) / 1000
        market.settle_funding()
    times = [entry["fundingTime"] for entry in market.funding_rate()]
    assert times == [1_700_006_400_000 + number * 28_800_000 for number in range(5)]
    assert market.next_funding_ms == times[-1] + 28_800_000
    assert market.funding_rate(limit=1) == [{"symbol": "ETHUSDT", "fundingRate": "0.00400000", "fundingTime": times[4]}]
    assert [entry["fundingTime"] for entry in market.funding_rate(times[1], times[3], 2)] == times[1:3]
    assert [entry["fundingTime"] for entry in market.funding_rate(None, times[3], 2)] == times[2:4]
    (info,) = market.funding_info()
    assert info == {"symbol": "ETHUSDT", "interestRate": "0.00010000", "time": START_MS, "fundingIntervalHours": 8,
                    "fundingFeeCap": 0.03, "fundingFeeFloor": -0.03}  # fmt: skip


def test_tickers_are_as_documented() -> None:
    """V1 "Symbol Price Ticker", "Symbol Order Book Ticker" and "24hr Ticker Price Change Statistics", before and after a trade."""
    market = market_of()
    assert market.ticker_price() == {"symbol": "ETHUSDT", "price": "1.00", "time": START_MS}
    quiet = market.ticker_24hr()
    assert (quiet["lastPrice"], quiet["count"], quiet["volume"]) == ("1.00", 0, "0.000")
    first = market.record_trade(START_MS + 1, 100, 1500, False)
    last = market.record_trade(START_MS + 2, 125, 500, True)
    assert market.ticker_price() == {"symbol": "ETHUSDT", "price": "1.25", "time": START_MS + 2}
    assert market.book_ticker() == {
        "symbol": "ETHUSDT", "bidPrice": "0.99", "bidQty": "0.010", "askPrice": "1.01", "askQty": "0.010", "time": START_MS}  # fmt: skip
    day = market.ticker_24hr()
    assert set(day) == set(quiet)
    assert day | {"openTime": 0} == {
        "symbol": "ETHUSDT", "priceChange": "0.25", "priceChangePercent": "25.000", "weightedAvgPrice": "1.06", "prevClosePrice": "1.00",
        "lastPrice": "1.25", "lastQty": "0.500", "openPrice": "1.00", "highPrice": "1.25", "lowPrice": "1.00", "volume": "2.000",
        "quoteVolume": "2.12500", "openTime": 0, "closeTime": START_MS + 2, "firstId": first, "lastId": last, "count": 2,
    }  # fmt: skip


def test_every_reply_is_json() -> None:
    """No reply holds a Decimal or another value that JSON does not know."""
    market = market_of()
    market.record_trade(START_MS + 1, 100, 1, False)
    market.settle_funding()
    replies = [market.depth(), market.trades(), market.historical_trades(), market.agg_trades(), market.klines("1M"), market.premium_index(),
               market.funding_rate(), market.funding_info(), market.ticker_price(), market.book_ticker(), market.ticker_24hr()]  # fmt: skip
    assert json.loads(json.dumps(replies)) == replies
