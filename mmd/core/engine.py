"""The engine: one pure machine, `step(event, now_ms) -> actions`.

Live, paper, backtest and simulation run this same machine. It has no clock (time comes in), no I/O (requests go out as values, replies come in
as events) and no log (what an operator should read goes out as `Notice`). The main thread alone calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmd.core.book import Book
from mmd.core.client_ids import ClientIds
from mmd.core.desk import Desk
from mmd.core.health import Health
from mmd.core.lifecycle import Signal, State, next_state
from mmd.core.messages import (
    AccountConfigUpdate,
    AccountUpdate,
    Action,
    Amend,
    ArmCountdown,
    Cancel,
    Cause,
    CheckClock,
    ClockReading,
    CountdownArmed,
    Depth,
    Event,
    Fill,
    Finished,
    FrameRefused,
    Level,
    MarginCall,
    MarkPrice,
    Notice,
    OrderUpdate,
    Place,
    Query,
    RateUsed,
    ReadRules,
    Reconcile,
    Refusal,
    Reply,
    RestartStream,
    Stop,
    Stream,
    StreamDown,
    StreamUp,
    Tick,
    why,
)
from mmd.core.position import Account
from mmd.core.quoting import MarketView, PingPong, QuoteModel, Wanted
from mmd.core.records import FillRecord, Record, StateRecord
from mmd.core.risk import RiskGuard
from mmd.core.rules import SymbolRules
from mmd.core.rules_watch import RULES_CODES, RulesWatch
from mmd.core.settings import EngineSettings
from mmd.core.truth import Truth

# V1 "Error Codes": -2014 BAD_API_KEY_FMT, -2015 REJECTED_MBX_KEY, -1022 INVALID_SIGNATURE. Trying again cannot help (FAULTS R7).
_CREDENTIAL_CODES = frozenset({-2014, -2015, -1022})
# After these nothing is sent for as long as the venue says, or for this long where it does not (FAULTS R1).
_TOO_MANY_STATUS = {429: 60_000, 418: 120_000}
# A book this many times as old as is tolerated makes the market stream be connected anew.
_STALE_TIMES = 5
# V1 "Error Codes": -4061 "Order's position side does not match user's setting". The daemon sends none, so the account is in hedge mode.
_HEDGE_MODE_CODE = -4061
# Without credentials little can be done at the end, so the end comes soon.
_WITHOUT_CREDENTIALS_MS = 3_000
# A worse cause takes over from a milder one while it ends.
_SEVERITY = (Cause.RULES, Cause.STOP, Cause.FAILURE, Cause.CREDENTIALS, Cause.HALT)
_CLOCK_CODES = frozenset({-1021})  # INVALID_TIMESTAMP
# The position or the balance is not what we think: -2018 BALANCE_NOT_SUFFICIENT, -2019 MARGIN_NOT_SUFFICIEN, -2022 REDUCE_ONLY_REJECT.
_ACCOUNT_CODES = frozenset({-2018, -2019, -2022})


class Engine:
    """One market. `session` must be unique to the run (it goes into the client order ids). `records` is what the last step left for the record."""

    def __init__(self, rules: SymbolRules, settings: EngineSettings, session: str, quote_model: QuoteModel | None = None) -> None:
        self.rules = rules
        self.settings = settings
        self.state = State.BOOT
        self.reasons: tuple[str, ...] = ()
        self.wanted: Wanted | None = None
        self.book = Book(settings.timing.stale_book_ms, settings.risk.max_mark_deviation)
        self.account = Account(rules)
        self.records: list[Record] = []
        self._recorded: StateRecord | None = None
        ids = ClientIds(settings.orders.client_id_prefix, session)
        self.risk = RiskGuard(rules, settings, self._emit)
        self.desk = Desk(rules, settings, ids, self._emit, self.risk.refusal, self._record)
        self.health = Health(settings, self.book, self.desk.budget, self.risk.breaker)
        self._quotes = quote_model or PingPong(rules, settings.strategy, settings.risk)
        self.truth = Truth(rules, settings, self.account, self.desk, self._book, self._emit)
        self._rules_watch = RulesWatch(rules, self._emit)
        self._out: list[Action] = []
        self._stop_cause = Cause.STOP
        self._stop_reason = ""
        self._stop_by_ms = 0
        self._waiting: str | None = None
        self._stepped_ms: int | None = None
        self._handlers: dict[type, Callable[[Any, int], None]] = {
            Depth: self._on_depth,
            MarkPrice: self._on_mark_price,
            ClockReading: self._on_clock_reading,
            RateUsed: self._on_rate_used,
            FrameRefused: self._on_frame_refused,
            OrderUpdate: self._on_order_update,
            AccountUpdate: self._on_account_update,
            AccountConfigUpdate: self._on_account_config,
            MarginCall: self._on_margin_call,
            StreamUp: self._on_stream_up,
            StreamDown: self._on_stream_down,
            Tick: lambda event, now_ms: None,
            Stop: self._on_stop,
            Reply: self._on_reply,
        }

    def step(self, event: Event, now_ms: int) -> list[Action]:
        """Take in one event at monotonic time `now_ms`, and say what is to be done, in order."""
        self.records = []
        self._notice_gap(now_ms)
        self._handlers[type(event)](event, now_ms)
        self._review(now_ms)
        self._record_state()
        out, self._out = self._out, []
        return out

    def deadline_ms(self, now_ms: int) -> int:
        """When to step with a `Tick` at the latest, should no event come before."""
        if self.state is State.STOPPED:
            return now_ms + self.settings.orders.refresh_interval_ms
        due = [self.health.deadline_ms(now_ms)]
        if not self.desk.budget.is_silent(now_ms):
            desk_due = self.desk.deadline_ms()
            due += [desk_due] if desk_due is not None else []
            due += [self.truth.due_ms] if self._truth_is_needed() else []
        due += [self._stop_by_ms] if self.state is State.STOP else []
        return max(min(due), now_ms)

    @property
    def position_lots(self) -> int:
        """Signed lots, what is executed but not yet booked included."""
        return self.account.position.amount_lots + self.desk.unbooked_lots

    @property
    def halt_reason(self) -> str | None:
        """Why this run halts or has halted; None where it does not. It has to be latched at once, for the end may be cut short."""
        return self._stop_reason if self._stop_cause is Cause.HALT else None

    def _notice_gap(self, now_ms: int) -> None:
        """The process, or the whole machine, stood still: what was believed before is old (FAULTS P7)."""
        if self._stepped_ms is not None:
            gap_ms = now_ms - self._stepped_ms - self.settings.orders.refresh_interval_ms
            if gap_ms >= self.settings.timing.gap_ms and self.state is not State.STOPPED:
                self._emit(Notice(Level.WARNING, "time_gap", {"gap_ms": gap_ms, "does": "reads the account anew"}))
                self._emit(CheckClock("a gap in time"))
                self.truth.doubt(now_ms)
        self._stepped_ms = now_ms

    # --- events -----------------------------------------------------------------------------------------------------------------------

    def _on_depth(self, depth: Depth, now_ms: int) -> None:
        self.health.last_refused_frame = self.book.apply(depth) or ""

    def _on_mark_price(self, event: MarkPrice, now_ms: int) -> None:
        self.book.hear_mark(event.price / self.rules.price.step, now_ms)

    def _on_clock_reading(self, event: ClockReading, now_ms: int) -> None:
        self.health.clock_uncertainty_ms = event.uncertainty_ms

    def _on_rate_used(self, event: RateUsed, now_ms: int) -> None:
        """Others at this address, or on this account, spend of the same limits: with the last of them nothing is quoted, only cancelled and asked."""
        fraction = self.settings.risk.order_rate_fraction
        if (event.weight or 0) >= fraction * self.rules.weight_per_minute or (event.orders or 0) >= fraction * self.rules.orders_per_minute:
            self.desk.budget.hold_back(event.until_ms)

    def _on_frame_refused(self, event: FrameRefused, now_ms: int) -> None:
        self.health.last_refused_frame = event.reason

    def _on_order_update(self, event: OrderUpdate, now_ms: int) -> None:
        report = event.report
        if self.desk.is_own(report.client_order_id):
            self.desk.hear(report, now_ms, echoed=True, fill=event.fill)
        if event.fill is not None:
            self._book(event.fill, now_ms)
        if event.forced:
            self._emit(Notice(Level.ERROR, "liquidated", {"order": report.client_order_id, "does": "stops"}))
            self._stop("the venue liquidated the position", Cause.HALT, now_ms)

    def _on_account_update(self, event: AccountUpdate, now_ms: int) -> None:
        self.account.hear_balances(event.balances, event.transaction_time_ms or event.event_time_ms, now_ms)
        if event.position is not None:
            self.account.hear_position(event.position, now_ms)

    def _on_account_config(self, event: AccountConfigUpdate, now_ms: int) -> None:
        changed = {name: value for name, value in vars(event).items() if value is not None}
        self._emit(Notice(Level.ERROR, "account_changed", {**changed, "does": "stops"}))
        self._stop("the account's mode was changed while running", Cause.HALT, now_ms)

    def _on_margin_call(self, event: MarginCall, now_ms: int) -> None:
        fields = {"maintenance_margin": event.maintenance_margin, "unrealized_profit": event.unrealized_profit}
        self._emit(Notice(Level.ERROR, "margin_call", {**fields, "does": "goes on; add margin or reduce the position"}))

    def _on_stream_up(self, event: StreamUp, now_ms: int) -> None:
        if event.stream is Stream.MARKET:
            self.book.forget()
        else:
            self.truth.doubt(now_ms)
        self.health.stream_up(event.stream)
        self._emit(Notice(Level.INFO, "stream_up", {"stream": event.stream.value}))

    def _on_stream_down(self, event: StreamDown, now_ms: int) -> None:
        self.health.stream_down(event.stream, event.reason)
        if event.stream is Stream.USER:
            self.account.stream_lost()
            self.desk.forgive_echoes()
            self.truth.doubt(now_ms)
        self._emit(Notice(Level.WARNING, "stream_down", {"stream": event.stream.value, "why": event.reason}))

    def _on_stop(self, event: Stop, now_ms: int) -> None:
        self._stop(event.reason, event.cause, now_ms)

    def _on_reply(self, reply: Reply, now_ms: int) -> None:
        outcome = reply.outcome
        if isinstance(outcome, Refusal):
            self._on_refusal(outcome, now_ms)
        if isinstance(reply.request, (Place, Amend, Cancel, Query)):
            self.desk.answer(reply, now_ms)
            if isinstance(outcome, Refusal) and outcome.code in _ACCOUNT_CODES:
                self.truth.doubt(now_ms)
        elif isinstance(reply.request, Reconcile):
            self.truth.answer(reply, now_ms)
            if self.truth.synced and self.state is State.STOP:
                self._finish_or_wait(now_ms)
        elif isinstance(reply.request, ReadRules):
            if self._rules_watch.answer(outcome, now_ms):
                self._stop("the symbol's rules changed", Cause.RULES, now_ms)
        elif isinstance(reply.request, ArmCountdown):
            if isinstance(outcome, CountdownArmed):
                self.health.countdown_armed(outcome.countdown_ms, reply.sent_ms)
            else:
                self.health.countdown_failed(now_ms)
                self._emit(Notice(Level.WARNING, "countdown_failed", {"why": why(outcome)}))
        elif outcome is not None:
            self._emit(Notice(Level.WARNING, "cancel_all_failed", {"why": why(outcome)}))

    def _on_refusal(self, refusal: Refusal, now_ms: int) -> None:
        silence = _TOO_MANY_STATUS.get(refusal.status)
        if silence is not None:
            wait = refusal.retry_after_ms or silence
            self.desk.budget.be_silent(now_ms + wait)
            self._emit(Notice(Level.ERROR, "rate_limited", {"status": refusal.status, "silent_ms": wait, "does": "sends nothing"}))
        if refusal.code in _CLOCK_CODES:
            self._emit(CheckClock(refusal.message))
        if refusal.code in RULES_CODES and self.state is not State.STOP:
            self._rules_watch.doubt(f"{refusal.code} {refusal.message}", now_ms)
        if refusal.code in _CREDENTIAL_CODES:
            self._emit(Notice(Level.ERROR, "credentials_refused", {"code": refusal.code, "message": refusal.message, "does": "stops"}))
            self._stop("the venue refused the credentials", Cause.CREDENTIALS, now_ms)
        if refusal.code == _HEDGE_MODE_CODE and self.state is not State.STOPPED and self._stop_cause is not Cause.HALT:
            # The event that told so was missed (FAULTS A3).
            self._emit(Notice(Level.ERROR, "account_changed", {"dual_side_position": True, "does": "stops"}))
            self._stop("the account was switched to hedge mode", Cause.HALT, now_ms)

    def _book(self, fill: Fill, now_ms: int) -> None:
        """Book a trade of the account, ours or not, exactly once."""
        if not self.account.book(fill, now_ms):
            return
        self.risk.fill(fill, now_ms)
        order = self.desk.find(fill.client_order_id, fill.order_id)
        if order is not None:
            self.desk.book(order, fill)
        client_order_id = order.client_order_id if order is not None else fill.client_order_id
        mid = self.book.best_bid + self.book.best_ask if self.book.is_known else None
        self._record(FillRecord(fill, client_order_id, order is not None, self.account.position.amount_lots, mid))
        price, size = self.rules.price, self.rules.size
        fields = {
            "side": fill.side.value,
            "price": price.text(fill.price_ticks),
            "size": size.text(fill.size_lots),
            "position": size.text(self.account.position.amount_lots),
            "profit": fill.realized_profit,
            "fee": fill.commission,
            "fee_asset": fill.commission_asset,
            "maker": fill.maker,
            "trade": fill.trade_id,
            "order": client_order_id or fill.order_id,
        }
        self._emit(Notice(Level.FILL, "fill" if order is not None else "foreign_fill", fields))

    # --- review: after every event ----------------------------------------------------------------------------------------------------

    def _review(self, now_ms: int) -> None:
        """Draw the consequences: health, state, the account's truth, quotes, the end."""
        if self.state is State.STOPPED:
            return
        self._check_stream_and_position(now_ms)
        breach = self.risk.breach(self.account, self.book.mid if self.book.is_known else None, now_ms) if self.truth.started else None
        if breach is not None and self.state is not State.STOP:
            self._emit(Notice(Level.ERROR, "halt", {"why": breach, "does": "stops"}))
            self._stop(breach, Cause.HALT, now_ms)
        if self.state is not State.STOP:
            self.health.rules_are_unread = self._rules_watch.unread
            self.reasons = self.health.reasons(now_ms)
            self._signal(self._verdict(now_ms))
        if not self.desk.budget.is_silent(now_ms):
            self._keep_countdown(now_ms)
            self._seek_truth(now_ms)
            if self.state is not State.STOP:
                self._rules_watch.insist(now_ms)
            self.desk.chase(now_ms)
            self.desk.work(self._want().quotes if self.state is State.QUOTE else (), now_ms)
        self.desk.sweep()
        if self.state is State.STOP and now_ms >= self._stop_by_ms:
            self._finish(None, now_ms)

    def _verdict(self, now_ms: int) -> Signal:
        """The account is put in order as soon as it can be listened to, whatever the market does: leftovers of a killed run must not wait for it."""
        if not self.health.is_up(Stream.USER) or self.desk.budget.is_silent(now_ms):
            return Signal.TROUBLE
        if not self.truth.synced:
            return Signal.READY
        return Signal.TROUBLE if self.reasons else Signal.SYNCED

    def _check_stream_and_position(self, now_ms: int) -> None:
        silent = self.desk.overdue_echo(now_ms)
        if silent is not None:
            reason = f"order {silent.client_order_id} was not echoed in {self.settings.timing.echo_ms} ms"
            self._on_stream_down(StreamDown(Stream.USER, reason), now_ms)
            self._emit(RestartStream(Stream.USER, reason))
        age_ms = self.health.book_age_ms(now_ms) if self.state is State.PAUSE and self.health.is_up(Stream.MARKET) else None
        if age_ms is not None and age_ms > _STALE_TIMES * self.settings.timing.stale_book_ms:
            # Frames may well come and be refused, one and all, because of what came before on this connection.
            reason = f"no good frame in {age_ms} ms"
            self._on_stream_down(StreamDown(Stream.MARKET, reason), now_ms)
            self._emit(RestartStream(Stream.MARKET, reason))
        if not self.truth.synced:
            return
        differs = self.account.differs_since_ms
        if differs is not None and now_ms - differs >= self.settings.timing.mismatch_ms:
            self._emit(Notice(Level.WARNING, "position_differs", {"does": "reads the account anew"}))
            self.truth.doubt(now_ms)
        late = self.desk.overdue_fill(now_ms)
        if late is not None:
            self._emit(Notice(Level.WARNING, "fill_missing", {"order": late.client_order_id, "does": "reads the account anew"}))
            self.truth.doubt(now_ms)

    def _signal(self, signal: Signal) -> None:
        before, self.state = self.state, next_state(self.state, signal)
        if self.state is before:
            return
        fields: dict[str, object] = {"from": before.value}
        if self.state is State.PAUSE:
            fields["reasons"] = "; ".join(self.reasons)
            fields["does"] = "pulls the quotes" if before is State.QUOTE else "waits"
        elif self.state is State.QUOTE:
            self.wanted = self._waiting = None
            fields |= {"position": self.rules.size.text(self.position_lots), "balance": self._balance()}
        self._emit(Notice(Level.WARNING if before is State.QUOTE and self.state is State.PAUSE else Level.INFO, self.state.value, fields))

    def _keep_countdown(self, now_ms: int) -> None:
        """Renew the venue's countdown for as long as an order may be live, and before the first (FAULTS P2)."""
        countdown_ms = self.settings.risk.countdown_ms
        # A countdown that an earlier run has left armed must run out while this one can do nothing about that run's orders.
        self.health.countdown_wanted = self.state is not State.BOOT
        if self.health.countdown_wanted and countdown_ms and now_ms >= self.health.countdown_due_ms:
            self.health.countdown_sent(now_ms)
            self._emit(ArmCountdown(countdown_ms))

    def _seek_truth(self, now_ms: int) -> None:
        """Ask for the account's truth where it is needed: to get in step, and to verify at the end that no order is open."""
        if self._truth_is_needed() and now_ms >= self.truth.due_ms:
            self.truth.ask()

    def _truth_is_needed(self) -> bool:
        return self.state in (State.SYNC, State.STOP) and self.truth.is_needed(once_all_is_done=self.state is State.STOP)

    def _want(self) -> Wanted:
        """The wanted quotes; says so when the mode changes, and once for each reason to wait."""
        opening = self.settings.strategy.opening_side
        view = MarketView(
            mid=self.book.mid,
            best_bid=self.book.best_bid,
            best_ask=self.book.best_ask,
            position_lots=self.position_lots,
            entry_price=self.account.position.entry_price,
            opening_lots=self.desk.resting_lots(opening),
            elsewhere_lots=self.desk.elsewhere_lots(opening),
            balance=self.account.balance(self.settings.strategy.margin_assets),
        )
        wanted = self._quotes(view)
        if self.wanted is None or wanted.mode is not self.wanted.mode:
            position = self.rules.size.text(view.position_lots)
            self._emit(Notice(Level.INFO, "mode", {"mode": wanted.mode.value, "position": position, "entry": f"{view.entry_price.normalize():f}"}))
        if wanted.waiting is not None and self._waiting is None:
            self._emit(Notice(Level.WARNING, "waiting", {"why": wanted.waiting}))
        self.wanted, self._waiting = wanted, wanted.waiting
        return wanted

    # --- the end ----------------------------------------------------------------------------------------------------------------------

    def _stop(self, reason: str, cause: Cause, now_ms: int) -> None:
        """Begin the end: from now on nothing is placed, and everything is cancelled until the venue says that nothing is open.

        While it ends a worse cause still takes over. Without credentials little can be done, and that little soon.
        """
        milder = _SEVERITY.index(cause) <= _SEVERITY.index(self._stop_cause)
        if self.state is State.STOPPED or (self.state is State.STOP and milder):
            return
        by_ms = now_ms + (_WITHOUT_CREDENTIALS_MS if cause is Cause.CREDENTIALS else self.settings.timing.stop_deadline_ms)
        self._stop_by_ms = by_ms if self.state is not State.STOP else min(by_ms, self._stop_by_ms)
        self.state = next_state(self.state, Signal.STOP)
        self._stop_reason, self._stop_cause = reason, cause
        self.truth.doubt(now_ms)
        self._emit(Notice(Level.INFO, "stopping", {"why": reason}))

    def _finish_or_wait(self, now_ms: int) -> None:
        """Nothing is open any more. A position that no trade explains has its trade in a list that is behind: it is read again, for a while."""
        in_order = self._stop_cause in (Cause.STOP, Cause.RULES)
        if in_order and self.account.unexplained_lots and now_ms < self._stop_by_ms - 2 * self.settings.timing.stop_deadline_ms // 3:
            self.truth.doubt(now_ms, self.settings.timing.reconcile_retry_ms)
        else:
            self._finish(0, now_ms)

    def _finish(self, open_orders: int | None, now_ms: int) -> None:
        """The end. The countdown is disarmed only where the venue has said that nothing is open; on any doubt it stays."""
        self.state = next_state(self.state, Signal.FINISHED)
        if open_orders == 0 and self.settings.risk.countdown_ms and not self.desk.budget.is_silent(now_ms):
            self._emit(ArmCountdown(0))
        self._emit(Finished(open_orders, self._stop_reason, self._stop_cause))

    def _balance(self) -> str:
        return f"{self.account.balance(self.settings.strategy.margin_assets):f}"

    def _emit(self, action: Action) -> None:
        self._out.append(action)

    def _record(self, record: Record) -> None:
        self.records.append(record)

    def _record_state(self) -> None:
        """Leave the state for the record where it has changed; of a reason only what it is, for its details change all the time."""
        if self.state is State.STOP:
            reasons: tuple[str, ...] = (self._stop_reason,)
        else:
            reasons = tuple(reason.partition(":")[0] for reason in self.reasons) if self.state is not State.STOPPED else ()
        record = StateRecord(self.state.value, reasons, self.wanted.mode.value if self.wanted is not None else None)
        if record != self._recorded:
            self._recorded = record
            self.records.append(record)
