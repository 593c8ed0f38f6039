"""Real daemon processes ended at random instants: `python -m tests.chaos.processes --kills 200 --terms 200 --seed S [--jobs J]`.

Each job has a lively paper exchange of its own and starts one daemon after the other on it, so that each takes up what the last one left. The
exchange's records are the judge; what is checked stands in `Judgement`. `--rough F`: that fraction of the runs has a fault on the road as well.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import re
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmd.paper.account import AccountSpec
from mmd.paper.exchange import PaperExchange
from mmd.paper.rate_limits import Limits
from mmd.paper.runtime import ExchangeClock, PaperServer, ServerSettings
from mmd.paper.symbols import Symbol
from mmd.paper.synthetic import SyntheticParameters, SyntheticSource
from tests.chaos.exchange_records import Records, session_of
from tests.chaos.rough_proxy import Fault, Ill, RoughProxy, Way
from tests.daemon.daemon_rig import SECRET, Daemon

COUNTDOWN_S = 5.0
STOP_S = 5.0
HEALTHY_EXIT_S = 3.0  # on a machine that does other things too; 1 s is the budget on an idle one
SLACK_S = 0.3
SHOWN_LINES = 80

# From which line on (none: from the process's birth) the random wait counts, and the most seconds that it lasts. A start is over some 0.1 s
# after its first line.
_ORIGINS = (("", 1.5), ("credentials", 0.03), ("credentials", 0.15), ("placed", 1.5), ("placed", 1.5))
_TRADE = re.compile(r" (?:fill|foreign_fill) side=.* trade=(\d+) ")
_POSITION = re.compile(r"^(\S+) \S+ +quote .*position=(\S+)")
_STOPPED = re.compile(r" stopped .*fills=(\d+) .*position=(\S+) ")
_ORDER = re.compile(r" placed .*order=(\S+)")


@dataclass
class Outcome:
    """What is kept of one run. `at`: what the daemon was doing when the signal came."""

    number: int
    sign: str
    at: str
    exit_s: float
    rough: str | None = None
    left: int = 0  # live orders right after a kill
    waited: bool = False  # for the countdown to remove them
    fills: int = 0
    violations: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


class Market:
    """A lively exchange behind rough roads, and the daemons that come and go on it."""

    def __init__(self, seed: int, directory: Path, rough: float) -> None:
        clock = ExchangeClock()
        symbol = Symbol.named("ETHUSDT")
        source = SyntheticSource(symbol, seed, SyntheticParameters(volatility_bps=3.0, jumps_per_minute=20, level_size=Decimal("0.5"), trade_size=Decimal(1)))
        account = AccountSpec("paper", SECRET, {"USDT": Decimal(10_000)})
        exchange = PaperExchange(symbol, source, start_ms=clock.now_ms(), accounts=(account,), journal_limit=None)
        # A daemon that starts every other second would soon be asked for silence.
        self.server = PaperServer(exchange, clock=clock, settings=ServerSettings(limits=Limits(weight=10**6, orders=10**5)))
        self.server.start()
        self.records = Records(self.server)
        self._random = random.Random(seed)
        self._rough = rough
        self._directory = directory
        self._lots = symbol.lot_grid.step
        doors = (self.server.rest_url, self.server.ws_url)
        self._roads = [RoughProxy(("127.0.0.1", int(url.rpartition(":")[2])), seed + number) for number, url in enumerate(doors)]
        self._mixed = 0  # how many meetings of two runs' orders have been told of

    def run(self, number: int, sign: str) -> Outcome:
        """One daemon from its start to its end, judged."""
        chance = self._random
        awaited, most_s = chance.choice(_ORIGINS)
        wait_s, waits = chance.uniform(0.0, most_s), chance.random() < 0.5
        fault = self._draw_fault() if chance.random() < self._rough else None
        road = chance.choice(self._roads)
        daemon = Daemon("-c", self._configure(), state=self._directory / "state")
        try:
            if awaited and (missed := _missed(daemon, awaited)):
                return Outcome(number, sign, "never trading", 0.0, violations=[f"no {awaited} in 30 s"], log=missed)
            if fault is not None:
                time.sleep(wait_s * 0.5)
                road.set(fault)
                wait_s *= 0.5
            time.sleep(wait_s)
            began = time.monotonic()
            daemon.process.send_signal(signal.SIGKILL if sign == "kill" else signal.SIGTERM)
            at, code = doing(list(daemon.lines)), daemon.exit_code()
            outcome = Outcome(number, sign, at, time.monotonic() - began, fault.ill.value if fault is not None else None)
            road.set(None)
            outcome.log = daemon.lines
            judgement = Judgement(self, outcome, code)
            if sign == "kill":
                self._after_kill(outcome, judgement, waits)
            else:
                self._after_term(outcome, judgement)
            judgement.of_every_run()
            return outcome
        finally:
            daemon.end()
            road.set(None)

    def close(self) -> list[str]:
        """The end of all runs: whatever the last one left must go. What is wrong, and lets go of everything."""
        try:
            return [] if self._is_empty_within(COUNTDOWN_S + SLACK_S) else ["orders are live after the last run"]
        finally:
            for road in self._roads:
                road.stop()
            self.server.stop()

    def new_meetings(self) -> list[str]:
        """Moments in which orders of two runs were live at once, told once each."""
        found = self.records.sessions_at_once()
        fresh, self._mixed = found[self._mixed:], len(found)
        return [text for _, text in fresh]

    def size(self, lots: int) -> Decimal:
        return lots * self._lots

    def _after_kill(self, outcome: Outcome, judgement: Judgement, waits: bool) -> None:
        judgement.expect(judgement.code == -signal.SIGKILL, f"it had ended by itself with {judgement.code}")
        outcome.left, outcome.waited = len(self.records.open_orders()), waits
        if waits:
            judgement.expect(self._is_empty_within(COUNTDOWN_S + SLACK_S), "live orders after the countdown")

    def _after_term(self, outcome: Outcome, judgement: Judgement) -> None:
        bound_s = HEALTHY_EXIT_S if outcome.rough is None else STOP_S + 2 + HEALTHY_EXIT_S
        judgement.expect(outcome.exit_s <= bound_s, f"took {outcome.exit_s:.2f} s to stop, more than {bound_s} s")
        if outcome.at == "before its start":
            # The interpreter's own way to die, before there is a handler: no request has been sent by then.
            judgement.expect(judgement.code in (-signal.SIGTERM, 0), f"exit code {judgement.code}")
        elif outcome.rough is None or judgement.code == 0:
            judgement.of_a_clean_end()
        else:
            judgement.expect(judgement.code == 1 and "open_orders=unknown" in outcome.log[-1] or judgement.code == 75, f"exit code {judgement.code}")
            judgement.expect(self._is_empty_within(COUNTDOWN_S + SLACK_S), "live orders after the countdown")

    def _is_empty_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self.records.open_orders():
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True

    def _configure(self) -> Path:
        chance = self._random
        path = self._directory / "market.yaml"
        rest, streams = self._roads
        spread = chance.choice(("0", "0.0001", "0.0003"))
        path.write_text(
            f"symbol: ETHUSDT\nexchange: {{venue: custom, rest_url: 'http://127.0.0.1:{rest.port}', ws_url: 'ws://127.0.0.1:{streams.port}'}}\n"
            f"strategy: {{buy_spread: {spread}, sell_spread: {spread}, balance_fraction: 0.05, levels: {chance.choice((1, 1, 2, 4))}, level_step: 0.0001}}\n"
            f"orders: {{order_refresh_interval: {chance.choice((0.05, 0.2, 1))}, amend: {chance.choice(('true', 'false'))}, max_order_age: 1}}\n"
            f"risk: {{countdown: {COUNTDOWN_S:g}, max_refusals: 1000}}\nlogging: {{level: debug}}\n"
            f"timing: {{stop_deadline: {STOP_S:g}, acceptance_window: 3, acceptance_grace: 0.5, reply_timeout: 1, connect_timeout: 1}}\n"
        )
        return path

    def _draw_fault(self) -> Fault:
        ill = self._random.choice(list(Ill))
        ways = self._random.choice((frozenset(Way), frozenset({Way.TO_CLIENT}), frozenset({Way.TO_SERVER})))
        return Fault(ill, ways=ways, seconds=self._random.choice((0.01, 0.1, 0.5)))


class Judgement:
    """One run against the exchange's records."""

    def __init__(self, market: Market, outcome: Outcome, code: int) -> None:
        self._market = market
        self._outcome = outcome
        self.code = code
        self._told = [int(found[1]) for line in outcome.log if (found := _TRADE.search(line))]
        outcome.fills = len(self._told)

    def expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self._outcome.violations.append(otherwise)

    def of_every_run(self) -> None:
        """No trade told twice or made up, the exchange's position where it begins to quote, no order beside another run's, no error."""
        trades = {trade.trade_id for trade in self._market.records.trades()}
        self.expect(len(self._told) == len(set(self._told)), "a trade was booked twice")
        self.expect(trades.issuperset(self._told), "a trade was booked that the exchange does not know")
        for line in self._outcome.log:
            if found := _POSITION.match(line):
                known = self._positions_around(_time_ms(found[1]))
                self.expect(Decimal(found[2]) in known, f"quotes with position {found[2]}, the exchange's is {', '.join(map(str, known))}: {line}")
            self.expect(" ERROR " not in line or self._outcome.rough is not None, line)
        for meeting in self._market.new_meetings():
            self.expect(False, f"orders of two runs at once: {meeting}")

    def of_a_clean_end(self) -> None:
        """Exit code 0; nothing open, by its own word and by the exchange's; the countdown disarmed; every trade booked, the position the exchange's."""
        records, last = self._market.records, self._outcome.log[-1]
        self.expect(self.code == 0, f"exit code {self.code}")
        if self._outcome.at == "starting" and " stopped why=SIGTERM placed=0 open_orders=unknown " in last:
            return  # It has asked for nothing yet and claims nothing; what an earlier run left is the countdown's to remove.
        self.expect(" stopped why=SIGTERM " in last and "open_orders=0" in last, f"its last line is: {last}")
        left = [order.client_order_id for order in records.open_orders()]
        self.expect(not left, f"live orders after a clean exit: {left}")
        self.expect(not records.is_countdown_armed(), "the countdown is still armed")
        found = _STOPPED.search(last)
        if found is None:
            self.expect(False, f"its last line is: {last}")
            return
        self.expect(Decimal(found[2]) == self._market.size(records.position_lots()), f"ends with position {found[2]}, the exchange's is {records.position_lots()} lots")
        self.expect(int(found[1]) == len(self._told), f"counts {found[1]} fills and has told of {len(self._told)}")
        sessions = {session_of(found[1]) for line in self._outcome.log if (found := _ORDER.search(line))}
        missing = [trade for trade in records.trades() if session_of(trade.client_order_id) in sessions and trade.trade_id not in self._told]
        self.expect(not missing, f"trades of its orders that it has not booked: {missing}")

    def _positions_around(self, at_ms: int) -> list[Decimal]:
        """Every position that the account had shortly before `at_ms`."""
        lots = [0]
        for trade in self._market.records.trades():
            if trade.at_ms > at_ms + 5:
                break
            if trade.at_ms < at_ms - 300:
                lots.clear()
            lots.append(trade.position_lots)
        return [self._market.size(each) for each in lots]


