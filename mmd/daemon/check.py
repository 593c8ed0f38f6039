"""`mmd -c FILE check`: everything that must be right before the first order, a line each, and the quotes that would be sent. It sends none."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from decimal import Decimal

from mmd.core.book import Book
from mmd.core.errors import MmdError
from mmd.core.messages import Depth, Reconcile, Reconciled
from mmd.core.quoting import MarketView, PingPong
from mmd.core.rules import SymbolRules
from mmd.daemon.config import Config
from mmd.daemon.connections import Venue
from mmd.daemon.inbox import Inbox
from mmd.daemon.startup import Prepared, prepare
from mmd.daemon.workers import Worker
from mmd.venue.clock import monotonic_ms
from mmd.venue.gateway import Gateway
from mmd.venue.market_stream import MarketStream

_BOOK_WAIT_S = 5.0


def run_check(config: Config, venue: Venue, credentials_source: str) -> bool:
    """Print the findings to standard output; False where one of them forbids to start."""
    good = True
    findings = _findings(config, venue, credentials_source)
    while True:
        try:
            verdict, subject, text = next(findings)
        except StopIteration:
            return good
        except MmdError as error:
            verdict, subject, text = "fail", "venue", str(error)
        good = good and verdict != "fail"
        print(f"{verdict:<5} {subject:<12} {text}", flush=True)


def _findings(config: Config, venue: Venue, credentials_source: str) -> Iterator[tuple[str, str, str]]:
    """(ok, warn or fail; subject; text), each as soon as it is known. Raises MmdError for what ends the check."""
    yield "ok", "config", f"{config.path} symbol={config.symbol} venue={config.exchange.venue} auth={config.exchange.auth}"
    yield "ok", "credentials", f"from {credentials_source}"
    rest = venue.client()
    prepared = prepare(config, venue, rest, lambda notice: None, change=False)
    rules = prepared.rules
    uncertainty_ms = venue.clock.uncertainty_ms(monotonic_ms())
    yield "ok", "clock", f"the venue's time is known to {uncertainty_ms} ms"
    yield "ok", "permissions", "the key reads the account; one-way position mode"
    yield "ok", "rules", _rules_text(rules)
    yield "ok", "account", _account_text(config, prepared)
    reply = Gateway(rest, rules).perform(Reconcile(None))
    truth = reply.outcome
    if not isinstance(truth, Reconciled):
        yield "fail", "account", f"open orders, position and balances cannot be read: {truth}"
        return
    yield from _standing(config, rules, truth)
    book = _first_book(venue, rules)
    if book is None:
        yield "fail", "stream", f"no book in {_BOOK_WAIT_S:.0f} s from {venue.ws_url}"
        return
    yield "ok", "stream", f"bid={rules.price.text(book.best_bid)} ask={rules.price.text(book.best_ask)}"
    yield from _first_quotes(config, rules, truth, book)


def _rules_text(rules: SymbolRules) -> str:
    return (
        f"{rules.symbol} {rules.status} tick={rules.price.step} step={rules.size.step} min_notional={rules.min_notional} "
        f"orders_per_minute={rules.orders_per_minute}"
    )


def _account_text(config: Config, prepared: Prepared) -> str:
    return f"leverage={prepared.leverage} margin={prepared.margin_type} (as the start would set them)"


def _standing(config: Config, rules: SymbolRules, truth: Reconciled) -> Iterator[tuple[str, str, str]]:
    assets = config.engine.strategy.margin_assets
    total = _total(truth.balances, assets)
    text = " ".join(f"{asset}={truth.balances.get(asset, Decimal(0)):f}" for asset in assets)
    yield ("ok" if total > 0 else "fail"), "balance", f"{text} total={total:f}"
    position = truth.position
    held = f"{rules.size.text(position.amount_lots)} {rules.base_asset}"
    yield ("warn" if position.amount_lots else "ok"), "position", f"{held} entry={position.entry_price}" if position.amount_lots else "flat"
    prefix = f"{config.engine.orders.client_id_prefix}-"
    own = sum(order.client_order_id.startswith(prefix) for order in truth.open_orders)
    foreign = len(truth.open_orders) - own
    fate = "the start cancels them too" if config.engine.orders.cancel_scope_symbol else "they are left alone"
    yield ("warn" if foreign else "ok"), "open orders", f"own={own} foreign={foreign}" + (f", {fate}" if foreign else "")


def _first_quotes(config: Config, rules: SymbolRules, truth: Reconciled, book: Book) -> Iterator[tuple[str, str, str]]:
    view = MarketView(
        mid=book.mid,
        best_bid=book.best_bid,
        best_ask=book.best_ask,
        position_lots=truth.position.amount_lots,
        entry_price=truth.position.entry_price,
        opening_lots=0,
        elsewhere_lots=0,
        balance=_total(truth.balances, config.engine.strategy.margin_assets),
    )
    wanted = PingPong(rules, config.engine.strategy, config.engine.risk)(view)
    if wanted.waiting is not None:
        yield "warn", "quote", f"none: {wanted.waiting}"
    for quote in wanted.quotes:
        notional = rules.notional(quote.price_ticks, quote.size_lots)
        terms = " reduce_only" if quote.reduce_only else ""
        size, price = rules.size.text(quote.size_lots), rules.price.text(quote.price_ticks)
        yield "ok", "quote", f"would send {quote.side.value} {size} at {price}{terms} notional={notional.normalize():f} {rules.quote_asset}"


def _total(balances: Mapping[str, Decimal], assets: tuple[str, ...]) -> Decimal:
    return sum((balances.get(asset, Decimal(0)) for asset in assets), Decimal(0))


def _first_book(venue: Venue, rules: SymbolRules) -> Book | None:
    """The first good depth frame from the market stream, or None where none comes in time."""
    inbox, book = Inbox(), Book()
    stream = MarketStream(venue.ws_url, rules, inbox.put, inbox.put_depth, lambda notice: None, random.Random())
    worker = Worker("market-stream", stream.run, stream.stop, lambda name, error: None)
    worker.start()
    try:
        until_ms = monotonic_ms() + int(_BOOK_WAIT_S * 1000)
        while (left_ms := until_ms - monotonic_ms()) > 0:
            event = inbox.get(left_ms / 1000)
            if isinstance(event, Depth) and book.apply(event) is None:
                return book
        return None
    finally:
        worker.stop()
        worker.join(1.0)
