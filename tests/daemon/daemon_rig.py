"""A served paper exchange to look into, and real daemon processes pointed at it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from mmd.paper.options import PaperOptions, build_exchange
from mmd.paper.orders import Order
from mmd.paper.runtime import ExchangeClock, PaperServer

WAIT_S = 30.0  # Only a broken daemon needs it.
_QUIET = "strategy: {buy_spread: 0.004, sell_spread: 0.004}"


class Daemon:
    """One `mmd` process; its log is read line by line as it comes."""

    def __init__(self, *arguments: str | Path, state: Path, secret: str = "paper") -> None:
        environment = {**os.environ, "ASTER_API_KEY": "paper", "ASTER_API_SECRET": secret, "STATE_DIRECTORY": str(state)}
        self.lines: list[str] = []
        self._grown = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mmd", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._grown:
                self.lines.append(line.rstrip("\n"))
                self._grown.notify_all()
        with self._grown:
            self._grown.notify_all()

    def wait_for(self, pattern: str, count: int = 1, since: int = 0) -> str:
        """The `count`-th line from line number `since` on in which the pattern occurs, waited for. Fails with the log where none comes."""
        deadline = time.monotonic() + WAIT_S
        with self._grown:
            while True:
                found = [line for line in self.lines[since:] if re.search(pattern, line)]
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    raise AssertionError(f"no line like {pattern!r} ({len(found)} of {count}) in:\n" + "\n".join(self.lines))
                self._grown.wait(min(left, 0.5))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit code."""
        self.process.send_signal(number)
        return self.exit_code()

    def exit_code(self) -> int:
        code = self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        return code

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(WAIT_S)
        if self.process.stdout is not None:
            self.process.stdout.close()


class Exchange:
    """A served paper exchange on fixed-for-its-life ports, with its own records to hold the daemon to."""

    def __init__(self, seed: int = 1, ports: tuple[int, int] = (0, 0)) -> None:
        clock = ExchangeClock()
        self.options = PaperOptions(seed=seed)
        self.server = PaperServer(build_exchange(self.options, clock.now_ms()), clock=clock, rest_port=ports[0], ws_port=ports[1])
        self.server.start()
        self.ports = int(self.server.rest_url.rpartition(":")[2]), int(self.server.ws_url.rpartition(":")[2])

    def open_orders(self) -> list[Order]:
        with self.server.lock:
            exchange = self.server.exchange
            return list(exchange.open_orders(exchange.accounts["paper"]))

    def trade_ids(self) -> list[int]:
        """Of all that the account ever traded, in order."""
        with self.server.lock:
            return sorted(trade.trade_id for trade in self.server.exchange.accounts["paper"].trades)

    def journal(self) -> list[object]:
        with self.server.lock:
            return list(self.server.exchange.journal)

    def restarted(self, seed: int) -> Exchange:
        """Another exchange, with nothing of the first one's memory, on its ports."""
        self.server.stop()
        return Exchange(seed, self.ports)

    def config(self, directory: Path, text: str = _QUIET) -> Path:
        """A configuration that points at this exchange."""
        path = directory / "market.yaml"
        venue = f"{{venue: custom, rest_url: '{self.server.rest_url}', ws_url: '{self.server.ws_url}'}}"
        path.write_text(f"symbol: ETHUSDT\nexchange: {venue}\n{text}\n")
        return path
