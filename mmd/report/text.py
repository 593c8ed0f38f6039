"""The report as text for a terminal: sections of aligned figures, 80 columns, no colour."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from mmd.report.amounts import NONE, count, duration, exact, fixed, microseconds, percent, quantity
from mmd.report.figures import Report
from mmd.report.mark_outs import MarkOut
from mmd.report.notes import MID_NOTE
from mmd.report.profit import Slot
from mmd.report.reconciliation import AssetReconciliation

WIDTH = 80
_SHOWN_DAYS, _SHOWN_HOURS, _SHOWN_REASONS, _SHOWN_ENDS = 31, 24, 10, 8
_LABEL, _FIGURE = 26, 16


def text_report(report: Report) -> str:
    """The whole report, with a newline at its end."""
    sections = [
        _head(report),
        _profit(report),
        _reconciliation(report),
        _trading(report),
        _mark_outs(report),
        _slots(report),
        _equity(report),
        _inventory(report),
        _round_trips(report),
        _operation(report),
        _uptime(report),
        _notes(report),
    ]
    return "\n\n".join("\n".join(lines) for lines in map(list, sections) if lines) + "\n"


def _head(report: Report) -> Iterator[str]:
    identity, zone, period = report.identity, report.zone, report.period
    name = "UTC" if zone.utc else f"{zone.at(period.since_ms):%Z}"
    yield _between(_printable(identity.symbol or "no market yet"), _printable(identity.venue))
    yield _between(f"{zone.second(period.since_ms)} to {zone.second(period.until_ms)} {name}", duration(period.length_ms))


def _profit(report: Report) -> Iterator[str]:
    profit, equity, quote = report.profit, report.equity, report.identity.quote_asset
    yield _title("Profit", quote)
    yield _row("realised", fixed(profit.realized, sign=True))
    yield _row("fees", fixed(-profit.fees, sign=True), _by_asset(profit.fees_by_asset, "paid"))
    yield _row("rebates", fixed(profit.rebates, sign=True), _by_asset(profit.rebates_by_asset, "received"))
    yield _row("funding", fixed(profit.funding, sign=True), _by_asset(profit.funding_by_asset, ""))
    yield _row("net profit", fixed(profit.net, sign=True), _of_volume(profit.net, report.trading.volume))
    if equity.unrealized_change is not None:
        remark = f"{fixed(equity.unrealized_start, 2)} -> {fixed(equity.unrealized_end, 2)}"
        yield _row("change of unrealised", fixed(equity.unrealized_change, sign=True), remark)
    for other in profit.other_income:
        yield _row(
            f"{other.income_type.lower()}"[: _LABEL - 3],
            fixed(other.amount, sign=True),
            f"{other.asset} {other.symbol}".strip() + ", apart from the profit",
        )
    for asset, amount in profit.transfers.items():
        yield _row("transfers", fixed(amount, sign=True), f"{asset}, no profit")


def _reconciliation(report: Report) -> Iterator[str]:
    found = report.reconciliation
    verdict = {None: "nothing to compare", True: "reconciles to the last digit", False: "DOES NOT RECONCILE"}[found.reconciles]
    yield _title("Wallet", verdict)
    if found.reconciles is None:
        yield from _wrapped("The period has no two exact wallet figures of the venue's; they come with account updates and quiet readings.")
        return
    table = [("asset", "wallet change", "booked", "difference")]
    table += [(each.asset, exact(each.wallet_change), exact(each.booked), exact(each.difference)) for each in found.assets]
    widths = (12, 24, 24, 20)
    if all(len(cell) < width for row in table for cell, width in zip(row, widths)):
        yield from (_columns(row, widths) for row in table)
    else:  # every digit counts here, so that long figures get a line each
        yield from (f"  {row[0]} {name:<14}{cell:>40}" for row in table[1:] for name, cell in zip(table[0][1:], row[1:]))
    for asset in found.assets:
        yield from _wrapped(
            f"{asset.asset} booked: {_booked(asset)}; from {report.zone.second(asset.from_ms)} to {report.zone.second(asset.to_ms)}"
            + (f" in {asset.stretches} stretches" if asset.stretches > 1 else "")
        )
    for number, reason in enumerate(found.reasons):
        yield from _wrapped(f"{'perhaps' if not number else 'or'}: {reason}")


def _booked(asset: AssetReconciliation) -> str:
    parts = {
        "realised": asset.realized,
        "commissions": asset.commissions,
        "funding": asset.funding,
        "transfers": asset.transfers,
        **{kind.lower(): amount for kind, amount in asset.income.items()},
    }
    return ", ".join(f"{name} {exact(amount)}" for name, amount in parts.items() if amount) or "nothing"


def _trading(report: Report) -> Iterator[str]:
    trading, orders, quote, base = report.trading, report.orders, report.identity.quote_asset, report.identity.base_asset
    yield _title("Trading", "")
    others = [
        f"{count(trading.foreign)} foreign" if trading.foreign else "",
        f"{count(trading.unknown)} of unknown orders" if trading.unknown else "",
    ]
    yield _row("volume", fixed(trading.volume, 2), quote)
    yield _row("fills", count(trading.fills), ", ".join(filter(None, [f"{count(trading.own)} own", *others])))
    yield _row("buys", count(trading.buys), f"{quantity(trading.bought)} {base}, {fixed(trading.buy_volume, 2)} {quote}")
    yield _row("sells", count(trading.sells), f"{quantity(trading.sold)} {base}, {fixed(trading.sell_volume, 2)} {quote}")
    yield _row("maker share", percent(trading.maker_share), "of the notional")
    yield _row(
        "orders placed",
        count(orders.placed),
        f"{count(orders.filled)} filled, {count(orders.refused)} refused, {count(orders.amends)} amended",
    )
    yield _row("fill rate", percent(orders.fill_rate), f"of orders; {percent(orders.filled_quantity_rate)} of the quantity")
    yield _row(
        "gross spread captured",
        fixed(report.spread.amount, sign=True),
        f"{quote}, {fixed(report.spread.bps, 3, True)} bps of {count(report.spread.fills)} fills",
    )


def _mark_outs(report: Report) -> Iterator[str]:
    found = [each for each in report.mark_outs if each.side == "all"]
    yield _title("Mark-outs", f"bps, {report.identity.quote_asset}; positive is good for us")
    if not any(each.fills for each in found):
        yield from _wrapped("No fill has a mid yet.")
        return
    widths = (7, 10, 9, 9, 9, 9, 9, 18)
    yield _columns(("after", "fills", "all", "+- 1 se", "buys", "sells", "net fee", "amount"), widths)
    by_side = {(each.seconds, each.side): each for each in report.mark_outs}
    for each in found:
        buys, sells = by_side[each.seconds, "buy"], by_side[each.seconds, "sell"]
        yield _columns(
            (
                _after(each),
                count(each.fills),
                _bps(each.weighted_bps),
                NONE if each.error_bps is None else f"{each.error_bps:.3f}",
                _bps(buys.weighted_bps),
                _bps(sells.weighted_bps),
                _bps(each.net_bps),
                _fitted(each.amount, 18, 4, sign=True),
            ),
            widths,
        )
    yield from _wrapped(MID_NOTE + " bps are weighted by notional; the standard error is of the mean per fill.")


def _after(mark_out: MarkOut) -> str:
    return f"{mark_out.seconds} s" if mark_out.seconds else "fill"


def _slots(report: Report) -> Iterator[str]:
    if not report.days:
        return
    days, hours = report.days[-_SHOWN_DAYS:], report.hours[-_SHOWN_HOURS:]
    if len(report.days) > 1 or len(report.hours) > _SHOWN_HOURS:
        yield from _slot_table("By day", days, len(report.days))
        yield ""
    yield from _slot_table("By hour", hours, len(report.hours))


def _slot_table(title: str, slots: Sequence[Slot], of: int) -> Iterator[str]:
    yield _title(title, f"the last {len(slots)} of {of} with entries" if len(slots) < of else "")
    widths = (18, 9, 15, 10, 10, 8, 10)
    yield _columns(("", "fills", "volume", "realised", "fees", "funding", "net"), widths)
    for slot in slots:
        amounts = (slot.realized, slot.rebates - slot.fees, slot.funding, slot.net)
        signed = (_fitted(amount, width, 3, sign=True) for amount, width in zip(amounts, widths[3:]))
        yield _columns((slot.label, count(slot.fills), _fitted(slot.volume, widths[2], 2), *signed), widths)


def _fitted(amount: Decimal, width: int, decimals: int, sign: bool = False) -> str:
    """With as many decimals as leave a blank before it; what is too large even for none is given to three digits."""
    for fewer in range(decimals, -1, -1):
        text = fixed(amount, fewer, sign)
        if len(text) < width:
            return text
    return f"{amount:{'+' if sign else ''}.2E}"


def _equity(report: Report) -> Iterator[str]:
    equity, quote = report.equity, report.identity.quote_asset
    yield _title("Equity", f"{quote}, wallet and unrealised, by {count(equity.marks)} marks")
    if equity.start is not None and equity.end is not None:
        yield _row("start -> end", f"{fixed(equity.start, 2)} -> {fixed(equity.end, 2)}")
        yield _row("change", fixed(equity.change, sign=True), "without transfers")
    fall = equity.drawdown
    if fall is not None:
        yield _row(
            "max drawdown",
            fixed(fall.amount),
            f"{NONE if fall.percent is None else f'{fall.percent:.3f} %'}, "
            f"{report.zone.minute(fall.from_ms)} -> {report.zone.minute(fall.to_ms)}",
        )
    else:
        yield _row("max drawdown", fixed(Decimal(0)) if equity.marks else NONE)
    yield _row("Sharpe ratio", fixed(equity.sharpe.value, 2))
    yield from _wrapped(equity.sharpe.caveat)


def _inventory(report: Report) -> Iterator[str]:
    held, base, quote = report.inventory, report.identity.base_asset, report.identity.quote_asset
    yield _title("Inventory", f"{base}; over the {duration(held.known_ms)} in which it is known")
    yield _row("start -> end", f"{quantity(held.start)} -> {quantity(held.end)}")
    yield _row("mean |position|", quantity(held.mean_absolute), f"signed mean {quantity(held.mean_position)}")
    yield _row("longest, shortest", f"{quantity(held.longest)}, {quantity(held.shortest)}")
    yield _row("time long, short, flat", f"{percent(held.long_share)}, {percent(held.short_share)}, {percent(held.flat_share)}")
    yield _row("notional, mean and max", f"{fixed(held.mean_notional, 2)}, {fixed(held.max_notional, 2)}", quote)


def _round_trips(report: Report) -> Iterator[str]:
    trips, quote = report.round_trips, report.identity.quote_asset
    yield _title("Round trips", "flat to flat, closed in the period")
    yield _row("count", count(trips.count), "the first one was open before" if trips.carried_in and trips.count else "")
    if trips.count:
        yield _row("win rate", percent(trips.wins / trips.count), f"{count(trips.wins)} won, {count(trips.losses)} lost")
        yield _row("profit, mean", f"{fixed(trips.profit, sign=True)}, {fixed(trips.mean_profit, sign=True)}", f"{quote}, fees taken off")
        yield _row("best, worst", f"{fixed(trips.best, sign=True)}, {fixed(trips.worst, sign=True)}", quote)
        yield _row("held, median and mean", f"{duration(trips.median_holding_ms)}, {duration(trips.mean_holding_ms)}")
    if trips.open_position:
        since = "before the ledger" if trips.open_since_ms is None else report.zone.second(trips.open_since_ms)
        yield _row("open now", quantity(trips.open_position), f"{report.identity.base_asset}, since {since}")


def _operation(report: Report) -> Iterator[str]:
    yield _title("Requests and latency", "by whole hours")
    yield _row(
        "requests",
        count(report.requests.total),
        f"{fixed(report.requests.per_fill, 2)} per fill" if report.requests.per_fill is not None else "",
    )
    for kind, outcomes in report.requests.by_kind.items():
        yield _row(
            f"  {kind}", count(sum(outcomes.values())), ", ".join(f"{count(number)} {outcome}" for outcome, number in outcomes.items())
        )
    if report.latencies:
        widths = (16, 14, 12, 12, 12, 14)
        yield _columns(("at most", "count", "p50", "p90", "p99", "max"), widths)
        for each in report.latencies:
            yield _columns(
                (each.what.replace("_", " "), count(each.count), *map(microseconds, (each.p50_us, each.p90_us, each.p99_us, each.max_us))),
                widths,
            )


def _uptime(report: Report) -> Iterator[str]:
    uptime = report.uptime
    yield _title("Uptime", f"{count(uptime.runs)} run{'s' if uptime.runs != 1 else ''}, {uptime.halts} halted, {uptime.kills} killed")
    yield _row("up", percent(uptime.up_share, 2), duration(uptime.up_ms))
    for state in uptime.states:
        yield _row(f"  {state.state}", percent(state.share, 2), duration(state.total_ms))
    if uptime.pauses:
        yield _row("pauses", count(uptime.pauses), duration(uptime.paused_ms))
    for reason in uptime.pause_reasons[:_SHOWN_REASONS]:
        yield from _wrapped(f"{count(reason.count)} x {reason.reason}: {duration(reason.total_ms)}", indent=4)
    ends = uptime.ends[-_SHOWN_ENDS:]
    if len(ends) > 1 or any(end.cause not in ("stop", "running") for end in ends):
        for end in ends:
            why = f": {end.why}" if end.why else ""
            yield from _wrapped(
                f"{report.zone.second(end.started_ms)} for {duration(end.ended_ms - end.started_ms)}, {end.cause}{why}", indent=4
            )


def _notes(report: Report) -> Iterator[str]:
    if report.notes:
        yield _title("Notes", "")
        for note in report.notes:
            yield from _wrapped(note)


# --- layout ---------------------------------------------------------------------------------------------------------------------------


def _title(text: str, remark: str) -> str:
    return f"{text.upper()}  {_printable(remark)}".rstrip() if remark else text.upper()


def _between(left: str, right: str) -> str:
    """One line, its two parts at its ends."""
    return f"{left}{right:>{max(1 + len(right), WIDTH - len(left))}}"


def _row(label: str, figure: str, remark: str = "") -> str:
    """A label, a figure aligned at its right, and what belongs to it. A remark that does not fit goes on below."""
    line = f"  {label:<{_LABEL - 2}}{figure:>{_FIGURE}}"
    if not remark:
        return line
    first, *rest = textwrap.wrap(_printable(remark), WIDTH - max(len(line), _LABEL + _FIGURE) - 2, break_on_hyphens=False) or [""]
    return "\n".join([f"{line}  {first}", *(f"{'':{_LABEL + _FIGURE}}  {each}" for each in rest)])


def _columns(cells: Iterable[str], widths: Sequence[int]) -> str:
    """The first at the left, the others at the right of their columns."""
    first, *others = cells
    return "".join([f"  {first:<{widths[0] - 2}}", *(f"{cell:>{width}}" for cell, width in zip(others, widths[1:]))]).rstrip()


def _wrapped(text: str, indent: int = 2) -> Iterator[str]:
    yield from textwrap.wrap(
        _printable(text), WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2), break_on_hyphens=False
    )


def _printable(text: str) -> str:
    """Texts from outside (a venue's refusal, a reason) move no cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _bps(value: float | None) -> str:
    return fixed(value, 3, True)


def _by_asset(amounts: Mapping[str, Decimal], word: str) -> str:
    if len(amounts) < 2:
        return ""
    return " ".join(filter(None, [word, ", ".join(f"{fixed(amount)} {asset}" for asset, amount in amounts.items())]))


def _of_volume(amount: Decimal, volume: Decimal) -> str:
    return f"{fixed(float(amount / volume) * 10_000, 3, True)} bps of the volume" if volume else ""
