"""The venue's own lists of what has happened to the account, page by page: trades by id, income by time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmd.core.messages import Fill
from mmd.core.records import IncomeLine
from mmd.core.rules import SymbolRules
from mmd.venue.endpoints import Call
from mmd.venue.json_fields import ParseError, as_list, as_object, number, text, whole
from mmd.venue.order_reply import read_trades
from mmd.venue.rest_codec import Caller
from mmd.venue.signing import Params

TRADES_PAGE = 1000  # V1 "Account Trade List": max 1000
INCOME_PAGE = 1000  # V1 "Get Income History": max 1000
# "Account Trade List" spans at most 7 days between its times; the income list may too, and does not say.
INCOME_SPAN_MS = 7 * 86_400_000
INCOME_TYPES = (
    "TRANSFER", "WELCOME_BONUS", "REALIZED_PNL", "FUNDING_FEE", "COMMISSION", "INSURANCE_CLEAR", "MARKET_MERCHANT_RETURN_REWARD",
)  # fmt: skip


def trades_page(rules: SymbolRules, after_id: int) -> tuple[Call, Params]:
    """The call for the trades that follow one (V1 "Account Trade List": `fromId`)."""
    return Call.USER_TRADES, [("symbol", rules.symbol), ("fromId", str(after_id + 1)), ("limit", str(TRADES_PAGE))]


def read_trades_page(answer: Any, rules: SymbolRules, after_id: int) -> tuple[Fill, ...]:
    """The answer to `trades_page`; more follow where it is full. Raises ParseError, also for trades from before what was asked for."""
    fills = read_trades(answer, rules)
    if any(fill.trade_id <= after_id for fill in fills):
        raise ParseError("userTrades: trades from before fromId")
    return fills


def read_trades_after(rest: Caller, rules: SymbolRules, trade_id: int) -> Iterator[tuple[Fill, ...]]:
    """The account's trades on the symbol after `trade_id`, in pages, each read when it is asked for. Raises CallFailed and ParseError."""
    while True:
        page = read_trades_page(rest.call(*trades_page(rules, trade_id)), rules, trade_id)
        if page:
            yield page
        if len(page) < TRADES_PAGE:
            return
        trade_id = max(fill.trade_id for fill in page)


def read_income(rest: Caller, since_ms: int, until_ms: int) -> Iterator[tuple[IncomeLine, ...]]:
    """The account's income, of every symbol, from `since_ms` to `until_ms` (both in it), in pages, each read when it is asked for.

    A line may come twice, at the seam of two pages. Raises CallFailed and ParseError.
    """
    while since_ms <= until_ms:
        span_end_ms = min(until_ms, since_ms + INCOME_SPAN_MS - 1)
        page = _income_page(rest, since_ms, span_end_ms)
        if page:
            yield page
        if len(page) < INCOME_PAGE:
            since_ms = span_end_ms + 1
            continue
        times = [line.time_ms for line in page]
        if times != sorted(times) or times[0] < since_ms:
            raise ParseError("income: a full page that is not in the order of time")
        if times[-1] > since_ms:
            since_ms = times[-1]
        else:
            # A page full of one moment: there is no way to ask for the rest of it but type by type.
            for income_type in INCOME_TYPES:
                yield _income_page(rest, since_ms, since_ms, income_type)
            since_ms += 1


def _income_page(rest: Caller, start_ms: int, end_ms: int, income_type: str | None = None) -> tuple[IncomeLine, ...]:
    params = [("startTime", str(start_ms)), ("endTime", str(end_ms)), ("limit", str(INCOME_PAGE))]
    if income_type is not None:
        params.append(("incomeType", income_type))
    return tuple(read_income_line(entry) for entry in as_list(rest.call(Call.INCOME, params), "income"))


def read_income_line(entry: Any) -> IncomeLine:
    """One line (V1 "Get Income History"). Raises ParseError."""
    fields = as_object(entry, "income")
    return IncomeLine(
        time_ms=whole(fields, "time"),
        income_type=text(fields, "incomeType"),
        tran_id=_id_text(fields.get("tranId")),
        asset=text(fields, "asset"),
        symbol=_id_text(fields.get("symbol")),
        trade_id=_id_text(fields.get("tradeId")),
        amount=number(fields, "income"),
        info=_id_text(fields.get("info")),
    )


def _id_text(value: Any) -> str:
    """What may be text, a number, empty or not there ("if existing")."""
    if value is None:
        return ""
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value)
    raise ParseError("an id of an income line is neither text nor a number")
