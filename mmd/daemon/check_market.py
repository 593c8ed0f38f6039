"""The last part of a check: both streams, and the very quotes that would be sent now."""

from __future__ import annotations

import random
from collections.abc import Iterator

from mmd.core.book import Book
from mmd.core.messages import Depth, Notice, Stream, StreamDown, StreamUp
from mmd.core.quoting import MarketView, PingPong, Quote
from mmd.daemon.finding import Check, Finding, fail, ok, warn
from mmd.daemon.inbox import Inbox
from mmd.daemon.logs.logbook import conceal
from mmd.daemon.reporters import plain
from mmd.daemon.workers import Worker
from mmd.venue.clock import monotonic_ms
from mmd.venue.market_stream import MarketStream
from mmd.venue.user_stream import UserStream

_WAIT_S = 5.0


def market_findings(check: Check) -> Iterator[Finding]:
    """The streams are opened as the daemon opens them, and closed again; the listen key is left to the account."""
    rules = check.rules
    assert rules is not None
    inbox, book, troubles = Inbox(), Book(), list[str]()
    generator = random.Random()

    def notice(said: Notice) -> None:
        troubles.append(f"{said.event} {said.fields.get('reason', '')}")

    market = MarketStream(check.venue.ws_url, rules, inbox.put, inbox.put_depth, notice, generator)
    user = UserStream(check.venue.ws_url, check.venue.client(), rules, inbox.put, notice, generator, learned_key=lambda key: conceal([key]))
    workers = [Worker(name, stream.run, stream.stop, lambda *died: None) for name, stream in (("market-stream", market), ("user-stream", user))]
    for worker in workers:
        worker.start()
    try:
        user_up = _watch(inbox, book)
    finally:
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.join(1.0)
    way_out = f"look at the network and at {check.venue.ws_url}" + (f" ({troubles[-1]})" if troubles else "")
    if user_up:
        yield ok("user stream", "connected with a listen key")
    else:
        yield fail("user stream", f"not connected in {_WAIT_S:.0f} s", way_out)
    if not book.is_known:
        yield fail("market stream", f"no book in {_WAIT_S:.0f} s", way_out)
        return
    yield ok("market stream", f"bid={rules.price.text(book.best_bid)} ask={rules.price.text(book.best_ask)}")
    if check.truth is not None and rules.is_trading:
        yield from _quotes(check, book)


def _watch(inbox: Inbox, book: Book) -> bool:
    """Wait for a good book and the user stream, for a few seconds at the most; True where the user stream is up."""
    user_up, until_ms = False, monotonic_ms() + int(_WAIT_S * 1000)
    while (left_ms := until_ms - monotonic_ms()) > 0 and not (user_up and book.is_known):
        event = inbox.get(left_ms / 1000)
        if isinstance(event, Depth):
            book.apply(event)
        elif isinstance(event, (StreamUp, StreamDown)) and event.stream is Stream.USER:
            user_up = isinstance(event, StreamUp)
    return user_up


def _quotes(check: Check, book: Book) -> Iterator[Finding]:
    rules, truth, settings = check.rules, check.truth, check.config.engine
    assert rules is not None and truth is not None
    view = MarketView(
        mid=book.mid,
        best_bid=book.best_bid,
        best_ask=book.best_ask,
        position_lots=truth.position.amount_lots,
        entry_price=truth.position.entry_price,
        opening_lots=0,
        elsewhere_lots=0,
        balance=check.balance,
    )
    wanted = PingPong(rules, settings.strategy, settings.risk)(view)
    if wanted.waiting is not None:
        yield warn("quote", f"none: {wanted.waiting}", "the daemon would wait until this changes")
    for quote in wanted.quotes:
        yield ok("quote", _quote_text(check, quote))


def _quote_text(check: Check, quote: Quote) -> str:
    rules = check.rules
    assert rules is not None
    notional = rules.notional(quote.price_ticks, quote.size_lots)
    leverage = check.config.account.leverage or (check.settings.leverage if check.settings is not None else 1)
    margin = "no margin, reduce-only" if quote.reduce_only else f"margin={notional / leverage:.2f} at leverage {leverage}"
    size, price = rules.size.text(quote.size_lots), rules.price.text(quote.price_ticks)
    return f"would send {quote.side.value} {size} at {price}, notional={plain(notional)} {rules.quote_asset}, {margin}"
