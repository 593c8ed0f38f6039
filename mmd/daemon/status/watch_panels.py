"""The status as a picture of a terminal's size (extra `watch`): everything where there is room, the essentials on 80x24."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mmd.daemon.status.text import (
    ORDER_HEADS,
    amount,
    clock_text,
    countdown_text,
    fees_text,
    order_cells,
    position_text,
    printable,
    rate_text,
    reasons_of,
    signed,
    span,
    state_line,
    stream_text,
)

_WIDE, _TALL = 120, 34
_FILLS_HEIGHT = 23  # all twenty, their heads and their frame
_STATE_STYLES = {"quote": "bold green", "pause": "bold yellow", "sync": "bold yellow", "boot": "bold yellow", "starting": "bold yellow", "waiting": "bold yellow"}
_LEVEL_STYLES = {"WARNING": "yellow", "ERROR": "bold red"}
_SIDE_STYLES = {"BUY": "blue", "SELL": "magenta"}  # told apart by every kind of eye, and the words stand beside them
_QUIET = "dim"

Status = Mapping[str, Any]


def screen(status: Status | None, gone: Sequence[str], width: int, height: int) -> RenderableType:
    """One picture. `gone` says why nobody answers, where nobody does; `status` is then the last one, if there ever was one."""
    head = _head(status, gone, width)
    rows = len(head)
    if status is None or status["market"] is None:
        return Group(*head)
    body = _large(status, height - rows) if width >= _WIDE and height >= _TALL else _small(status, height - rows)
    layout = Layout()
    layout.split_column(Layout(Group(*head), size=rows), Layout(body))
    return layout


def _head(status: Status | None, gone: Sequence[str], width: int) -> list[Text]:
    """The state, and every reason not to quote: one line each."""
    lines: list[Text] = []
    if status is not None:
        daemon = status["daemon"]
        style = "bold red" if gone else _STATE_STYLES.get(status["state"]["name"], "bold red")
        right = f"mmd {daemon['version']}  {daemon['config']}  pid {daemon['pid']}  up {span(daemon['uptime_s'])}"
        line = _line((f" {daemon['symbol']}  ", "bold"), ("NO ANSWER" if gone else state_line(status), style))
        room = width - line.cell_len - len(right) - 1
        lines.append(line.append(" " * room + right, _QUIET) if room > 1 else line)
        if not gone:
            lines += [_line((f" ! {reason}", "yellow")) for reason in reasons_of(status)]
    for number, text in enumerate(gone):
        lines.append(_line((f" {text}", "bold red" if number == 0 else "red")))
    if gone:
        lines.append(_line((" what is shown below is old; still asking" if status is not None else " still asking; q to quit", _QUIET)))
    for line in lines:
        line.truncate(width)
    return lines


def _small(status: Status, height: int) -> RenderableType:
    """One column; what does not fit falls off the end, so what matters most comes first."""
    market, quote = status["market"], status["market"]["quote"]
    facts = _facts([
        ("book", _line(f"{market['bid'] or '-'} / {market['ask'] or '-'}  spread {_bps(market['spread_bps'])}  {span(market['age_s'])} old")),
        ("position", _line(position_text(status))),
        ("profit", _profit(status)),
        ("fills", _line(f"{status['session']['fills']}, volume {amount(status['session']['volume'], 0)} {quote}, fees {fees_text(status['session']['fees'])}")),
        ("wallet", _line(_wallet(status))),
        ("rates", _line(f"weight {rate_text(status['rates']['weight'])}  orders {rate_text(status['rates']['orders'])}  own {rate_text(status['rates']['own_orders'])}")),
        *((name, _stream(stream)) for name, stream in status["streams"].items()),
        ("clock", _line(f"{clock_text(status)}  countdown {countdown_text(status)}")),
        ("threads", _threads(status)),
    ])
    left = height - facts.row_count - 3
    shown = min(max(1, len(status["orders"])), max(1, left - 5))
    left -= shown
    events = min(len(status["events"]), max(1, left // 2))
    return Group(facts, Text(), _orders(status["orders"][:shown]), Text(), _fills(status["fills"][: max(0, left - events)], heads=False), _events(status["events"][:events]))


def _large(status: Status, height: int) -> RenderableType:
    market, session = status["market"], status["session"]
    ladder = _ladder(status)
    top = max(ladder.row_count + 3, 15)
    money = _facts([
        ("position", _line(position_text(status))),
        ("profit", _profit(status)),
        ("fees", _line(fees_text(session["fees"]))),
        ("fills", _line(f"{session['fills']}, volume {amount(session['volume'], 0)} {market['quote']}")),
        ("wallet", _line(_wallet(status))),
        ("waiting", _line(status["state"]["waiting"] or "-")),
        ("others", _line(f"{status['foreign_orders']} open orders that are not ours")),
        ("session", _line(status["daemon"]["session"] or "-")),
        ("venue", _line(status["daemon"]["venue"])),
    ])
    plumbing = _facts([
        ("weight", _rate(status["rates"]["weight"])),
        ("orders", _rate(status["rates"]["orders"])),
        ("own", _rate(status["rates"]["own_orders"])),
        *((name, _stream(stream)) for name, stream in status["streams"].items()),
        ("clock", _line(clock_text(status))),
        ("countdown", _line(countdown_text(status))),
        ("main", _line(f"stepped {span(status['state']['heartbeat_age_s'])} ago")),
        ("threads", _threads(status)),
        ("", Text(", ".join(thread["name"] for thread in status["threads"]), _QUIET)),
    ])
    rest = max(6, height - top)
    events = min(len(status["events"]) or 1, max(3, rest - _FILLS_HEIGHT - 2)) + 2
    layout = Layout()
    layout.split_column(Layout(name="top", size=top), Layout(name="middle"), Layout(name="bottom", size=events))
    layout["top"].split_row(
        Layout(Panel(ladder, title=f"book, {span(market['age_s'])} old", border_style=_QUIET), size=48),
        Layout(Panel(money, title="money", border_style=_QUIET)),
        Layout(Panel(plumbing, title="rates, streams, threads", border_style=_QUIET)),
    )
    layout["middle"].split_row(
        Layout(Panel(_orders(status["orders"]), title=f"orders ({len(status['orders'])})", border_style=_QUIET)),
        Layout(Panel(_fills(status["fills"], heads=True), title="last fills", border_style=_QUIET)),
    )
    notices = status["notices"]
    title = f"warnings ({notices['WARNING']}) and errors ({notices['ERROR']})"
    layout["bottom"].update(Panel(_events(status["events"]), title=title, border_style=_QUIET))
    return layout


def _ladder(status: Status) -> Table:
    """The visible levels and our orders beyond them: ours, ahead, price, size."""
    table = Table(box=None, expand=True, header_style=_QUIET, padding=(0, 1))
    for head in ("ours", "ahead", "price", "size"):
        table.add_column(head, justify="right", no_wrap=True)
    market = status["market"]
    for side, levels in (("SELL", market["asks"]), ("BUY", market["bids"])):
        rows = {level["price"]: (level["own"], "", level["size"]) for level in levels}
        for order in status["orders"]:
            if order["side"] == side:
                own, _, size = rows.get(order["price"], ("0", "", ""))
                left = Decimal(order["size"]) - Decimal(order["executed"])
                rows[order["price"]] = (own if size else str(Decimal(own) + left), order["ahead"] or "?", size)
        if side == "BUY":
            table.add_row("", "", _line((f"mid {market['mid'] or '-'}", _QUIET)), _line((_bps(market["spread_bps"]), _QUIET)))
        for price in sorted(rows, key=Decimal, reverse=True):
            own, ahead, size = rows[price]
            is_ours = bool(Decimal(own))
            style = f"bold reverse {_SIDE_STYLES[side]}" if is_ours else _SIDE_STYLES[side]
            table.add_row(f"> {own}" if is_ours else "", ahead if is_ours else "", price, size, style=style)
    return table


def _orders(orders: Iterable[Status]) -> RenderableType:
    table = _table(ORDER_HEADS, left=(0, 7))
    for order in orders:
        cells: list[RenderableType] = list(order_cells(order))
        table.add_row(_line((order["side"], _SIDE_STYLES[order["side"]])), *cells[1:])
    return table if table.row_count else Text("no working orders", _QUIET)


def _fills(fills: Iterable[Status], *, heads: bool) -> RenderableType:
    table = _table(("time", "side", "size", "price", "profit", "fee", ""), left=(0, 1, 6), heads_shown=heads)
    for fill in fills:
        kind = ("maker" if fill["maker"] else "taker") + ("" if fill["own"] else ", not ours")
        side = _line((fill["side"], _SIDE_STYLES[fill["side"]]))
        table.add_row(fill["time"][11:19], side, fill["size"], fill["price"], signed(fill["profit"]), f"{amount(fill['fee'], 4)} {fill['fee_asset']}", kind)
    return table if table.row_count else Text("no fills yet", _QUIET)


def _events(events: Iterable[Status]) -> RenderableType:
    lines = [_line(f"{event['time'][11:19]}  ", (f"{event['level']:<7}  {event['event']}", _LEVEL_STYLES.get(event["level"], "")), f"  {event['text']}") for event in events]
    return Group(*lines) if lines else Text("no warnings", _QUIET)


def _table(heads: Sequence[str], left: Sequence[int], *, heads_shown: bool = True) -> Table:
    table = Table(box=None, header_style=_QUIET, padding=(0, 2, 0, 0), show_header=heads_shown)
    for number, head in enumerate(heads):
        table.add_column(head, justify="left" if number in left else "right", no_wrap=True, overflow="crop")
    return table


def _facts(rows: Iterable[tuple[str, Text]]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(style=_QUIET, no_wrap=True, min_width=10)
    table.add_column()
    for name, text in rows:
        table.add_row(name, text)
    return table


def _profit(status: Status) -> Text:
    session = status["session"]
    style = "green" if Decimal(session["net"]) >= 0 else "red"
    return _line("net ", (f"{signed(session['net'])} {status['market']['quote']}", style), f" = realized {signed(session['realized'])}, open {signed(session['unrealized'])}, less fees")


def _wallet(status: Status) -> str:
    balances = status["balances"]
    assets = ", ".join(f"{amount(value)} {asset}" for asset, value in balances["assets"].items())
    return f"{amount(balances['total'])} {status['market']['quote']}" + (f" ({assets})" if len(balances["assets"]) > 1 else "")


def _rate(rate: Status | None) -> Text:
    """A bar of twenty, and the figures."""
    used, limit = (rate["used"], rate["limit"]) if rate is not None else (None, None)
    share = min(1.0, used / limit) if used is not None and limit else 0.0
    full = round(share * 20)
    return _line(("#" * full, "red" if share > 0.8 else "green"), ("." * (20 - full), _QUIET), f"  {rate_text(rate)} a minute")


def _stream(stream: Status) -> Text:
    return _line((stream_text(stream), "" if stream["up_s"] is not None else "bold red"))


def _threads(status: Status) -> Text:
    dead = [thread["name"] for thread in status["threads"] if not thread["alive"]]
    return _line((f"DEAD: {', '.join(dead)}", "bold red")) if dead else _line(f"all {len(status['threads'])} alive")


def _bps(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}bps"


def _line(*parts: str | tuple[str, str]) -> Text:
    """One line that is cut where it is too long. What the venue said is text here, never markup, and moves no cursor."""
    text = Text(no_wrap=True, overflow="crop")
    for part in parts:
        if isinstance(part, str):
            text.append(printable(part))
        else:
            text.append(printable(part[0]), part[1])
    return text
