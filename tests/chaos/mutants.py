"""Proof that the schedules bite: the code is broken one way at a time, on a copy, and each way must be caught. `python -m tests.chaos.mutants`

Each mutant replaces one piece of text, which must stand exactly once in the package, or nothing is run. A copy of the package with that change lives
through schedules, block by block, until some are caught or the schedules run out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BLOCK = 40


class Mutant(NamedTuple):
    """One way to break the code: what it does, and the text for which another is put."""

    name: str
    old: str
    new: str


MUTANTS = (
    # Order entry.
    Mutant("a timeout frees the slot", "(_S.PLACING, _H.PLACE_LOST): _S.UNKNOWN", "(_S.PLACING, _H.PLACE_LOST): _S.DONE"),
    Mutant("a lost cancel counts as done", "(_S.CANCELLING, _H.CANCEL_LOST): _S.UNKNOWN", "(_S.CANCELLING, _H.CANCEL_LOST): _S.DONE"),
    Mutant("an unknown does not freeze its side", "if quote.side not in frozen and quote.size_lots", "if quote.size_lots"),
    Mutant("-2013 frees the slot at once", "proof_ms = order.requested_ms + timing.acceptance_window_ms + timing.acceptance_grace_ms", "proof_ms = order.requested_ms"),
    Mutant("undocumented codes are refusals", "and code in DEFINITE:", "and code is not None:"),
    Mutant("-1006 and -1007 are refusals", "    -2014, -2015, -2016, -4056, -4057,\n", "    -2014, -2015, -2016, -4056, -4057, -1006, -1007, -1000, -1001,\n"),
    Mutant("HTTP 502, 503 and 504 are refusals", "_REFUSED_IN_FRONT = frozenset({403, 404", "_REFUSED_IN_FRONT = frozenset({502, 503, 504, 403, 404"),
    Mutant("a cut body is a refusal", 'raise CallFailed(call, Lost(f"HTTP 200, {error}")) from None', 'raise CallFailed(call, Unsent(f"HTTP 200, {error}")) from None'),
    Mutant("orders are GTC, not post-only", '"GTX" if place.post_only else "GTC"', '"GTC" if place.post_only else "GTC"'),
    Mutant("closing orders are not reduce-only", 'params.append(("reduceOnly", "true"))', "pass"),
    Mutant("client ids repeat in every run", 'return f"{self._prefix}{self._session}-{self._count}"', 'return f"{self._prefix}0-{self._count}"'),
    Mutant("client ids repeat after ten", "        self._count += 1\n        return f", "        self._count = self._count % 10 + 1\n        return f"),
    Mutant("an amend's size adds what is executed", "order.amended_size_lots = order.size_lots + growth", "order.amended_size_lots = order.size_lots + order.executed_lots + growth"),
    Mutant("a late order is left alone", "order = self._resurface(order, report, now_ms)", "pass"),
    # What is believed of orders and trades.
    Mutant("a terminal order reopens", "(_S.DONE, _H.SEEN_LIVE): _S.DONE", "(_S.DONE, _H.SEEN_LIVE): _S.WORKING"),
    Mutant("the executed size follows the last report", "if report.executed_lots > self.executed_lots:", "if report.executed_lots != self.executed_lots:"),
    Mutant("fills are booked as often as told", "if (fill.trade_id, fill.side) in self._booked:", "if False:"),
    Mutant("the order's size is booked, not the trade's", 'size_lots=lots(order, "l", rules.size)', 'size_lots=lots(order, "q", rules.size)'),
    Mutant("trades since the last reading are not booked", "for fill in truth.fills:\n", "for fill in ():\n"),
    Mutant("fees are not booked", "self.commission[fill.commission_asset] += fill.commission", "pass"),
    Mutant("realised profit is not booked", "self.realized_profit += fill.realized_profit", "pass"),
    Mutant("the venue's position is not adopted", "self._adopt(expected, position.entry_price, position.update_time_ms)", "pass"),
    Mutant("the size ignores the position", "target_lots - side.sign * view.position_lots - view.elsewhere_lots", "target_lots"),
    Mutant("executed but unbooked lots are forgotten", "return self.account.position.amount_lots + self.desk.unbooked_lots", "return self.account.position.amount_lots"),
    Mutant("the second answer of a POST is no news", "isinstance(outcome, OrderReport) and self._contradicts(order, outcome):", "False:"),
    # What the operator allows.
    Mutant("too much filled is no matter", 'found.append("too much filled at once")', "pass"),
    Mutant("a loss does not halt", "if profit <= -self._risk.max_loss:", "if False:"),
    Mutant("refusals are not counted", "self._refusals.append(now_ms)", "pass"),
    Mutant("the order budget is not kept", "return self.used(now_ms) < self.per_minute", "return True"),
    Mutant("an uncertain clock is no matter", 'found.append("the venue\'s time is not known well enough")', "pass"),
    Mutant("foreign orders stay where they must not", "self._emit(CancelAll())", "pass"),
    # Health and reconciliation.
    Mutant("a stale book is quoted on", "elif age > self._settings.timing.stale_book_ms:", "elif False:"),
    Mutant("a fallen user stream is quoted on", "        self._down[stream] = reason\n", "        if stream is Stream.MARKET:\n            self._down[stream] = reason\n"),
    Mutant("a missing echo is no matter", "order.echo_due_ms = order.requested_ms + self._settings.timing.echo_ms", "pass"),
    Mutant("a crossed book is taken", 'return "crossed"', "return None"),
    Mutant("leftovers are left", "for report in own:\n            self.desk.hear(report, now_ms)\n", "for report in ():\n            self.desk.hear(report, now_ms)\n"),
    Mutant("it quotes while a leftover lives", "elif not self.desk.has_live and not self.desk.has_unbooked:", "else:"),
    Mutant("every order is taken for its own", "return client_order_id.startswith(self._prefix)", "return True"),
    Mutant("silence binds no lane", "if silent_ms:\n", "if silent_ms and False:\n"),
    Mutant("Retry-After is read as milliseconds", "return int(header) * 1000", "return int(header)"),
    Mutant("a changed account mode does not halt", 'self._stop("the account\'s mode was changed while running", Cause.HALT, now_ms)', "pass"),
    Mutant("a liquidation does not halt", 'self._stop("the venue liquidated the position", Cause.HALT, now_ms)', "pass"),
    # The dead man's switch and the end.
    Mutant("the countdown need not be armed", 'found.append("countdown not armed")', "pass"),
    Mutant("the countdown is renewed too late", "self._settings.risk.countdown_ms // 3", "self._settings.risk.countdown_ms * 2"),
    Mutant("the countdown is disarmed on doubt", "if open_orders == 0 and self.settings.risk.countdown_ms and", "if self.settings.risk.countdown_ms and"),
    Mutant("a stop leaves the orders", "self.desk.work(self._want().quotes if self.state is State.QUOTE else (), now_ms)", "self.state is State.STOP or self.desk.work(self._want().quotes if self.state is State.QUOTE else (), now_ms)"),
    Mutant("a stop does not verify", "        self.truth.doubt(now_ms)\n        self._emit(Notice(Level.INFO, \"stopping\", {\"why\": reason}))", "        self._finish(0, now_ms)"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.mutants", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="schedules that a mutant may survive before it counts as uncaught (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time (%(default)s)")
    parser.add_argument("--only", help="mutants whose name contains this")
    given = parser.parse_args()
    mutants = [mutant for mutant in MUTANTS if given.only is None or given.only in mutant.name]
    places = {mutant.name: place(mutant) for mutant in mutants}
    began = time.monotonic()
    with ThreadPoolExecutor(given.jobs) as pool:
        results = list(pool.map(lambda mutant: hunt(mutant, places[mutant.name], given.seeds), mutants))
    print(f"{'mutant':48} {'caught':>6} {'of':>5}  invariants")
    for mutant, (caught, lived, invariants) in zip(mutants, results, strict=True):
        print(f"{mutant.name:48} {caught:6} {lived:5}  {', '.join(map(str, invariants)) or 'UNCAUGHT'}")
    uncaught = sum(not caught for caught, _, _ in results)
    print(f"{time.monotonic() - began:.0f} s: {len(mutants)} mutants, {uncaught} uncaught")
    return 1 if uncaught else 0


def place(mutant: Mutant) -> Path:
    """The one file of the package that holds the mutant's text, once. Raises SystemExit where that is not so."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "mmd").rglob("*.py"))}
    found = {path: text.count(mutant.old) for path, text in texts.items() if mutant.old in text}
    if list(found.values()) != [1]:
        raise SystemExit(f"{mutant.name}: its text stands {sum(found.values())} times in the package, not once: {mutant.old!r}")
    return next(iter(found)).relative_to(ROOT)


def hunt(mutant: Mutant, file: Path, seeds: int) -> tuple[int, int, list[int]]:
    """How many schedules of how many caught the mutant, and by which invariants; it stops after the first block that caught any."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        shutil.copytree(ROOT / "mmd", copy / "mmd", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "tests" / "chaos", copy / "tests" / "chaos", ignore=shutil.ignore_patterns("__pycache__"))
        text = (copy / file).read_text(encoding="utf-8")
        (copy / file).write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        lived = 0
        while lived < seeds:
            count = min(BLOCK, seeds - lived)
            caught = live_block(copy, 1 + lived, count)
            lived += count
            if caught:
                return len(caught), lived, sorted(set(caught))
    return 0, lived, []


def live_block(copy: Path, first: int, count: int) -> list[int]:
    """The first broken invariant of every schedule that caught the mutant."""
    program = (
        "import json; from tests.chaos.chaos_runs import run_seed; "
        f"print(json.dumps([s.violations[0].invariant for s in map(run_seed, range({first}, {first + count})) if s.violations]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", program], cwd=copy, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{copy}: {done.stderr[-2_000:]}")
    found: list[int] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    sys.exit(main())
