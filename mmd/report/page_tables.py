"""The tables of the page: every figure of the report in words and numbers, so that no chart is the only place of anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape

from mmd.report.amounts import count, duration, exact, fixed, microseconds, percent, quantity
from mmd.report.figures import Report
from mmd.report.notes import MID_NOTE
from mmd.report.profit import Slot
from mmd.report.trading import Trading

_SHOWN_SLOTS = 400
_STATE_INKS = {"quote": "gain", "pause": "sell", "down": "loss", "sync": "accent", "boot": "mid", "stop": "mid", "starting": "mid"}


def sections(report: Report) -> str:
    """All tables, in panels."""
    panels = [
        _panel("Profit", _profit(report)),
        _panel("Wallet reconciliation", _reconciliation(report)),
        _panel("Mark-outs", _mark_outs(report), wide=True),
        _panel("Trading and orders", _trading(report)),
        _panel("Inventory and equity", _inventory(report)),
        _panel("Round trips", _round_trips(report)),
        _panel("Requests and latency", _operation(report)),
        _panel("Uptime and pauses", _uptime(report), wide=True),
    ]
    slots = [_slots("By day", report.days), _slots("By hour", report.hours)]
    return f'<h2>Figures</h2><div class="grid">{"".join(panels)}{"".join(slots)}</div>'


def notes_list(report: Report) -> str:
    """What to know, as a list; always with the word on mids."""
    return f'<h2>Notes</h2><ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in (*report.notes, MID_NOTE))}</ul>'


def _profit(report: Report) -> str:
    profit, equity, quote = report.profit, report.equity, report.identity.quote_asset
    rows: list[Sequence[str]] = [
        ("Realised", fixed(profit.realized, 4, True), ""),
        ("Fees", fixed(-profit.fees, 4, True), _assets(profit.fees_by_asset)),
        ("Rebates", fixed(profit.rebates, 4, True), _assets(profit.rebates_by_asset)),
        ("Funding", fixed(profit.funding, 4, True), _assets(profit.funding_by_asset)),
        ("Net profit", fixed(profit.net, 4, True), ""),
        (
            "Change of unrealised",
            fixed(equity.unrealized_change, 4, True),
            f"{fixed(equity.unrealized_start, 2)} to {fixed(equity.unrealized_end, 2)}",
        ),
    ]
    rows += [
        (other.income_type, fixed(other.amount, 4, True), f"{other.asset} {other.symbol}".strip() + ", apart from the profit")
        for other in profit.other_income
    ]
    rows += [("Transfers", fixed(amount, 4, True), f"{asset}, no profit") for asset, amount in profit.transfers.items()]
    return _table(("", quote, ""), rows, total="Net profit", text={2})


def _reconciliation(report: Report) -> str:
    found = report.reconciliation
    if not found.assets:
        return (
            '<p class="remark">Two exact wallet figures of the venue\'s are needed: account updates, or readings while nothing happens.</p>'
        )
    names = [each.asset for each in found.assets]
    rows: list[Sequence[str]] = [
        ("Realised", *(exact(each.realized) for each in found.assets)),
        ("Commissions", *(exact(each.commissions) for each in found.assets)),
        ("Funding", *(exact(each.funding) for each in found.assets)),
        ("Transfers", *(exact(each.transfers) for each in found.assets)),
    ]
    for kind in sorted({kind for each in found.assets for kind in each.income}):
        rows.append((kind, *(exact(each.income.get(kind, Decimal(0))) for each in found.assets)))
    rows += [
        ("Booked", *(exact(each.booked) for each in found.assets)),
        ("Wallet change", *(exact(each.wallet_change) for each in found.assets)),
        ("Difference", *(exact(each.difference) for each in found.assets)),
    ]
    spans = "; ".join(
        f"{each.asset} from {report.zone.second(each.from_ms)} to {report.zone.second(each.to_ms)}"
        + (f" in {each.stretches} stretches" if each.stretches > 1 else "")
        for each in found.assets
    )
    reasons = "".join(
        f'<p class="remark">{"Perhaps" if not number else "Or"}: {escape(reason)}.</p>' for number, reason in enumerate(found.reasons)
    )
    return _table(("", *names), rows, total="Difference") + f'<p class="remark">{escape(spans)}.</p>{reasons}'


def _mark_outs(report: Report) -> str:
    quote = report.identity.quote_asset
    by_side = {(each.seconds, each.side): each for each in report.mark_outs}
    rows = []
    for each in (each for each in report.mark_outs if each.side == "all"):
        buys, sells = by_side[each.seconds, "buy"], by_side[each.seconds, "sell"]
        rows.append(
            (
                f"{each.seconds} s" if each.seconds else "at the fill",
                count(each.fills),
                fixed(each.weighted_bps, 3, True),
                fixed(each.mean_bps, 3, True),
                fixed(each.error_bps, 3),
                fixed(buys.weighted_bps, 3, True),
                fixed(sells.weighted_bps, 3, True),
                fixed(each.net_bps, 3, True),
                fixed(each.amount, 4, True),
                fixed(each.net_amount, 4, True),
            )
        )
    head = ("After", "fills", "bps", "mean bps", "std. error", "buys, bps", "sells, bps", "net of fees, bps", quote, f"net, {quote}")
    return (
        _table(head, rows)
        + '<p class="remark">Positive is good for us. bps are weighted by notional but for the mean per fill and its standard error.</p>'
    )


def _trading(report: Report) -> str:
    trading, orders, spread = report.trading, report.orders, report.spread
    quote, base = report.identity.quote_asset, report.identity.base_asset
    return _table(
        ("", "", ""),
        [
            ("Volume", fixed(trading.volume, 2), quote),
            (
                "Fills",
                count(trading.fills),
                _whose(trading),
            ),
            ("Buys", count(trading.buys), f"{quantity(trading.bought)} {base}, {fixed(trading.buy_volume, 2)} {quote}"),
            ("Sells", count(trading.sells), f"{quantity(trading.sold)} {base}, {fixed(trading.sell_volume, 2)} {quote}"),
            ("Maker share", percent(trading.maker_share), "of the notional"),
            (
                "Gross spread captured",
                fixed(spread.amount, 4, True),
                f"{quote}, {fixed(spread.bps, 3, True)} bps of {count(spread.fills)} fills",
            ),
            (
                "Orders placed",
                count(orders.placed),
                f"{count(orders.filled)} filled, {count(orders.refused)} refused, {count(orders.amends)} amended, {count(orders.open)} open",
            ),
            ("Fill rate", percent(orders.fill_rate), f"of the orders; {percent(orders.filled_quantity_rate)} of the quantity"),
        ],
        text={2},
    )


def _whose(trading: Trading) -> str:
    others = ((trading.foreign, "foreign"), (trading.unknown, "of unknown orders"))
    return ", ".join([f"{count(trading.own)} own", *(f"{count(number)} {whose}" for number, whose in others if number)])


def _inventory(report: Report) -> str:
    held, equity = report.inventory, report.equity
    quote, base, zone = report.identity.quote_asset, report.identity.base_asset, report.zone
    rows: list[Sequence[str]] = [
        ("Position", quantity(held.end), f"{base}, from {quantity(held.start)}"),
        ("Mean |position|", quantity(held.mean_absolute), f"{base} over time, signed {quantity(held.mean_position)}"),
        ("Longest, shortest", f"{quantity(held.longest)}, {quantity(held.shortest)}", base),
        ("Long, short, flat", f"{percent(held.long_share)}, {percent(held.short_share)}, {percent(held.flat_share)}", "of the time"),
        ("Notional, mean and max", f"{fixed(held.mean_notional, 2)}, {fixed(held.max_notional, 2)}", quote),
        ("Equity", fixed(equity.end, 2), f"{quote}, from {fixed(equity.start, 2)}; {fixed(equity.change, 4, True)} without transfers"),
    ]
    if equity.drawdown is not None:
        rows.append(
            (
                "Max drawdown",
                fixed(equity.drawdown.amount, 4),
                f"{quote}, {zone.minute(equity.drawdown.from_ms)} to {zone.minute(equity.drawdown.to_ms)}",
            )
        )
    rows.append(("Sharpe ratio", fixed(equity.sharpe.value, 2), equity.sharpe.caveat))
    return _table(("", "", ""), rows, text={2})


def _round_trips(report: Report) -> str:
    trips, quote = report.round_trips, report.identity.quote_asset
    rows: list[Sequence[str]] = [
        ("Closed", count(trips.count), "flat to flat" + (", the first one open before" if trips.carried_in and trips.count else "")),
        ("Won", percent(trips.wins / trips.count if trips.count else None), f"{count(trips.wins)} won, {count(trips.losses)} lost"),
        ("Profit", fixed(trips.profit, 4, True), f"{quote}, fees taken off"),
        ("Mean profit", fixed(trips.mean_profit, 4, True), quote),
        ("Best, worst", f"{fixed(trips.best, 4, True)}, {fixed(trips.worst, 4, True)}", quote),
        ("Held, median", duration(trips.median_holding_ms), f"mean {duration(trips.mean_holding_ms)}"),
    ]
    if trips.open_position:
        since = "before the ledger" if trips.open_since_ms is None else report.zone.second(trips.open_since_ms)
        rows.append(("Open now", quantity(trips.open_position), f"{report.identity.base_asset}, since {since}"))
    return _table(("", "", ""), rows, text={2})


def _operation(report: Report) -> str:
    requests = report.requests
    rows: list[Sequence[str]] = [
        (kind, count(sum(outcomes.values())), ", ".join(f"{count(number)} {outcome}" for outcome, number in outcomes.items()))
        for kind, outcomes in requests.by_kind.items()
    ]
    rows.append(("All requests", count(requests.total), f"{fixed(requests.per_fill, 2)} per fill"))
    latencies = [
        (each.what.replace("_", " "), count(each.count), *map(microseconds, (each.p50_us, each.p90_us, each.p99_us, each.max_us)))
        for each in report.latencies
    ]
    tail = (
        _table(("At most", "count", "p50", "p90", "p99", "max"), latencies)
        if latencies
        else '<p class="remark">No durations on record.</p>'
    )
    return (
        _table(("", "", ""), rows, total="All requests", text={2})
        + '<div style="height:14px"></div>'
        + tail
        + '<p class="remark">By whole hours.</p>'
    )


def _uptime(report: Report) -> str:
    uptime, zone = report.uptime, report.zone
    parts = "".join(
        f'<i style="width:{state.share * 100:.3f}%;background:var(--{_STATE_INKS.get(state.state, "mid")})"></i>' for state in uptime.states
    )
    states = [(state.state, duration(state.total_ms), percent(state.share, 2)) for state in uptime.states]
    reasons = [(reason.reason, count(reason.count), duration(reason.total_ms)) for reason in uptime.pause_reasons]
    ends = [(zone.second(end.started_ms), duration(end.ended_ms - end.started_ms), end.cause, end.why) for end in uptime.ends[-20:]]
    found = f'<div class="bar" aria-hidden="true">{parts}</div>' + _table(("State", "time", "share"), states, dots=True)
    if reasons:
        found += '<div style="height:14px"></div>' + _table(("Reason to pause", "times", "in all"), reasons, wrap_first=True)
        found += '<p class="remark">Several reasons can stand at once, so their times do not add up to the time paused.</p>'
    if ends:
        shown = "" if len(uptime.ends) == len(ends) == uptime.runs else f", the last {len(ends)}"
        found += (
            f"<details{' open' if len(ends) < 6 else ''}><summary>{count(uptime.runs)} run{'s' if uptime.runs != 1 else ''}: {uptime.halts} halted, "
            f"{uptime.kills} killed{shown}</summary>" + _table(("Started", "for", "end", "why"), ends, text={2, 3}) + "</details>"
        )
    return found


def _slots(title: str, slots: Sequence[Slot]) -> str:
    if not slots:
        return ""
    shown = slots[-_SHOWN_SLOTS:]
    rows = [
        (
            slot.label,
            count(slot.fills),
            fixed(slot.volume, 2),
            fixed(slot.spread, 4, True),
            fixed(slot.realized, 4, True),
            fixed(slot.rebates - slot.fees, 4, True),
            fixed(slot.funding, 4, True),
            fixed(slot.net, 4, True),
        )
        for slot in reversed(shown)
    ]
    of = f", the last {len(shown)} of {count(len(slots))}" if len(shown) < len(slots) else ""
    table = _table(("", "fills", "volume", "spread", "realised", "fees, rebates", "funding", "net"), rows)
    return _panel(
        title,
        f"<details{' open' if len(rows) <= 31 else ''}><summary>{count(len(slots))} with entries{of}, newest first</summary>{table}</details>",
        wide=True,
    )


# --- markup ---------------------------------------------------------------------------------------------------------------------------


def _panel(title: str, content: str, wide: bool = False) -> str:
    return f'<section class="panel{" wide" if wide else ""}"><h3>{escape(title)}</h3>{content}</section>'


def _table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    total: str = "",
    text: frozenset[int] | set[int] = frozenset(),
    dots: bool = False,
    wrap_first: bool = False,
) -> str:
    """Escapes every cell. `text` are columns of words; the row called `total` is set apart; `dots` gives each row the colour of its
    state."""

    def cell(number: int, value: str) -> str:
        return f'<td class="text">{escape(value)}</td>' if number in text else f"<td>{escape(value)}</td>"

    lines = []
    for first, *others in rows:
        dot = f'<i class="dot" style="background:var(--{_STATE_INKS.get(first, "mid")})"></i>' if dots else ""
        kind = ' class="total"' if first == total else ""
        wrap = ' class="text"' if wrap_first else ""
        lines.append(
            f'<tr{kind}><th scope="row"{wrap}>{dot}{escape(first)}</th>{"".join(cell(number, value) for number, value in enumerate(others, 1))}</tr>'
        )
    titles = "".join(f'<th scope="col"{" class=text" if number in text else ""}>{escape(name)}</th>' for number, name in enumerate(head))
    facts = ' class="facts"' if text == {2} else ""
    above = f"<thead><tr>{titles}</tr></thead>" if any(head) else ""
    return f'<div class="scroll" tabindex="0"><table{facts}>{above}<tbody>{"".join(lines)}</tbody></table></div>'


def _assets(amounts: Mapping[str, Decimal]) -> str:
    if not amounts:
        return ""
    return ", ".join(f"{fixed(amount)} {asset}" for asset, amount in amounts.items())
