"""`mmd status --all [--json]`: every market of this host at a glance, those that run and those that have been run and do not.

A daemon is known by its control socket, one that does not run by its ledger. Exit codes: 0 all that are known run and are well, 1 one of them does not (or
there is none).
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from mmd.daemon.status.command import end_of_last_run
from mmd.daemon.status.control_client import INSTALLED, ask, control_directories
from mmd.daemon.status.text import WIDTH, amount, reasons_of, signed, span

_AT_ONCE = 16
_HEAD = ("market", "state", "for", "position", "net", "fills", "up")


class Market(NamedTuple):
    """One configuration of this host: the status of its daemon, or why there is none."""

    name: str
    status: Mapping[str, Any] | None
    why: str

    @property
    def is_well(self) -> bool:
        return self.status is not None and self.status["state"]["well"] is True


def show_all(environ: Mapping[str, str], *, as_json: bool, installed: Iterable[str] = INSTALLED) -> int:
    """Print a line a market, and what they have in common."""
    directories = control_directories(environ, installed)
    markets = markets_of(directories)
    if as_json:
        found = [{"config": market.name, "running": market.status is not None, "why": market.why or None, "status": market.status} for market in markets]
        print(json.dumps({"schema": 1, "markets": found}, indent=2))
    else:
        print("\n".join(line[:WIDTH].rstrip() for line in _lines(markets, directories)))
    return 0 if markets and all(market.is_well for market in markets) else 1


def markets_of(directories: Sequence[Path]) -> list[Market]:
    """All that leave a trace in these directories, by name; the daemons are asked side by side, so that a dead one delays no other."""
    sockets: dict[str, Path] = {}
    ledgers: dict[str, Path] = {}
    for directory in directories:
        with suppress(OSError):
            for path in sorted(directory.iterdir()):
                if path.suffix in (".sock", ".ledger"):
                    (sockets if path.suffix == ".sock" else ledgers).setdefault(path.stem, path)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        running = dict(zip(sockets, pool.map(_ask, sockets.values()), strict=True))
    return [running.get(name) or _stopped(name, ledgers[name]) for name in sorted({*sockets, *ledgers}) if running.get(name) or name in ledgers]


def _ask(path: Path) -> Market | None:
    """None where a daemon has died and left its socket."""
    try:
        return Market(path.stem, ask(path), "")
    except (ConnectionRefusedError, FileNotFoundError):
        return None
    except PermissionError:
        return Market(path.stem, None, f"{path} is another user's; ask as that user, or as root")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Market(path.stem, None, f"{path} does not answer: {error or type(error).__name__}")


def _stopped(name: str, ledger: Path) -> Market:
    return Market(name, None, end_of_last_run(ledger) or "has never run")


def _lines(markets: Sequence[Market], directories: Sequence[Path]) -> Iterable[str]:
    if not markets:
        yield "no market has left a trace in " + ", ".join(map(str, directories))
        return
    rows = [_row(market) for market in markets]
    widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(len(_HEAD))]
    for row, market in zip((_HEAD, *rows), (None, *markets), strict=True):
        yield "  ".join(text.ljust(width) if column < 2 else text.rjust(width) for column, (text, width) in enumerate(zip(row, widths, strict=True)))
        for reason in _reasons(market) if market is not None else ():
            yield f"    {reason}"
    yield ""
    yield from _common([market.status for market in markets if market.status is not None])


def _row(market: Market) -> tuple[str, ...]:
    status = market.status
    if status is None:
        return market.name, "down", "-", "-", "-", "-", "-"
    state, position, session = status["state"], status["position"], status["session"]
    where = "-" if position is None else "flat" if not Decimal(position["size"]) else f"{position['size']} {status['market']['base']}"
    net, fills = ("-", "-") if session is None else (signed(session["net"], 2), str(session["fills"]))
    mode = f" {state['mode']}" if state["mode"] else ""
    return market.name, f"{state['name']}{mode}", span(state["since_s"]), where, net, fills, span(status["daemon"]["uptime_s"])


def _reasons(market: Market) -> list[str]:
    return reasons_of(market.status) if market.status is not None else [market.why]


def _common(statuses: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """What the markets add up to, by quote asset, and what they share: the venue counts weight by address, so each has told of the same count."""
    net: dict[str, Decimal] = {}
    shared: dict[str, Mapping[str, Any]] = {}
    for status in statuses:
        if status["session"] is not None:
            quote = status["market"]["quote"]
            net[quote] = net.get(quote, Decimal(0)) + Decimal(status["session"]["net"])
        weight, venue = status["rates"]["weight"], status["daemon"]["venue"]
        if weight["used"] is not None and (venue not in shared or weight["seen_s"] < shared[venue]["seen_s"]):
            shared[venue] = weight
    yield f"running   {len(statuses)}" + "".join(f", net {'+' if total >= 0 else ''}{amount(str(total))} {quote}" for quote, total in sorted(net.items()))
    for venue, weight in sorted(shared.items()):
        yield f"weight    {weight['used']}/{weight['limit']} a minute, as {venue} last said"
