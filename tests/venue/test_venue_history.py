"""The venue's lists of trades and income, page by page, from a venue that answers as documented and from some that do not."""

from __future__ import annotations

import random
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from mmd.core.messages import Unsent
from mmd.core.records import IncomeLine
from mmd.core.rules import SymbolRules
from mmd.venue.endpoints import V1, V3, Call
from mmd.venue.history import INCOME_PAGE, INCOME_SPAN_MS, TRADES_PAGE, read_income, read_income_line, read_trades_after
from mmd.venue.json_fields import ParseError
from mmd.venue.rest_codec import CallFailed
from mmd.venue.signing import Params

T0 = 1_750_000_000_000


def trade(trade_id: int) -> dict[str, Any]:
    return {
        "id": trade_id, "orderId": 7, "symbol": "ETHUSDT", "side": "BUY", "price": "2681.62", "qty": "0.001", "commission": "0.1",
        "commissionAsset": "USDT", "realizedPnl": "0", "maker": True, "time": 9,
    }  # fmt: skip


def line(time_ms: int, tran_id: int = 1, income_type: str = "FUNDING_FEE") -> dict[str, Any]:
    return {
        "symbol": "ETHUSDT", "incomeType": income_type, "income": "-0.37500000", "asset": "USDT", "info": "x", "time": time_ms, "tranId": str(tran_id),
        "tradeId": "",
    }  # fmt: skip


class Lists:
    """Answers `userTrades` and `income` as documented, and keeps what it was asked."""

    def __init__(self, trades: list[dict[str, Any]] | None = None, income: list[dict[str, Any]] | None = None) -> None:
        self.trades = trades or []
        self.income = income or []
        self.asked: list[dict[str, str]] = []

    def call(self, call: Call, params: Params = ()) -> Any:
        asked = dict(params)
        self.asked.append(asked)
        if len(self.asked) > 200:
            raise AssertionError("it asks for ever")
        if call is Call.USER_TRADES:
            return [each for each in self.trades if each["id"] >= int(asked["fromId"])][: int(asked["limit"])]
        assert call is Call.INCOME
        start, end = int(asked["startTime"]), int(asked["endTime"])
        found = [each for each in self.income if start <= each["time"] <= end and asked.get("incomeType") in (None, each["incomeType"])]
        return found[: int(asked["limit"])]


@pytest.mark.parametrize("family", [V1, V3], ids=["V1", "V3"])
def test_both_families_have_an_income_list(family: Any) -> None:
    """V1 and V3 "Get Income History"."""
    assert family[Call.INCOME].method == "GET" and family[Call.INCOME].path in ("/fapi/v1/income", "/fapi/v3/income")


# --- trades


@pytest.mark.parametrize("count", [0, 1, TRADES_PAGE - 1, TRADES_PAGE, TRADES_PAGE + 1, 2 * TRADES_PAGE, 2 * TRADES_PAGE + 5])
def test_trades_are_read_to_the_last(rules: SymbolRules, count: int) -> None:
    """From the one after the last known, each once, in as few pages as there are, and no empty page."""
    lists = Lists(trades=[trade(10 + 2 * number) for number in range(count + 3)])
    pages = list(read_trades_after(lists, rules, 14))
    assert [fill.trade_id for page in pages for fill in page] == [10 + 2 * number for number in range(3, count + 3)]
    assert all(pages) and len(lists.asked) == count // TRADES_PAGE + 1
    assert lists.asked[0] == {"symbol": "ETHUSDT", "fromId": "15", "limit": "1000"}


def test_a_page_is_asked_for_when_it_is_wanted(rules: SymbolRules) -> None:
    """Whoever reads decides the pace."""
    lists = Lists(trades=[trade(number) for number in range(3 * TRADES_PAGE)])
    pages = read_trades_after(lists, rules, -1)
    next(pages)
    assert len(lists.asked) == 1


def test_trades_from_before_are_no_answer(rules: SymbolRules) -> None:
    """A venue that ignores `fromId` would be asked for ever."""
    lists = Lists(trades=[trade(number) for number in range(TRADES_PAGE)])
    lists.call = lambda call, params=(): lists.trades  # type: ignore[method-assign]
    with pytest.raises(ParseError, match="before fromId"):
        list(read_trades_after(lists, rules, 5))


# --- income


def test_a_line_as_documented() -> None:
    """V1 "Get Income History", both samples; ids may be numbers, and what does not exist may be left out."""
    assert read_income_line(line(T0, 9)) == IncomeLine(T0, "FUNDING_FEE", "9", "USDT", "ETHUSDT", "", Decimal("-0.37500000"), "x")
    bare = {"incomeType": "TRANSFER", "income": "1", "asset": "USDT", "time": T0, "tranId": 9689322392, "tradeId": None, "symbol": None}
    assert read_income_line(bare) == IncomeLine(T0, "TRANSFER", "9689322392", "USDT", "", "", Decimal(1), "")


