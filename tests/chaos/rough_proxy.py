"""A rough road between clients and a server on the loopback: it refuses, hangs, swallows, drips, cuts, resets, delays, and is mended again."""

from __future__ import annotations

import random
import re
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

_BACKLOG = 128
_SEND_S = 2.0
_COMMAND_S = 10.0
_REQUEST_LINE = re.compile(rb"[A-Z]+ /\S* HTTP/1\.1")


class Ill(Enum):
    """What can be wrong with the road."""

    REFUSE = "refuse"  # new connections are refused
    HANG = "hang"  # an attempt to connect gets no answer at all
    SWALLOW = "swallow"  # half-open: neither bytes nor an end arrive any more, and both sides believe in the connection
    HOLD = "hold"  # nothing arrives until the road is mended, then everything
    DELAY = "delay"  # each piece arrives late by up to `seconds`
    DRIP = "drip"  # a byte arrives every `seconds`
    UNFINISHED = "unfinished"  # the beginning of the next piece arrives, then nothing any more
    CUT = "cut"  # the beginning of the next piece arrives, then an orderly end
    RESET = "reset"  # the beginning of the next piece arrives, then a reset


class Way(Enum):
    """Where bytes are going."""

    TO_SERVER = "to server"
    TO_CLIENT = "to client"


@dataclass(frozen=True)
class Fault:
    """`ways`: the bytes that suffer. `asked`: only connections whose latest HTTP request line matches this expression (REFUSE and HANG: all)."""

    ill: Ill
    asked: bytes = rb""
    ways: frozenset[Way] = frozenset(Way)
    seconds: float = 0.2

    def strikes(self, request_line: bytes, way: Way) -> bool:
        return way in self.ways and re.search(self.asked, request_line) is not None


class RoughProxy:
    """Listens on a free port of the loopback, `port`, and passes everything on to `target` until it is told to do worse.

    One thread does everything; the methods may be called from any other, and return when their effect is there. What is left to chance (where a
    piece is cut, how late it is) comes from `seed`.
    """

    def __init__(self, target: tuple[str, int], seed: int = 0) -> None:
        self._target = target
        self._random = random.Random(seed)
        self._links: set[_Link] = set()
        self._fault: Fault | None = None
        self._commands: list[tuple[Callable[[], None], threading.Event]] = []
        self._commands_lock = threading.Lock()
        self._stopping = False
        # What to do when a socket is ready stands in its key's data.
        self.selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        self.selector.register(self._woken, selectors.EVENT_READ, self._obey)
        # Bound for the proxy's life and never listening, so that nobody else gets the port while connections are refused.
        self._keeper = _bound(0)
        self.port: int = self._keeper.getsockname()[1]
        self._listener: socket.socket | None = None
        self._crowd: list[socket.socket] = []  # connections of our own that fill the listener's queue
        self._listen()
        self._thread = threading.Thread(target=self._run, name="rough-proxy", daemon=True)
        self._thread.start()

    def set(self, fault: Fault | None) -> None:
        """From now on, on every connection, old and new; None mends the road. What was swallowed stays lost, and its connection dead."""
        self._do(lambda: self._set(fault))

    def strike(self, fault: Fault) -> None:
        """On the connections of now that `fault.asked` picks, and on no later one."""
        self._do(lambda: self._strike(fault))

    def reset_all(self) -> None:
        """Reset every connection at once, on both sides."""
        self._do(self._reset_all)

    def requests(self) -> list[bytes]:
        """The latest request line of each open connection."""
        found: list[bytes] = []
        self._do(lambda: found.extend(link.asked for link in self._links))
        return found

    def stop(self) -> None:
        """End every connection, and the thread."""
        if self._thread.is_alive():
            self._do(self._begin_to_stop)
            self._thread.join(_COMMAND_S)

    def _do(self, command: Callable[[], None]) -> None:
        """Have the proxy's thread do it, and wait until it has."""
        done = threading.Event()
        with self._commands_lock:
            self._commands.append((command, done))
        self._waker.send(b"\0")
        if not done.wait(_COMMAND_S):
            raise AssertionError("the rough proxy hangs")

    # --- on the proxy's own thread

    def _run(self) -> None:
        while not self._stopping:
            due = [flow.due_s for link in self._links for flow in link.flows if flow.due_s is not None]
            for key, _ in self.selector.select(max(0.0, min(due) - time.monotonic()) if due else None):
                key.data()
            for link in list(self._links):
                for flow in link.flows:
                    flow.push()
        self._reset_all()
        for sock in (self._listener, self._keeper, self._waker, self._woken, *self._crowd):
            if sock is not None:
                sock.close()
        self.selector.close()

    def _obey(self) -> None:
        self._woken.recv(4096)
        with self._commands_lock:
            commands, self._commands = self._commands, []
        for command, done in commands:
            command()
            done.set()

    def _begin_to_stop(self) -> None:
        self._stopping = True

    def _reset_all(self) -> None:
        for link in list(self._links):
            link.end(reset=True)

    def _set(self, fault: Fault | None) -> None:
        was, self._fault = self._fault, fault
        for link in self._links:
            link.fault = fault
        if was is not None and was.ill in (Ill.REFUSE, Ill.HANG):
            self._listen()
        if fault is not None and fault.ill is Ill.REFUSE:
            self._close_listener()
        elif fault is not None and fault.ill is Ill.HANG:
            self._crowd_out()

    def _strike(self, fault: Fault) -> None:
        for link in self._links:
            if re.search(fault.asked, link.asked):
                link.fault = fault

    def _listen(self) -> None:
        self._close_listener()
        self._listener = _bound(self.port)
        self._listener.listen(_BACKLOG)
        self.selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _close_listener(self) -> None:
        for sock in self._crowd:
            sock.close()
        self._crowd.clear()
        if self._listener is not None:
            if self._listener in self.selector.get_map():
                self.selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _crowd_out(self) -> None:
        """Fill the queue of connections that nobody accepts: the system then leaves every further attempt without an answer."""
        assert self._listener is not None
        self.selector.unregister(self._listener)
        self._listener.listen(0)
        while True:
            sock = socket.socket()
            sock.settimeout(0.1)
            self._crowd.append(sock)
            try:
                sock.connect(("127.0.0.1", self.port))
            except TimeoutError:
                return

    def _accept(self) -> None:
        assert self._listener is not None
        client, _ = self._listener.accept()
        server = socket.socket()
        try:
            server.connect(self._target)
        except OSError:
            server.close()
            _close(client, reset=True)
            return
        self._links.add(_Link(self, client, server, self._fault))

    def forget(self, link: _Link) -> None:
        self._links.discard(link)

    def chance(self) -> float:
        """From 0 up to 1."""
        return self._random.random()


