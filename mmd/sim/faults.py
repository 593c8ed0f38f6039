"""What can go wrong, as values: one `Fault` each, and the schedule of a run, drawn from a seed (FAULTS)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from random import Random

from mmd.core.settings import EngineSettings, FillLimits, OrderSettings, RiskSettings, StrategySettings, TimingSettings
from mmd.core.units import Side
from mmd.venue.endpoints import Call


class Kind(str, Enum):
    # Requests: the next one of the fault's call (CALL_BROKEN, CALL_SLOW: all of them for a while).
    REFUSED_CONNECTION = "connection refused"
    REQUEST_LOST = "request lost"
    REPLY_LOST = "reply lost"
    RESET_BEFORE = "reset before effect"
    RESET_AFTER = "reset after effect"
    REQUEST_LATE = "request late"
    REPLY_LATE = "reply late"
    REQUEST_TWICE = "request twice"
    BODY_CUT = "body cut short"
    ERROR_BEFORE = "error without effect"
    ERROR_AFTER = "error after effect"
    RATE_LIMITED = "429"
    BANNED = "418"
    REPLY_EARLY = "cancel answered before it is done"
    TRADES_BEHIND = "list of trades behind"
    CALL_SLOW = "slow for a while"
    CALL_BROKEN = "errors for a while"
    # The streams.
    USER_CUT = "user stream cut"
    USER_STALL = "user stream stalls"
    USER_LATE = "user events late"
    USER_SHUFFLE = "user events reordered"
    USER_TWICE = "user events doubled"
    USER_GAP = "user events lost"
    USER_REFUSED = "user stream refused"
    KEY_EXPIRED = "listen key expired"
    MARKET_CUT = "market stream cut"
    MARKET_STALL = "market stream stalls"
    MARKET_REFUSED = "market stream refused"
    FRAME_CROSSED = "crossed frame"
    FRAME_EMPTY = "empty frame"
    FRAME_FAR = "far frame"
    FRAME_GARBAGE = "garbage frame"
    FRAME_OLD = "old frame"
    FRAME_ORDER = "disordered frame"
    MARK_ZERO = "mark price of zero"
    # The exchange and the account.
    HALTED = "symbol halted"
    FILTERS = "filters changed"
    LEVERAGE = "leverage changed"
    MARGIN_TYPE = "margin type changed"
    HEDGE_MODE = "hedge mode switched on"
    LIQUIDATION = "liquidation"
    WITHDRAWAL = "withdrawal"
    FOREIGN_ORDER = "foreign order"
    FOREIGN_FILL = "foreign fill"
    VENUE_RESTART = "venue restart"
    MAINTENANCE = "maintenance"
    # The process and its machine.
    KILL = "SIGKILL"
    TERM = "SIGTERM"
    WALL_JUMP = "wall clock jump"
    SUSPEND = "suspend"
    DRIFT = "clock drift"


REQUEST_KINDS = frozenset(list(Kind)[: list(Kind).index(Kind.USER_CUT)])
FRAME_KINDS = frozenset({
    Kind.FRAME_CROSSED, Kind.FRAME_EMPTY, Kind.FRAME_FAR, Kind.FRAME_GARBAGE, Kind.FRAME_OLD, Kind.FRAME_ORDER, Kind.MARK_ZERO,
})  # fmt: skip
# The venue did as it was told, and the caller does not learn it from the reply.
_AFTER_EFFECT = frozenset({Kind.REPLY_LOST, Kind.RESET_AFTER, Kind.BODY_CUT, Kind.ERROR_AFTER})
# The run ends or stands still after these; a few a run are enough.
RARE_KINDS = frozenset({Kind.LEVERAGE, Kind.MARGIN_TYPE, Kind.HEDGE_MODE, Kind.LIQUIDATION, Kind.BANNED, Kind.SUSPEND, Kind.KILL, Kind.TERM})


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong `at_ms` after the run's start.

    `call`: the request that it strikes (for KILL and TERM: strike when the next such request has been sent; None: at once). `for_ms`: how
    long it lasts or delays (CALL_BROKEN: every request of that call). `status` and `code`: the error that is answered (code None: a page of HTML).
    `amount`: whatever else it needs.
    """

    at_ms: int
    kind: Kind
    call: Call | None = None
    for_ms: int = 0
    status: int = 0
    code: int | None = None
    amount: int = 0

    def __str__(self) -> str:
        words = [f"{self.at_ms / 1000:9.3f} s  {self.kind.value}"]
        words += [self.call.name] if self.call is not None else []
        words += [f"for {self.for_ms} ms"] if self.for_ms else []
        words += [f"HTTP {self.status}"] if self.status else []
        words += [f"code {self.code}"] if self.code is not None else []
        words += [f"amount {self.amount}"] if self.amount else []
        return " ".join(words)