@pytest.mark.parametrize("change", [{"income": "nan"}, {"income": None}, {"time": "soon"}, {"asset": 5}, {"tranId": []}, {"tradeId": True}, {"incomeType": 1}])
def test_a_line_that_does_not_read_is_no_line(change: dict[str, Any]) -> None:
    """And it is never left out in silence."""
    with pytest.raises(ParseError):
        read_income_line({**line(T0), **change})


@pytest.mark.parametrize("count", [0, 1, INCOME_PAGE - 1, INCOME_PAGE, INCOME_PAGE + 1, 3 * INCOME_PAGE + 7])
def test_income_is_read_to_the_last(count: int) -> None:
    """Every line of the span is there; the pages go on at the time of the last line, so that one may come twice."""
    lists = Lists(income=[line(T0 + number, number) for number in range(-5, count + 5)])
    found = [each for page in read_income(lists, T0, T0 + count - 1) for each in page]
    assert {each.tran_id for each in found} == {str(number) for number in range(count)}
    assert len(found) <= count + len(lists.asked)


def test_many_lines_at_one_moment_are_all_read() -> None:
    """Funding of many symbols carries one time, and pages end within it, whatever the mixture."""
    for seed in range(40):
        random_ = random.Random(seed)
        times = sorted(T0 + random_.randint(0, 4) * random_.choice((1, 1000)) for _ in range(random_.randint(900, 3_500)))
        if any(times.count(each) >= INCOME_PAGE for each in set(times)):
            continue
        lists = Lists(income=[line(each, number) for number, each in enumerate(times)])
        found = {each.tran_id for page in read_income(lists, T0, T0 + 10_000) for each in page}
        assert len(found) == len(times), f"seed {seed}"


def test_a_page_full_of_one_moment_does_not_loop() -> None:
    """There is no way to page within a millisecond: each type is asked for by itself, and then what comes after."""
    kinds = ["COMMISSION"] * 700 + ["FUNDING_FEE"] * 600 + ["TRANSFER"] * 3
    lists = Lists(income=[line(T0 + 7, number, kind) for number, kind in enumerate(kinds)] + [line(T0 + 8, 9_999)])
    found = {each.tran_id for page in read_income(lists, T0, T0 + 100) for each in page}
    assert found == {*(str(number) for number in range(len(kinds))), "9999"}


def test_a_long_time_is_asked_for_in_weeks() -> None:
    """Each request spans seven days at most, they join without a gap, and the last one ends at the end."""
    end = T0 + 3 * INCOME_SPAN_MS + 5
    lists = Lists(income=[line(T0), line(T0 + INCOME_SPAN_MS, 2), line(end, 3), line(end + 1, 4)])
    assert [each.tran_id for page in read_income(lists, T0, end) for each in page] == ["1", "2", "3"]
    spans = [(int(asked["startTime"]), int(asked["endTime"])) for asked in lists.asked]
    assert spans[0][0] == T0 and spans[-1][1] == end and all(last - first < INCOME_SPAN_MS for first, last in spans)
    assert all(one[1] + 1 == other[0] for one, other in pairwise(spans))


@pytest.mark.parametrize("times", [range(T0 + INCOME_PAGE, T0, -1), range(T0 - 1, T0 + INCOME_PAGE - 1)])
def test_a_full_page_in_another_order_is_no_answer(times: range) -> None:
    """Newest first, or from before: going on from its last line would leave lines out."""
    lists = Lists()
    lists.call = lambda call, params=(): [line(each, each) for each in times]  # type: ignore[method-assign]
    with pytest.raises(ParseError, match="order of time"):
        list(read_income(lists, T0, T0 + 10_000))


def test_a_call_that_fails_ends_the_reading(rules: SymbolRules) -> None:
    """After the pages that were read; nothing is made up for the rest."""
    lists = Lists(trades=[trade(number) for number in range(2 * TRADES_PAGE)])
    call = lists.call

    def fail(kind: Call, params: Params = ()) -> Any:
        if lists.asked:
            raise CallFailed(kind, Unsent("no route"))
        return call(kind, params)

    lists.call = fail  # type: ignore[method-assign]
    pages = read_trades_after(lists, rules, -1)
    assert len(next(pages)) == TRADES_PAGE
    with pytest.raises(CallFailed, match="no route"):
        next(pages)
