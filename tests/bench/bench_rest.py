"""A signed POST order over one lane beside plain `requests.Session.request`: `python tests/bench/bench_rest.py`.

Everything runs in one go against the same bare server in another process, in turns, and what counts are the ratios.
"""

from __future__ import annotations

import hashlib
import hmac
import multiprocessing
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmd.venue.clock import VenueClock
from mmd.venue.endpoints import V1, Call
from mmd.venue.rest import RestClient
from mmd.venue.signing import V1Signer

KEY, SECRET = "k" * 64, "s" * 64
ORDER = [
    ("symbol", "ETHUSDT"), ("side", "BUY"), ("type", "LIMIT"), ("timeInForce", "GTX"), ("quantity", "0.100"), ("price", "2681.62"),
    ("newClientOrderId", "mmd-1"), ("newOrderRespType", "RESULT"),
]  # fmt: skip
BODY = b'{"clientOrderId":"mmd-1","orderId":1,"symbol":"ETHUSDT","status":"NEW","price":"2681.62","origQty":"0.100","executedQty":"0"}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-MBX-USED-WEIGHT-1M: 12\r\nX-MBX-ORDER-COUNT-1M: 3\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY)
) + BODY


def serve(listener: socket.socket) -> None:
    """Answers each whole request with the same bytes."""

    def one(sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = b""
        while chunk := sock.recv(65_536):
            data += chunk
            head, end, body = data.partition(b"\r\n\r\n")
            lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if end and len(body) >= int(lengths[0]):
                data = b""
                sock.sendall(ANSWER)

    while True:
        threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()


def contestants(port: int) -> dict[str, Callable[[], Any]]:
    """What is compared; each signs, sends, receives and parses one order."""
    url = f"http://127.0.0.1:{port}"
    clock = VenueClock()
    clock.observe(time.time_ns() // 1_000_000, 0, 0)
    lane = RestClient(url, V1, V1Signer(KEY, SECRET), clock)

    def plain(session: requests.Session) -> Callable[[], Any]:
        def post() -> Any:
            payload = urlencode([*ORDER, ("recvWindow", "5000"), ("timestamp", str(time.time_ns() // 1_000_000))])
            signature = hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()
            headers = {"X-MBX-APIKEY": KEY, "Content-Type": "application/x-www-form-urlencoded"}
            return session.request("POST", url + "/fapi/v1/order", data=f"{payload}&signature={signature}", headers=headers, timeout=5).json()

        return post

    without_environment = requests.Session()
    without_environment.trust_env = False
    raw = socket.create_connection(("127.0.0.1", port))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = b"POST /fapi/v1/order HTTP/1.1\r\nContent-Length: 300\r\n\r\n" + b"x" * 300

    def bare() -> Any:
        raw.sendall(request)
        return raw.recv(65_536)

    return {
        "lane": lambda: lane.call(Call.PLACE, ORDER),
        "plain requests": plain(requests.Session()),
        "plain requests, trust_env off": plain(without_environment),
        "bare socket": bare,
    }


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    server = multiprocessing.get_context("fork").Process(target=serve, args=(listener,), daemon=True)
    server.start()
    try:
        times: dict[str, list[float]] = {}
        for name, post in (turns := contestants(listener.getsockname()[1])).items():
            for _ in range(100):
                post()
            times[name] = []
        for _ in range(10):
            for name, post in turns.items():
                for _ in range(100):
                    began = time.perf_counter()
                    post()
                    times[name].append(time.perf_counter() - began)
    finally:
        server.kill()
    medians = {name: statistics.median(each) * 1e6 for name, each in times.items()}
    for name, median in medians.items():
        print(f"{name:32} {median:7.1f} us   lane / this = {medians['lane'] / median:.2f}")


if __name__ == "__main__":
    main()