@dataclass(frozen=True)
class Schedule:
    """A whole run: the seed of its market, network and jitter, what the operator chose, how long faults go on, and the faults in order."""

    seed: int
    settings: EngineSettings
    faulty_ms: int
    faults: tuple[Fault, ...]
    latency_ms: int = 10
    post_only_refused: bool = False
    listen_key_life_ms: int = 3_600_000
    funding_interval_ms: int = 8 * 3_600_000
    restart_ms: int = 10_000  # systemd's RestartSec, or an operator who does not wait for it


# Calls by how often a fault strikes them.
_CALLS = (
    (Call.PLACE, 10), (Call.PLACE_BATCH, 3), (Call.AMEND, 4), (Call.CANCEL, 6), (Call.CANCEL_BATCH, 3), (Call.CANCEL_ALL, 1), (Call.QUERY, 3), (Call.COUNTDOWN, 2), (Call.OPEN_ORDERS, 2), (Call.USER_TRADES, 2),
    (Call.POSITION_RISK, 2), (Call.BALANCE, 2), (Call.NEW_LISTEN_KEY, 1), (Call.KEEP_LISTEN_KEY, 1), (Call.SERVER_TIME, 2),
    (Call.EXCHANGE_INFO, 1),
)  # fmt: skip
# Answered by what stands in front of the exchange, which saw nothing; None is a page of HTML.
_ERRORS_BEFORE = (
    (503, None), (502, None), (504, None), (403, None), (503, -1016), (400, -1021), (400, -4225), (400, 999), (400, -1000), (400, -1001),
    (503, -1006), (408, -1007), (500, -1000), (400, -2019), (401, -2014), (404, None), (400, -4084), (400, -1111), (400, -4116),
)  # fmt: skip
# Answered although the exchange did as it was told: nothing here may be taken for a refusal.
_ERRORS_AFTER = (
    (503, None), (502, None), (504, None), (400, -1006), (408, -1007), (503, -1007), (400, -1000), (400, -1001), (500, -1000), (400, -4225),
    (400, 999), (200, -1000),
)  # fmt: skip
_WEIGHTS: dict[Kind, int] = {
    **dict.fromkeys(REQUEST_KINDS, 6), **dict.fromkeys(FRAME_KINDS, 2), Kind.BANNED: 1, Kind.RATE_LIMITED: 2, Kind.TRADES_BEHIND: 4, Kind.REPLY_EARLY: 4, Kind.CALL_SLOW: 3,
    Kind.USER_CUT: 4, Kind.USER_STALL: 4, Kind.USER_LATE: 5, Kind.USER_SHUFFLE: 5, Kind.USER_TWICE: 5, Kind.USER_GAP: 3, Kind.USER_REFUSED: 2,
    Kind.KEY_EXPIRED: 3, Kind.MARKET_CUT: 3, Kind.MARKET_STALL: 3, Kind.MARKET_REFUSED: 1,
    Kind.HALTED: 1, Kind.FILTERS: 2, Kind.LEVERAGE: 2, Kind.MARGIN_TYPE: 1, Kind.HEDGE_MODE: 1, Kind.LIQUIDATION: 4, Kind.WITHDRAWAL: 1,
    Kind.FOREIGN_ORDER: 3, Kind.FOREIGN_FILL: 3, Kind.VENUE_RESTART: 2, Kind.MAINTENANCE: 2,
    Kind.KILL: 5, Kind.TERM: 3, Kind.WALL_JUMP: 2, Kind.SUSPEND: 1, Kind.DRIFT: 2,
}  # fmt: skip


