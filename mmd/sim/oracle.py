"""The judge of a simulated run: FAULTS' invariants, checked against the exchange's own journal while the run goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

from mmd.core.messages import Action, Amend, Event, Finished, Place, Refusal, Reply
from mmd.core.rules import SymbolRules
from mmd.core.settings import EngineSettings
from mmd.core.units import Side
from mmd.sim.books import differences
from mmd.sim.own_view import OwnView, VenueTruth
from mmd.sim.process import EXIT_CLEAN, EXIT_FAILED, KILLED, STARTS_ANEW, Process
from mmd.sim.venue_side import VenueSide
from mmd.sim.virtual_time import Timeline
from mmd.venue.endpoints import Call
from mmd.venue.signing import Params

INVARIANTS: dict[int, str] = {
    0: "nothing is raised",
    1: "after a clean exit there is no live own order",
    2: "after a kill there is no live own order once the countdown has run out",
    3: "while an own order is live the countdown is armed",
    4: "per side and level at most one order that may be live",
    5: "at most one POST per client id",
    6: "no POST on a side that holds an unknown",
    7: "the venue's position stays within the limit",
    8: "local and venue position agree at rest",
    9: "the trade ids booked are the venue's, once each",
    10: "cash, fees and funding agree to the last digit",
    11: "no POST while the book, the user stream or the clock is unhealthy",
    12: "no POST before start-up reconciliation",
    13: "no price or size breaks a filter",
    14: "no post-only order takes",
    15: "request rates stay within budget; silence during a ban",
    17: "foreign orders are untouched",
    18: "no terminal order reopens; executed quantity never falls",
    19: "nothing is posted after what has to halt it",
    21: "no secret in any byte written",
    22: "the exit comes in time, with the code of its cause",
    24: "once the faults end, it quotes again within a bound",
    25: "every ERROR line names what is done about it",
    26: "the same seed gives the same trace",
}

# How far the exposure may exceed the limit beyond `size_change_threshold`, which lets a working order stand that is a little too large.
_LIMIT_SLACK = Decimal("1.01")
# In fair weather for so long, a flattening has no excuse.
_FAIR_MS = 60_000
# Refusals that a filter of the symbol gives (V1 "Error Codes").
_FILTER_CODES = frozenset({-1111, -4001, -4002, -4003, -4004, -4005, -4013, -4014, -4023, -4164})
_PRICE_BAND_CODES = frozenset({-4016, -4024})
# What others trade so shortly before the end comes after the last reading.
_AT_REST_MS = 3_000
# A ban ends at a time of the venue's clock, which the process knows within half a round trip.
_SILENCE_SLACK_MS = 200
# How many refusals may tell a process of a changed filter before it has read the rules, and how long afterwards a request that was on its way may arrive.
# The wait doubles from a second on with each refusal, so that a slot is refused six times in the half minute after which the rules are asked for again.
_FILTER_REFUSALS_A_SLOT = 6
_FILTER_GRACE_MS = 5_500


class Violation(NamedTuple):
    """An invariant that did not hold, when (ms since the run's start), and how it showed."""

    invariant: int
    at_ms: int
    text: str

    def __str__(self) -> str:
        return f"invariant {self.invariant} ({INVARIANTS[self.invariant]}) at {self.at_ms / 1000:.3f} s: {self.text}"


@dataclass
class _Live:
    """One live order as the journal tells it."""

    client_order_id: str
    side: Side
    price_ticks: int
    rest_lots: int
    replayed: bool
    stray: bool
    since_ms: int


class Oracle:
    """Watches every process and the exchange. `violations` in the order in which they showed.

    An order that came to be because something on the way sent its POST again is nobody's fault: it is held against no invariant while it lives, but
    the daemon has to find it, so that nothing is live after a clean exit. So is a stray, whose POST was on its way when its process was killed: where
    the next one is started before that POST can no longer be accepted, it finds out as late as the exchange does.
    """

    def __init__(
        self, timeline: Timeline, venue: VenueSide, settings: EngineSettings, api_secret: str, silent_until_ms: Callable[[], int],
        deaf_since_ms: Callable[[], int | None],
    ) -> None:
        """`settings` are what every process is started with. `silent_until_ms` and `deaf_since_ms` say until when the venue has asked for silence, and since when the user stream carries nothing."""
        self.violations: list[Violation] = []
        self.filters_changed_ms: int | None = None  # when a fault last changed filters or status
        self.price_is_wild = False  # frames were forged with prices far from the market
        self.last_fault_ms = 0
        self.foreign_lots = 0  # what foreign and replayed orders' fills may have added to the exposure
        self._silent_until_ms = silent_until_ms
        self._deaf_since_ms = deaf_since_ms
        self._timeline = timeline
        self._venue = venue
        self._settings = settings
        self._prefix = f"{settings.orders.client_id_prefix}-"
        self._most_money = Decimal(0)  # that the wallets ever held
        self._secret = api_secret
        self._start_ms = timeline.now_ms
        self._read = 0
        self._rules_read_ms = 0
        self._foreign_trade_ms = 0
        self._transfer_ms = 0  # when money last came or went without a trade
        self._halted: tuple[str, str] | None = None  # session and reason of a halt that nobody has cleared
        self._closing: set[str] = set()  # client ids of market orders that flatten
        self._filter_refusals = self._told_refusals = 0
        self._live: dict[int, _Live] = {}
        self._posted: set[str] = set()
        self._last_posted: list[str] = []
        self._replays_ms: dict[str, int] = {}  # client ids that something on the way sends again, and from when on
        self._taken: set[str] = set()  # client ids that the exchange has made an order of
        self._views: dict[str, OwnView] = {}
        self._left: dict[str, tuple[int, int]] = {}  # session: invariant, and from when none of its orders may be live
        self._fell_ms: dict[str, int] = {}  # session: when it ended in no clean way

    def break_(self, invariant: int, text: str) -> None:
        self.violations.append(Violation(invariant, self._timeline.now_ms - self._start_ms, text))

    def replayed(self, after_ms: int) -> None:
        """The request that has just been sent arrives a second time, `after_ms` after the first."""
        self._replays_ms.update(dict.fromkeys(self._last_posted, self._timeline.now_ms + after_ms))

    def resumed(self) -> None:
        """The operator has cleared the halt."""
        self._halted = None

    def live_own(self, session: str | None = None) -> list[str]:
        """Client ids of own live orders, by the exchange's word; of one session, if it is given."""
        prefix = self._prefix if session is None else f"{self._prefix}{session}-"
        return [order.client_order_id for order in self._live.values() if order.client_order_id.startswith(prefix)]

    # --- the exchange

    def look(self) -> None:
        """Read what is new in the exchange's journal, and check what must hold after it."""
        journal = self._venue.exchange.journal
        if len(journal) == self._read:
            return
        for entry in islice(journal, self._read, None):
            self._take(entry.kind, entry.details, entry.at_ms)
        self._read = len(journal)
        own = [order for order in self._live.values() if order.client_order_id.startswith(self._prefix) and not order.replayed]
        if own and self._venue.account.countdown_at_ms is None:
            self.break_(3, f"{own[0].client_order_id} is live and no countdown is armed")
        own = [order for order in own if not order.stray]
        for side in Side:
            ids = [order.client_order_id for order in own if order.side is side]
            if len(ids) > self._settings.strategy.levels:
                self.break_(4, f"{' and '.join(ids)} are live on the {side.value} side")
        self._check_exposure(own)

    def _take(self, kind: str, details: dict[str, Any], at_ms: int) -> None:
        client_order_id = details.get("client_order_id", "")
        own = client_order_id.startswith(self._prefix)
        if kind == "new":
            replayed = own and (client_order_id in self._taken or at_ms >= self._replays_ms.get(client_order_id, at_ms + 1))
            stray = own and at_ms > self._fell_ms.get(self._session(client_order_id), at_ms)
            self._live[details["order_id"]] = _Live(
                client_order_id, Side(details["side"]), details["price_ticks"], details["lots"], replayed, stray, at_ms
            )
            self._taken.add(client_order_id)
            if own and not replayed:
                self._check_late(client_order_id, at_ms)
        elif kind == "amended":
            live = self._live[details["order_id"]]
            live.price_ticks = details["price_ticks"]
            order = self._venue.account.orders[details["order_id"]]
            live.rest_lots = order.remaining_lots
        elif kind == "trade":
            self._traded(details, own)
        elif kind in ("deposit", "funding"):
            self._transfer_ms = at_ms
        elif kind in ("canceled", "expired"):
            self._live.pop(details["order_id"], None)
            excused = ("countdown", "cancel all") if self._settings.orders.cancel_scope_symbol else ("countdown",)
            if not own and kind == "canceled" and details["why"] not in excused and not self._venue.others_act:
                self.break_(17, f"{client_order_id} was cancelled: {details['why']}")
        elif kind == "refused" and details["request"] in ("place", "amend") and not self._venue.others_act:
            self._check_filters(details, at_ms)

    def _traded(self, details: dict[str, Any], own: bool) -> None:
        live = self._live.get(details["order_id"])
        if live is not None:
            live.rest_lots -= details["lots"]
            if details["status"] == "FILLED":
                del self._live[details["order_id"]]
        if own and not details["maker"] and self._settings.orders.post_only and details["client_order_id"] not in self._closing:
            self.break_(14, f"{details['client_order_id']} took {details['lots']} lots")
        if not own or (live is not None and (live.replayed or live.stray)):
            self.foreign_lots += details["lots"]
            self._foreign_trade_ms = self._timeline.now_ms

    def _check_late(self, client_order_id: str, at_ms: int) -> None:
        session = self._session(client_order_id)
        if session in self._left and at_ms > self._left[session][1]:
            self.break_(self._left[session][0], f"{client_order_id} of a run that has ended came to life")

    def _session(self, client_order_id: str) -> str:
        return client_order_id[len(self._prefix):].partition("-")[0]

    def _check_filters(self, details: dict[str, Any], at_ms: int) -> None:
        if details["code"] in _FILTER_CODES:
            changed_ms = self.filters_changed_ms
            if changed_ms is None or (self._rules_read_ms > changed_ms and at_ms > self._rules_read_ms + _FILTER_GRACE_MS):
                self.break_(13, f"{details['request']} refused: {details['code']} {details['msg']}")
            self._filter_refusals += 1
        if details["code"] in _PRICE_BAND_CODES and not self.price_is_wild:
            self.break_(13, f"{details['request']} refused: {details['code']} {details['msg']}")

    def _count_refusal(self, reply: Reply) -> None:
        """Only what the exchange has refused and the process was told of: an answer may have been lost on its way, or forged there."""
        if isinstance(reply.request, (Place, Amend)) and isinstance(reply.outcome, Refusal) and reply.outcome.code in _FILTER_CODES:
            self._told_refusals += 1
            refusals = min(self._told_refusals, self._filter_refusals)
            if refusals > _FILTER_REFUSALS_A_SLOT * self._settings.strategy.levels:
                self.break_(13, f"{refusals} orders refused since the filters changed")

    def _check_exposure(self, own: list[_Live]) -> None:
        """Position at cost, and all that may still fill on the opening side at its own price."""
        symbol, opening_side = self._venue.exchange.symbol, self._settings.strategy.opening_side
        self._most_money = max(self._most_money, sum(self._venue.account.wallets.values(), Decimal(0)))
        limit = self._most_money * self._settings.strategy.balance_fraction
        if self._settings.risk.max_position_notional is not None:
            limit = min(limit, self._settings.risk.max_position_notional)
        position = next((p for p in self._venue.account.open_positions()), None)
        exposure = Decimal(0)
        if position is not None:
            signed = position.lots * opening_side.sign
            exposure = position.cost if signed > 0 else Decimal(0)
            if signed < 0 and -signed > self.foreign_lots:
                self.break_(7, f"the position is {position.lots} lots, on the wrong side")
        opening = [order for order in own if order.side is opening_side]
        exposure += sum((symbol.notional(order.price_ticks, order.rest_lots) for order in opening), Decimal(0))
        allowed = limit * (_LIMIT_SLACK + self._settings.orders.size_change_threshold) + symbol.lot_grid.decimal(self.foreign_lots) * self._venue.exchange.market.mark_price * 2
        if exposure > allowed:
            self.break_(7, f"position and open orders are worth {exposure:.2f}, the limit is {allowed:.2f}")

    # --- processes

    def sent(self, process: Process, call: Call, params: Params) -> None:
        left_ms = self._silent_until_ms() - self._timeline.now_ms
        if left_ms > _SILENCE_SLACK_MS:
            self.break_(15, f"{call.name} was sent {left_ms} ms before the venue's silence ended")
        if call is Call.CANCEL_ALL and not self._settings.orders.cancel_scope_symbol:
            self.break_(17, "all of the symbol's orders were cancelled")
        posts = _posted(call, dict(params))
        self._last_posted = [values["newClientOrderId"] for values in posts]
        for values in posts:
            if values["newClientOrderId"] in self._posted:
                self.break_(5, f"{values['newClientOrderId']} was posted again")
            self._posted.add(values["newClientOrderId"])
            if values["type"] == "MARKET":
                self._check_closing(process, values)
            if values["side"] != self._settings.strategy.opening_side.value and values.get("reduceOnly") != "true":
                self.break_(7, f"{values['newClientOrderId']} closes without being reduce-only")
            live = [
                order.client_order_id for order in self._live.values()
                if order.side.value == values["side"] and order.client_order_id.startswith(self._prefix) and not order.replayed and not order.stray
            ]
            if len(live) >= self._settings.strategy.levels:
                self.break_(4, f"{values['newClientOrderId']} was posted while {live[0]} is live")

    def _check_closing(self, process: Process, values: dict[str, str]) -> None:
        self._closing.add(values["newClientOrderId"])
        if not self._settings.risk.flatten_on_halt or self._halted is None or self._halted[0] != process.session:
            self.break_(14, f"{values['newClientOrderId']} goes out to take")
        if values.get("reduceOnly") != "true":
            self.break_(7, f"{values['newClientOrderId']} closes without being reduce-only")

    def stepped(self, process: Process, event: Event, actions: Sequence[Action]) -> None:
        now_ms = self._timeline.now_ms
        if process.session not in self._views or (isinstance(event, Reply) and isinstance(event.outcome, SymbolRules)):
            self._rules_read_ms, self._filter_refusals, self._told_refusals = now_ms, 0, 0
        elif isinstance(event, Reply):
            self._count_refusal(event)
        listen_key = self._venue.listen_keys.current(self._venue.account.api_key, now_ms)
        truth = VenueTruth(now_ms, self._secret, listen_key, self._deaf_since_ms())
        view = self._view(process)
        for invariant, text in view.step(event, actions, truth):
            self.break_(invariant, text)
        if self._halted is None and view.halted:
            self._halted = process.session, view.halted
        if self._halted is not None and self._halted[0] != process.session and any(isinstance(action, Place) for action in actions):
            self.break_(19, f"{process.session} trades although {self._halted[0]} was halted by {self._halted[1]}, and nobody has cleared it")

    def exited(self, process: Process, code: int, finished: Finished | None) -> None:
        session, now_ms = process.session, self._timeline.now_ms
        if finished is not None and self._view(process).halted and code not in (EXIT_FAILED, KILLED):
            self.break_(22, f"exit code {code} after {self._view(process).halted}")
        self._check_flattened(process)
        if code in (EXIT_CLEAN, STARTS_ANEW):
            if process.engine is not None:  # before that it has read nothing, and leaves what an earlier run left to its countdown
                read_ms = process.clock.true_ms(self._view(process).last_read_ms)
                for order in self._live.values():
                    late = (order.replayed or order.stray) and order.since_ms >= read_ms
                    if order.client_order_id.startswith(self._prefix) and not late:
                        self.break_(1, f"{order.client_order_id} is live after a clean exit")
            if process.engine is not None and self._settings.orders.cancel_scope_symbol:
                for order in self._live.values():
                    if order.since_ms < now_ms - _AT_REST_MS:
                        self.break_(17, f"{order.client_order_id} is left on the symbol, which is to be ours alone")
            self._left[session] = (1, now_ms)
            if process.engine is not None and now_ms - self._foreign_trade_ms > _AT_REST_MS:
                # What came or went after the last reading, while the process still waited for an answer, nobody could tell it.
                wallets_known = self._transfer_ms < process.clock.true_ms(self._view(process).last_read_ms)
                for invariant, text in differences(process.engine, self._view(process), self._venue, wallets_known):
                    self.break_(invariant, text)
        elif finished is not None or code == KILLED:
            # A renewal of the countdown may still be on its way.
            wait_ms = process.settings.risk.countdown_ms + process.settings.timing.acceptance_window_ms + 100
            self._left[session] = (2, now_ms + wait_ms)
            self._fell_ms[session] = now_ms
            self._timeline.after(wait_ms, lambda: self._check_left(session))

    def _check_flattened(self, process: Process) -> None:
        """After a halt that is to close the position."""
        now_ms = self._timeline.now_ms
        positions = self._venue.account.open_positions()
        if process.flattened and positions and now_ms - self._foreign_trade_ms > _AT_REST_MS:
            self.break_(8, f"the position was found flat, and the exchange holds {positions[0].lots} lots")
        if process.flattened is False and process.exit_code != KILLED and now_ms - self.last_fault_ms > _FAIR_MS:
            self.break_(8, "the position could not be closed in fair weather")

    def _check_left(self, session: str) -> None:
        self.look()
        own = self.live_own(session)
        countdown_ms, now_ms = self._venue.account.countdown_at_ms, self._timeline.now_ms
        if own and countdown_ms is not None and self._silent_until_ms() > now_ms:
            # The next run has renewed the countdown, and then had to be silent.
            self._timeline.at(countdown_ms + 100, lambda: self._check_left(session))
        elif own and countdown_ms is not None and self._later_fall_ms(session) > now_ms:
            # The next run has renewed the countdown as well, and was killed before it could know of the order.
            self._timeline.at(self._later_fall_ms(session), lambda: self._check_left(session))
        elif own:
            self.break_(2, f"{own[0]} is still live")

    def _later_fall_ms(self, session: str) -> int:
        """From when on nothing may be live of a run that ended, in no clean way either, after `session` had; 0 where there is none."""
        later = [other for other, fell_ms in self._fell_ms.items() if fell_ms > self._fell_ms[session]]
        return max((self._left[other][1] for other in later), default=0)

    def _view(self, process: Process) -> OwnView:
        view = self._views.get(process.session)
        if view is None:
            view = self._views[process.session] = OwnView(process, self._prefix)
        return view


def _posted(call: Call, params: dict[str, str]) -> list[dict[str, str]]:
    """The new orders that a request holds."""
    if call is Call.PLACE_BATCH:
        return list(json.loads(params["batchOrders"]))
    return [params] if call is Call.PLACE else []