class _Link:
    """One client's connection and the one made for it to the server."""

    def __init__(self, proxy: RoughProxy, client: socket.socket, server: socket.socket, fault: Fault | None) -> None:
        self.proxy = proxy
        self.fault = fault
        self.asked = b""  # the latest request line
        self.is_dead = False  # something was swallowed, and with it goes all that comes after
        self._is_ended = False
        self._sockets = (client, server)
        for sock in self._sockets:
            sock.settimeout(_SEND_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.flows = (_Flow(self, client, server, Way.TO_SERVER), _Flow(self, server, client, Way.TO_CLIENT))

    def end(self, reset: bool) -> None:
        """Close both sides."""
        if self._is_ended:
            return
        self._is_ended = True
        self.proxy.forget(self)
        for flow in self.flows:
            flow.close()
        for sock in self._sockets:
            _close(sock, reset)


class _Flow:
    """One way of a link. While bytes wait, no more are read."""

    def __init__(self, link: _Link, source: socket.socket, sink: socket.socket, way: Way) -> None:
        self.due_s: float | None = None  # when the waiting bytes may go on
        self._link = link
        self._source = source
        self._sink = sink
        self._way = way
        self._waiting = b""
        self._has_ended = False  # and the other side has yet to be told
        self._is_closed = False  # nothing more is to be read
        self._is_read = False
        self._read_on()

    def read(self) -> None:
        """Take in what the source has sent."""
        try:
            piece = self._source.recv(65_536)
        except OSError:
            self._link.end(reset=True)
            return
        self._pause()
        if not piece:
            self._has_ended = self._is_closed = True
            return
        if self._way is Way.TO_SERVER and (found := _REQUEST_LINE.match(piece)):
            self._link.asked = found[0]
        self._waiting = piece

    def push(self) -> None:
        """Pass on what waits, as far as the fault lets it."""
        while self._waiting or self._has_ended:
            fault = self._fault()
            if fault is not None and fault.ill is Ill.SWALLOW:
                self._link.is_dead = True
            if self._link.is_dead:
                self._waiting, self._has_ended = b"", False
            elif fault is not None and fault.ill is Ill.HOLD:
                return
            elif not self._waiting:
                self._link.end(reset=False)
            elif fault is None:
                self._send(len(self._waiting))
            elif fault.ill in (Ill.DELAY, Ill.DRIP):
                if self._is_early(fault):
                    return
                self._send(1 if fault.ill is Ill.DRIP else len(self._waiting))
            else:
                self._send(int(len(self._waiting) * self._link.proxy.chance()))
                self._link.is_dead = True
                if fault.ill is not Ill.UNFINISHED:
                    self._link.end(reset=fault.ill is Ill.RESET)
        self._read_on()

    def close(self) -> None:
        self._is_closed = True
        self._pause()
        self._waiting, self._has_ended, self.due_s = b"", False, None

    def _fault(self) -> Fault | None:
        """What is wrong with this way now, for a connection that exists."""
        fault = self._link.fault
        if fault is None or fault.ill in (Ill.REFUSE, Ill.HANG) or not fault.strikes(self._link.asked, self._way):
            return None
        return fault

    def _is_early(self, fault: Fault) -> bool:
        """Whether the time of what waits has not come."""
        now_s = time.monotonic()
        if self.due_s is None:
            self.due_s = now_s + fault.seconds * (self._link.proxy.chance() if fault.ill is Ill.DELAY else 1)
        return now_s < self.due_s

    def _send(self, count: int) -> None:
        self.due_s = None
        piece, self._waiting = self._waiting[:count], self._waiting[count:]
        try:
            self._sink.sendall(piece)
        except OSError:
            self._link.end(reset=True)

    def _read_on(self) -> None:
        if not self._is_read and not self._is_closed:
            self._is_read = True
            self._link.proxy.selector.register(self._source, selectors.EVENT_READ, self.read)

    def _pause(self) -> None:
        if self._is_read:
            self._is_read = False
            self._link.proxy.selector.unregister(self._source)


def _bound(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock


def _close(sock: socket.socket, reset: bool) -> None:
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
