"""A served paper exchange to look into, and real daemon processes pointed at it."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

from dotenv import dotenv_values

from mmd.paper.listen_keys import ListenKeys
from mmd.paper.options import PaperOptions, build_exchange
from mmd.paper.orders import Order
from mmd.paper.runtime import ExchangeClock, PaperServer

WAIT_S = 30.0  # Only a broken daemon needs it.
# Of the account that all trade on: long and odd enough to be found wherever it is written, in whatever form.
SECRET = "mmd-test-s3cr3t+with/odd=signs&per%cent"

_QUIET = "strategy: {buy_spread: 0.004, sell_spread: 0.004}"


class Daemon:
    """One `mmd` process; its log is read line by line as it comes."""

    def __init__(self, *arguments: str | Path, state: Path, secret: str = SECRET, more: dict[str, str] | None = None) -> None:
        environment = {**os.environ, "ASTER_API_KEY": "paper", "ASTER_API_SECRET": secret, "STATE_DIRECTORY": str(state), **(more or {})}
        self._environment = environment
        self._state = state
        self._configs = [Path(each).absolute() for each in arguments if str(each).endswith(".yaml")]
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
        leaks = list(self.leaks())
        assert not leaks, f"secrets were written: {leaks}"

    def leaks(self) -> Iterator[str]:
        """Where the daemon has written a secret: to its console, or to any file in its state directory or beside its configuration."""
        secrets = self.secrets()
        beside = {config.parent for config in self._configs if config.parent.name != "mmd"}
        files = {path for place in (self._state, *beside) for path in place.rglob("*") if path.is_file() and path.name != ".env" and path not in self._configs}
        for where, data in [("the console", "\n".join(self.lines).encode()), *((str(path), path.read_bytes()) for path in sorted(files))]:
            yield from (f"{what} in {where}" for what in found_in(data, secrets))

    def secrets(self) -> set[str]:
        """All that it was given, and all listen keys of the exchanges in this process; what is too short to be told from other words is left out."""
        names = ("ASTER_API_KEY", "ASTER_API_SECRET", "ASTER_SIGNER_KEY", "MMD_ALERT_WEBHOOK")
        places = [self._environment, *(dotenv_values(config.parent / ".env", interpolate=False) for config in self._configs)]
        given = [place.get(name) or "" for place in places for name in names]
        long = {secret.removeprefix("0x") for secret in given if len(secret) >= 12}
        parts = {part for secret in long if "://" in secret for part in re.split(r"[/?&=]", secret) if len(part) >= 12 and "." not in part}
        return long | parts | LISTEN_KEYS


LISTEN_KEYS: set[str] = set()
_open_listen_key = ListenKeys.open


def _open_and_note(keys: ListenKeys, api_key: str, now_ms: int) -> str:
    listen_key = _open_listen_key(keys, api_key, now_ms)
    LISTEN_KEYS.add(listen_key)
    return listen_key


ListenKeys.open = _open_and_note  # type: ignore[method-assign]


def forms(secret: str) -> set[bytes]:
    """The ways in which a secret may have been written: as it is, quoted for addresses and for JSON, in hexadecimal, in base64 within whatever else."""
    raw = secret.encode()
    found = {raw, quote(secret).encode(), quote(secret, safe="").encode(), quote_plus(secret).encode(), json.dumps(secret)[1:-1].encode(), raw.hex().encode(), raw.hex().upper().encode()}
    for before in range(3):
        # Of the base64 of a text around it, the part that depends on the secret alone.
        whole = base64.b64encode(b"\0" * before + raw)
        part = whole[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        found |= {part, part.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def found_in(data: bytes, secrets: Iterable[str]) -> list[str]:
    """Which of the secrets stand in the bytes, in any form, and whether a signature does."""
    found = [f"{secret[:6]}… ({len(secret)} characters)" for secret in secrets if any(form in data for form in forms(secret))]
    return found + (["a signature"] if re.search(rb"(?i)signature\W{1,6}(?:0x)?[0-9a-fA-F]{16,}", data) else [])


class Exchange:
    """A served paper exchange on fixed-for-its-life ports, with its own records to hold the daemon to."""

    def __init__(self, seed: int = 1, ports: tuple[int, int] = (0, 0)) -> None:
        clock = ExchangeClock()
        self.options = PaperOptions(seed=seed, api_secret=SECRET)
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
