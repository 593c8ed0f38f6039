"""The reporters: one line of prices and one of balances, each at its own interval, from the published view."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from mmd.core.messages import Level, Notice
from mmd.daemon.published import Published, View
from mmd.venue.at_work import AtWork, unwatched


class Reporter:
    """Logs `line(view)` every `interval_ms` until stopped."""

    def __init__(
        self, published: Published, line: Callable[[View], Notice | None], interval_ms: int, log: Callable[[Notice], None]
    ) -> None:
        self._published = published
        self._line = line
        self._interval_s = interval_ms / 1000
        self._log = log
        self._stopped = threading.Event()

    def run(self, at_work: AtWork = unwatched) -> None:
        while not self._stopped.wait(self._interval_s):
            at_work(True)
            self.report()
            at_work(False)

    def report(self) -> None:
        """Log one line, where there is something to say yet."""
        view = self._published.get()
        notice = self._line(view) if view is not None else None
        if notice is not None:
            self._log(notice)

    def stop(self) -> None:
        self._stopped.set()


def price_line(view: View) -> Notice | None:
    """Best prices, and where our orders stand."""
    if view.best_bid is None or view.best_ask is None or view.mid is None:
        return None
    price, size = view.rules.price, view.rules.size
    spread_bps = (view.best_ask - view.best_bid) / view.mid * 10_000
    fields: dict[str, object] = {
        "bid": view.best_bid,
        "ask": view.best_ask,
        "mid": view.mid,
        "spread_bps": f"{spread_bps:.2f}",
        "book_age_ms": view.book_age_ms,
        "state": view.state,
        "mode": view.mode,
        "orders": ",".join(
            f"{order.side.value}:{size.text(order.size_lots)}@{price.text(order.price_ticks)}" for order in view.orders
        ) or "none",
    }
    return Notice(Level.INFO, "prices", fields)


def balance_line(view: View) -> Notice:
    """Wallet balances, the position and what this run has made of it."""
    fields: dict[str, object] = {asset: plain(amount) for asset, amount in sorted(view.balances.items()) if amount}
    fields |= {
        "total": plain(view.balance),
        "position": view.position,
        "entry": plain(view.entry_price),
        "unrealized": f"{view.unrealized_profit:.4f}",
        "realized": plain(view.realized_profit),
        "fees": fees_text(view.commission),
        "fills": view.fills,
        "volume": plain(view.filled_notional),
    }
    return Notice(Level.INFO, "balances", fields)


def fees_text(commission: Mapping[str, object]) -> str:
    """Fees paid by asset, as `0.12USDT,0.01USDF`."""
    return ",".join(f"{plain(amount)}{asset}" for asset, amount in sorted(commission.items())) or "0"


def plain(amount: object) -> str:
    """A decimal without exponent and without idle zeros at its end."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
