"""The status in words, for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

WIDTH = 80
_EVENTS = 3
_FILLS = 3


def status_text(status: Mapping[str, Any]) -> str:
    """Compact and aligned, what matters most first; no line is longer than 80 characters."""
    return "\n".join(_clip(line) for line in _lines(status))


def printable(text: str) -> str:
    """What others have said (a venue's refusal, an error) moves no cursor, colours nothing and stays on its line."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)


def span(seconds: float | None) -> str:
    """A length of time, in the unit that suits it."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 120:
        return f"{seconds:.0f}s"
    if seconds < 7200:
        return f"{seconds / 60:.0f}m"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f}h"
    return f"{seconds / 86_400:.1f}d"


def signed(text: str | None, digits: int = 4) -> str:
    """An amount of money with its sign, rounded to be read."""
    return "-" if text is None else f"{Decimal(text):+.{digits}f}"


def amount(text: str | None, digits: int = 2) -> str:
    """An amount of money, rounded to be read."""
    return "-" if text is None else f"{Decimal(text):,.{digits}f}"


def state_line(status: Mapping[str, Any]) -> str:
    """The state and since when."""
    state = status["state"]
    parts = [state["name"].upper()]
    if state["since_s"] is not None:
        parts.append(f"for {span(state['since_s'])}")
    if state["mode"] is not None:
        parts.append(f"mode {state['mode']}")
    return "  ".join(parts)


def reasons_of(status: Mapping[str, Any]) -> list[str]:
    """Everything that keeps it from quoting, in plain words."""
    state = status["state"]
    found = [printable(each["reason"]) + (f" (for {span(each['since_s'])})" if each["since_s"] is not None else "") for each in state["reasons"]]
    if state["waiting"] is not None:
        found.append(printable(f"waiting: {state['waiting']}"))
    if state["heartbeat_age_s"] is not None and state["heartbeat_age_s"] > 10:
        found.insert(0, f"the main thread has not moved for {span(state['heartbeat_age_s'])}")
    return found


def position_text(status: Mapping[str, Any]) -> str:
    position, market = status["position"], status["market"]
    if not Decimal(position["size"]):
        return "flat"
    text = f"{position['size']} {market['base']} at {position['entry_price']}"
    if position["notional"] is not None:
        text += f" = {amount(position['notional'])} {market['quote']}"
    return text + (f", break-even {position['break_even']}" if position["break_even"] is not None else "")


def fees_text(fees: Mapping[str, str]) -> str:
    return ", ".join(f"{amount(value, 4)} {asset}" for asset, value in fees.items()) or "0"


def stream_text(stream: Mapping[str, Any]) -> str:
    if stream["up_s"] is None:
        return f"DOWN (connected {stream['connects']} times)"
    return f"up {span(stream['up_s'])}, heard {span(stream['heard_s'])} ago" + (f", {stream['connects']} connects" if stream["connects"] > 1 else "")


def rate_text(rate: Mapping[str, Any] | None) -> str:
    return f"{_known(rate['used'])}/{_known(rate['limit'])}" if rate is not None else "-"


def countdown_text(status: Mapping[str, Any]) -> str:
    armed_s = status["countdown"]["armed_s"]
    return "not armed" if armed_s is None else f"armed, {span(armed_s)} left"


def clock_text(status: Mapping[str, Any]) -> str:
    clock = status["clock"]
    return "not known" if clock["offset_ms"] is None else f"{clock['offset_ms']:+d} ms, +-{clock['uncertainty_ms']} ms"


def order_cells(order: Mapping[str, Any]) -> list[str]:
    """side, price, size, filled, ahead, from mid, age, state."""
    distance = "-" if order["distance_bps"] is None else f"{order['distance_bps']:.1f}bps"
    state = order["state"] + (" reduce" if order["reduce_only"] else "")
    return [order["side"], order["price"], order["size"], order["executed"], order["ahead"] or "?", distance, span(order["age_s"]), state]


ORDER_HEADS = ("side", "price", "size", "filled", "ahead", "from mid", "age", "state")


def _lines(status: Mapping[str, Any]) -> Iterator[str]:
    daemon, market, session = status["daemon"], status["market"], status["session"]
    yield f"{daemon['symbol']}  {state_line(status)}  up {span(daemon['uptime_s'])}"
    for reason in reasons_of(status):
        yield f"  ! {reason}"
    yield _row("daemon", f"mmd {daemon['version']}, {daemon['config']}, pid {daemon['pid']}, at {daemon['venue']}")
    if market is not None:
        spread = "-" if market["spread_bps"] is None else f"{market['spread_bps']:.2f} bps"
        yield _row("book", f"{market['bid'] or '-'} / {market['ask'] or '-'}, spread {spread}, {span(market['age_s'])} old")
        yield _row("position", position_text(status))
        yield _row("profit", f"net {signed(session['net'])} {market['quote']} = realized {signed(session['realized'])}, open {signed(session['unrealized'])}")
        yield _row("fees", f"{fees_text(session['fees'])}; {session['fills']} fills, volume {amount(session['volume'], 0)} {market['quote']}")
        assets = status["balances"]["assets"]
        wallets = ", ".join(f"{amount(value)} {asset}" for asset, value in assets.items())
        yield _row("wallet", f"{amount(status['balances']['total'])} {market['quote']}" + (f" ({wallets})" if len(assets) > 1 else ""))
    rates = status["rates"]
    silence = f", SILENT for {span(rates['silent_s'])}" if rates["silent_s"] else ""
    yield _row("rates", f"weight {rate_text(rates['weight'])}, orders {rate_text(rates['orders'])}, own {rate_text(rates['own_orders'])} a minute{silence}")
    for name, stream in status["streams"].items():
        yield _row(name, stream_text(stream))
    yield _row("clock", f"{clock_text(status)}; countdown {countdown_text(status)}")
    dead = [thread["name"] for thread in status["threads"] if not thread["alive"]]
    yield _row("threads", f"DEAD: {', '.join(dead)}" if dead else f"all {len(status['threads'])} alive")
    yield ""
    yield from _table(ORDER_HEADS, [order_cells(order) for order in status["orders"]], "no working orders")
    for fill in status["fills"][:_FILLS]:
        yield f"{fill['time'][11:19]}  fill  {fill['side']:<4} {fill['size']} at {fill['price']}, profit {signed(fill['profit'])}, fee {fill['fee']} {fill['fee_asset']}"
    for event in status["events"][:_EVENTS]:
        yield f"{event['time'][11:19]}  {event['level']}  {event['event']}  {event['text']}"


def _row(name: str, text: str) -> str:
    return f"{name:<9} {text}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], none: str) -> Iterator[str]:
    if not rows:
        yield none
        return
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    for row in (heads, *rows):
        # Words to the left, numbers to the right.
        cells = [text.ljust(width) if column in (0, len(heads) - 1) else text.rjust(width) for column, (text, width) in enumerate(zip(row, widths, strict=True))]
        yield "  ".join(cells).rstrip()


def _known(value: Any) -> str:
    return "-" if value is None else str(value)


def _clip(line: str) -> str:
    line = printable(line)
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."
