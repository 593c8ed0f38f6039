"""The rules of one symbol, and small servers that do exactly what a test tells them."""

from __future__ import annotations

import base64
import hashlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mmd.core.rules import SymbolRules
from mmd.core.units import Grid

Script = Callable[[socket.socket, bytes], None]


@pytest.fixture
def rules() -> SymbolRules:
    return SymbolRules(
        symbol="ETHUSDT", status="TRADING", base_asset="ETH", quote_asset="USDT", margin_asset="USDT", price=Grid("0.01"), size=Grid("0.001"),
        min_price_ticks=1, max_price_ticks=10**8, min_size_lots=1, max_size_lots=10**7, min_notional=Decimal(5),
        multiplier_up=Decimal("1.15"), multiplier_down=Decimal("0.85"), weight_per_minute=2400, orders_per_minute=1200,
    )  # fmt: skip


@dataclass
class ScriptedServer:
    """Reads whole HTTP requests on 127.0.0.1 and hands each, with its socket, to the next script; the last script serves for ever.

    A script that wants the connection kept returns, one that wants it cut closes the socket.
    """

    scripts: list[Script]
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.released = threading.Event()  # set at the end of the test: a script that hangs waits for it
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.released.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(5)
        self._listener.close()
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive(), "a script does not end"

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._sockets.append(sock)
                self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            try:
                while (request := read_request(sock)) is not None:
                    with self._lock:
                        self.requests.append(request)
                        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
                    script(sock, request)
            except OSError:
                pass  # The client hung up, or the script closed the socket.


def read_request(sock: socket.socket) -> bytes | None:
    """One HTTP request with its body, or None at the end of the stream."""
    data = b""
    while True:
        head, separator, rest = data.partition(b"\r\n\r\n")
        if separator:
            lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if len(rest) >= (int(lengths[0]) if lengths else 0):
                return data
        chunk = sock.recv(65_536)
        if not chunk:
            return None
        data += chunk


def answer(body: bytes, status: int = 200, *headers: str) -> Script:
    """An ordinary HTTP answer."""
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} Word", f"Content-Length: {len(body)}", *headers, ""))
    return lambda sock, _: sock.sendall(head.encode() + body)


def websocket_handshake(sock: socket.socket, request: bytes) -> None:
    """Accept the upgrade; what follows is the script's."""
    key = next(line.split(b":")[1].strip() for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")


def frame(payload: bytes, opcode: int = 1, fin: bool = True) -> bytes:
    """One WebSocket frame as a server sends it (RFC 6455, section 5.2)."""
    length = len(payload)
    size = bytes([length]) if length < 126 else b"\x7e" + length.to_bytes(2, "big") if length < 65_536 else b"\x7f" + length.to_bytes(8, "big")
    return bytes([(0x80 if fin else 0) | opcode]) + size + payload


def read_frame(sock: socket.socket) -> tuple[int, bytes] | None:
    """One short masked frame of a client: opcode and payload; None at the end of the stream."""
    data = b""
    while len(data) < 6 or len(data) < 6 + (data[1] & 0x7F):
        chunk = sock.recv(65_536)
        if not chunk:
            return None
        data += chunk
    mask, payload = data[2:6], data[6:]
    return data[0] & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    servers: list[ScriptedServer] = []

    def start(*scripts: Script) -> ScriptedServer:
        servers.append(ScriptedServer(list(scripts)))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@dataclass
class Tools:
    """The functions above, for tests: a conftest cannot be imported by name."""

    answer: Callable[..., Script] = answer
    websocket_handshake: Callable[[socket.socket, bytes], None] = websocket_handshake
    frame: Callable[..., bytes] = frame
    read_frame: Callable[[socket.socket], Any] = read_frame


@pytest.fixture
def wire() -> Tools:
    return Tools()


class SelfSigned(NamedTuple):
    context: ssl.SSLContext
    certificate: str


@pytest.fixture(scope="session")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> SelfSigned:
    """A server's TLS context whose certificate for 127.0.0.1 nobody vouches for, and the file that would have to be trusted."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    folder: Path = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return SelfSigned(context, str(folder / "certificate.pem"))