def draw_schedule(seed: int, kinds: frozenset[Kind] = frozenset(Kind)) -> Schedule:
    """The schedule of a seed, of faults of the given kinds only."""
    random = Random(f"schedule {seed}")
    faulty_ms = random.choice((30_000, 60_000, 60_000, 120_000, 300_000))
    # A run has a few kinds of its own, so that faults of the same kind meet as well as faults of different kinds.
    weights = {kind: weight for kind, weight in _WEIGHTS.items() if kind in kinds}
    chosen = random.sample(sorted(weights), k=min(len(weights), random.choice((1, 3, 6, 12, len(weights)))))
    count = random.choice((2, 5, 10, 20, 40)) if chosen else 0
    drawn = random.choices(chosen, [weights[kind] for kind in chosen], k=count) if count else []
    rare = random.randint(1, 4)
    kept = [kind for number, kind in enumerate(drawn) if kind not in RARE_KINDS or sum(k in RARE_KINDS for k in drawn[:number]) < rare]
    # Trouble comes in heaps: most faults fall near one of a few moments, so that they meet.
    heaps = [random.randint(0, faulty_ms) for _ in range(random.randint(1, 4))]
    faults = [_draw_fault(random, kind, _draw_time(random, heaps, faulty_ms)) for kind in kept]
    if Kind.USER_LATE in kinds:
        # A timely echo on the user stream mends much of what a reply does wrong, so some of these come with late events.
        misleading = [fault for fault in faults if fault.kind in _AFTER_EFFECT and random.random() < 0.4]
        faults += [Fault(fault.at_ms, Kind.USER_LATE, for_ms=15_000, amount=2_000) for fault in misleading]
    settings = _draw_settings(random)
    if settings.orders.cancel_scope_symbol and Kind.FOREIGN_ORDER in kinds:
        faults += [_draw_fault(random, Kind.FOREIGN_ORDER, random.randint(0, faulty_ms)) for _ in range(random.randint(0, 4))]
    faults.sort(key=lambda fault: fault.at_ms)
    return Schedule(
        seed=seed,
        settings=settings,
        faulty_ms=faulty_ms,
        faults=tuple(faults),
        latency_ms=random.choice((2, 10, 10, 80)),
        post_only_refused=random.random() < 0.5,
        listen_key_life_ms=random.choice((60_000, 3_600_000)),
        funding_interval_ms=random.choice((60_000, 8 * 3_600_000)),
        restart_ms=random.choice((10_000, 10_000, 10_000, random.randint(1_000, 10_000))),
    )


def _draw_time(random: Random, heaps: list[int], faulty_ms: int) -> int:
    if random.random() < 0.4:
        return random.randint(0, faulty_ms)
    return min(max(0, random.choice(heaps) + random.randint(-2_000, 2_000)), faulty_ms)


def _draw_fault(random: Random, kind: Kind, at_ms: int) -> Fault:
    if kind in REQUEST_KINDS:
        if kind is Kind.TRADES_BEHIND:
            return Fault(at_ms, kind, Call.USER_TRADES, for_ms=random.choice((1_000, 5_000)), amount=random.choice((1, 2, 5)))
        if kind is Kind.CALL_SLOW and random.random() < 0.4:
            # What the time is, is asked mostly at the start.
            return Fault(random.choice((0, at_ms)), kind, Call.SERVER_TIME, for_ms=70_000, amount=random.choice((1_200, 1_800)))
        if kind is Kind.REPLY_EARLY:
            return Fault(at_ms, kind, random.choice((Call.CANCEL, Call.CANCEL, Call.CANCEL_BATCH)))
        calls, weights = zip(*_CALLS, strict=True)
        (call,) = random.choices(calls, weights)
        return _draw_request_fault(random, kind, at_ms, call)
    if kind in (Kind.KILL, Kind.TERM):
        call = random.choice((None, Call.PLACE, Call.PLACE, Call.AMEND, Call.CANCEL, Call.COUNTDOWN, Call.OPEN_ORDERS, Call.EXCHANGE_INFO))
        return Fault(at_ms, kind, call, amount=random.choice((0, 0, 1, 20)))
    if kind in (Kind.USER_LATE, Kind.USER_SHUFFLE, Kind.USER_TWICE):
        return Fault(at_ms, kind, for_ms=random.choice((500, 3_000, 15_000)), amount=random.choice((20, 300, 2_000, 7_000)))
    if kind is Kind.USER_GAP:
        return Fault(at_ms, kind, for_ms=random.choice((100, 1_000, 4_000)))
    if kind in (Kind.USER_STALL, Kind.MARKET_STALL, Kind.USER_REFUSED, Kind.MARKET_REFUSED, Kind.HALTED, Kind.MAINTENANCE, Kind.VENUE_RESTART):
        return Fault(at_ms, kind, for_ms=random.choice((500, 3_000, 8_000, 20_000)))
    if kind in FRAME_KINDS:
        return Fault(at_ms, kind, for_ms=random.choice((500, 3_000)))
    if kind is Kind.DRIFT:
        return Fault(at_ms, kind, amount=random.choice((-90, -40, 40, 90)))
    if kind is Kind.WALL_JUMP:
        return Fault(at_ms, kind, amount=random.choice((-3_600_000, -60_000, -1_000, 1_000, 60_000, 3_600_000)))
    if kind is Kind.SUSPEND:
        return Fault(at_ms, kind, for_ms=random.choice((1_000, 8_000, 40_000)))
    if kind is Kind.LEVERAGE:
        return Fault(at_ms, kind, amount=random.choice((5, 10, 50)))
    if kind in (Kind.FOREIGN_FILL, Kind.FOREIGN_ORDER):
        return Fault(at_ms, kind, amount=random.choice((-40, -3, 3, 40)))
    if kind is Kind.FILTERS:
        return Fault(at_ms, kind, amount=random.choice((1, 2, 3, 4, 5)))
    return Fault(at_ms, kind, amount=random.choice((1, 2, 3)))