def _missed(daemon: Daemon, awaited: str) -> list[str]:
    """Wait for a line; the log where none comes."""
    try:
        daemon.wait_for(rf" {awaited} ")
    except AssertionError:
        return daemon.lines
    return []


def doing(lines: list[str]) -> str:
    """What a daemon was at, by its log."""
    for event, name in ((" stopp", "stopping"), (" placed ", "trading"), (" started ", "before its first order"), (" start ", "starting")):
        if any(event in line for line in lines):
            return name
    return "before its start"


def _time_ms(text: str) -> int:
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def run_job(job: tuple[int, list[tuple[int, str]], float]) -> list[Outcome]:
    """All runs of one job, on one exchange."""
    seed, plan, rough = job
    with tempfile.TemporaryDirectory(prefix="mmd-processes-") as directory:
        market = Market(seed, Path(directory), rough)
        outcomes = [market.run(number, sign) for number, sign in plan]
        outcomes[-1].violations += market.close()
    for outcome in outcomes:
        outcome.log = outcome.log[-SHOWN_LINES:] if outcome.violations else []
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.processes", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how many daemons SIGKILL ends (%(default)s)")
    parser.add_argument("--terms", type=int, default=200, help="how many daemons SIGTERM ends (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is left to chance (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="exchanges, and daemons at a time (%(default)s)")
    parser.add_argument("--rough", type=float, default=0.0, metavar="F", help="fraction of the runs with a fault on the road (%(default)s)")
    given = parser.parse_args()
    signs = ["kill"] * given.kills + ["term"] * given.terms
    random.Random(given.seed).shuffle(signs)
    plan = list(enumerate(signs, 1))
    jobs = [(given.seed * 1_000 + number, plan[number::given.jobs], given.rough) for number in range(given.jobs) if plan[number::given.jobs]]
    began = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(len(jobs)) as pool:
        outcomes = sorted((outcome for found in pool.imap_unordered(run_job, jobs) for outcome in found), key=lambda outcome: outcome.number)
    for outcome in outcomes:
        if outcome.violations:
            print(f"\nseed {given.seed}, run {outcome.number} ({outcome.sign} while {outcome.at}, road: {outcome.rough or 'good'}):",
                  *outcome.violations, *(f"    {line}" for line in outcome.log), sep="\n  ")
    print(table(outcomes, time.monotonic() - began))
    return 1 if any(outcome.violations for outcome in outcomes) else 0


def table(outcomes: list[Outcome], took_s: float) -> str:
    """What was done, what was found, and how long the exits took."""
    phases = ("before its start", "starting", "before its first order", "trading", "stopping")
    lines = [f"{'signal while':24}{'kills':>8}{'terms':>8}{'median exit':>13}{'worst exit':>12}"]
    for phase in phases:
        there = [outcome for outcome in outcomes if outcome.at == phase]
        terms = [outcome for outcome in there if outcome.sign == "term"]
        lines.append(f"{phase:24}{len(there) - len(terms):8}{len(terms):8}{_times(terms)}")
    kills = [outcome for outcome in outcomes if outcome.sign == "kill"]
    terms = [outcome for outcome in outcomes if outcome.sign == "term"]
    lines.append(f"{'all':24}{len(kills):8}{len(terms):8}{_times(terms)}")
    left = [outcome for outcome in kills if outcome.left]
    waited = sum(outcome.waited for outcome in left)
    rough = sum(outcome.rough is not None for outcome in outcomes)
    lines.append(f"{len(left)} kills left live orders: {waited} for the countdown to remove, {len(left) - waited} for the next start or the countdown")
    lines.append(f"{sum(outcome.fills for outcome in outcomes)} fills booked; {rough} runs on a rough road; {took_s:.0f} s")
    lines.append(f"{len(kills)} kills, {len(terms)} terms, {sum(len(outcome.violations) for outcome in outcomes)} violations")
    return "\n".join(lines)


def _times(outcomes: Iterable[Outcome]) -> str:
    times = [outcome.exit_s for outcome in outcomes]
    return f"{statistics.median(times):11.2f} s{max(times):10.2f} s" if times else ""


if __name__ == "__main__":
    sys.exit(main())