def _draw_request_fault(random: Random, kind: Kind, at_ms: int, call: Call) -> Fault:
    if kind in (Kind.REQUEST_LATE, Kind.REPLY_LATE):
        return Fault(at_ms, kind, call, for_ms=random.choice((100, 900, 3_000, 5_500, 9_000)))
    if kind is Kind.REQUEST_TWICE:
        return Fault(at_ms, kind, call, for_ms=random.choice((1, 50, 800, 4_000)), amount=random.choice((0, 0, 1)))
    if kind is Kind.CALL_SLOW:
        return Fault(at_ms, kind, call, for_ms=random.choice((2_000, 8_000, 20_000, 70_000)), amount=random.choice((300, 1_200, 2_400)))
    if kind in (Kind.ERROR_BEFORE, Kind.ERROR_AFTER):
        status, code = random.choice(_ERRORS_BEFORE if kind is Kind.ERROR_BEFORE else _ERRORS_AFTER)
        return Fault(at_ms, kind, call, status=status, code=code)
    if kind is Kind.CALL_BROKEN:
        status, code = random.choice(_ERRORS_BEFORE)
        return Fault(at_ms, kind, call, for_ms=random.choice((2_000, 8_000, 20_000)), status=status, code=code)
    if kind in (Kind.RATE_LIMITED, Kind.BANNED):
        return Fault(at_ms, kind, call, status=429 if kind is Kind.RATE_LIMITED else 418, code=-1003, amount=random.choice((1, 5, 30)))
    return Fault(at_ms, kind, call)


def _draw_settings(random: Random) -> EngineSettings:
    """Most runs have the plain settings; each of the rarer ones is drawn for some."""
    spread = Decimal(random.choice((0, 1, 1, 2, 2, 5, 5, 10, 10))) / 10_000
    countdown_ms = random.choice((15_000, 30_000, 60_000))
    return EngineSettings(
        StrategySettings(
            opening_side=random.choice((Side.BUY, Side.BUY, Side.SELL)),
            buy_spread=spread,
            sell_spread=spread,
            balance_fraction=random.choice((Decimal("0.01"), Decimal("0.1"), Decimal("0.5"))),
            position_threshold=random.choice((Decimal(15), Decimal(200), Decimal(2_000))),
            levels=random.choice((1, 1, 1, 1, 2, 2, 3, 5)),
        ),
        OrderSettings(
            price_change_threshold=random.choice((Decimal(0), Decimal("0.0001"), Decimal("0.0005"))),
            size_change_threshold=random.choice((Decimal("0.02"), Decimal("0.02"), Decimal("0.02"), Decimal(0), Decimal("0.3"))),
            max_order_age_ms=random.choice((5_000, 60_000)),
            amend=random.random() < 0.7,
            post_only=random.random() < 0.95,
            cancel_scope_symbol=random.random() < 0.15,
        ),
        _draw_risk(random, countdown_ms),
        TimingSettings(),
    )


def _draw_risk(random: Random, countdown_ms: int) -> RiskSettings:
    return RiskSettings(
        # The smallest order is worth 5, so 4 leaves nothing to quote, and 8 nothing to divide.
        max_position_notional=random.choice((None, None, None, None, Decimal(500), Decimal(500), *map(Decimal, (4, 8, 25)))),
        countdown_ms=countdown_ms,
        order_rate_fraction=Decimal(random.choice(("0.8", "0.8", "0.8", "0.8", "0.8", "0.8", "0.8", "0.8", "0.01", "0.03"))),
        max_loss=random.choice((None, None, None, None, None, *map(Decimal, ("0.2", "2")))),
        max_refusals=random.choice((30, 30, 30, 30, 30, 30, 1, 3)),
        flatten_on_halt=random.random() < 0.3,
        fills=_draw_fill_limits(random),
    )


def _draw_fill_limits(random: Random) -> FillLimits:
    if random.random() < 0.8:
        return FillLimits()
    name, limit = random.choice((("size", "0.01"), ("size", "0.3"), ("notional", "100"), ("notional", "1000"), ("net_size", "0.02"), ("net_size", "0.3")))
    limits = {name: Decimal(limit)}
    return FillLimits(window_ms=random.choice((1_000, 20_000)), frozen_ms=random.choice((2_000, 12_000)), **limits)
