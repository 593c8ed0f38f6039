"""The control socket and the server behind it and the web page: who may connect, what clients may do to it, and what is left afterwards."""

from __future__ import annotations

import os
import random
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from status_rig import connected, eth_source, eth_view, exchange, get, read_all, running

from mmd.core.errors import ConfigError, MmdError
from mmd.daemon.status import control_client
from mmd.daemon.status import server as web_server
from mmd.daemon.status.control import ControlServer, control_path
from mmd.daemon.status.control_client import ControlClient, NotRunning
from mmd.daemon.status.pages import routes
from mmd.daemon.status.server import Answer, BoundedServer, Routes


@pytest.fixture
def pages(tmp_path: Path) -> Routes:
    return routes(eth_source(tmp_path, eth_view())[0])


@pytest.fixture
def path(tmp_path: Path, pages: Routes) -> Iterator[Path]:
    """A served control socket."""
    with running(ControlServer(pages, tmp_path / "eth.sock")):
        yield tmp_path / "eth.sock"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not wait long."""
    monkeypatch.setattr(web_server, "DEADLINE_S", 0.6)
    monkeypatch.setattr(BoundedServer, "timeout", 0.1)


def test_the_socket_is_its_owner_s_alone_whatever_the_umask(tmp_path: Path, pages: Routes) -> None:
    """Mode 0600 with a umask of 0, and the file is gone once the server has stopped."""
    path = tmp_path / "eth.sock"
    before = os.umask(0)
    try:
        server = ControlServer(pages, path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with running(server):
        assert get(path, "/status.json")[0] == 200
    assert not path.exists()


def test_the_mode_is_right_before_anybody_could_connect(tmp_path: Path, pages: Routes, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the moment of bind, without the chmod that follows it, the file is 0600 already."""
    monkeypatch.setattr(os, "chmod", lambda *arguments: None)
    before = os.umask(0)
    try:
        server = ControlServer(pages, tmp_path / "eth.sock")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "eth.sock").stat().st_mode) == 0o600
    with running(server):
        pass


def test_the_socket_of_a_dead_daemon_is_replaced(tmp_path: Path, pages: Routes) -> None:
    """What kill -9 leaves behind is in nobody's way."""
    path = tmp_path / "eth.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    with running(ControlServer(pages, path)):
        assert get(path, "/healthz")[0] == 200


def test_a_living_daemon_is_not_pushed_aside(path: Path, pages: Routes) -> None:
    """The second one is refused, and the first goes on."""
    with pytest.raises(ConfigError, match="running already"):
        ControlServer(pages, path)
    assert get(path, "/healthz")[0] == 200


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path, pages: Routes) -> None:
    """It is somebody's; the error names it."""
    path = tmp_path / "eth.sock"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="no socket"):
        ControlServer(pages, path)
    assert path.read_text() == "precious"


def test_a_directory_that_cannot_hold_it_is_named(tmp_path: Path, pages: Routes) -> None:
    """An error of the start, with the path in it."""
    with pytest.raises(ConfigError, match=r"absent/eth\.sock: the control socket cannot be made"):
        ControlServer(pages, tmp_path / "absent" / "eth.sock")


def test_another_s_socket_in_our_place_is_not_removed(tmp_path: Path, pages: Routes) -> None:
    """Only the file that we made goes when we go."""
    path = tmp_path / "eth.sock"
    server = ControlServer(pages, path)
    path.unlink()
    path.write_text("another's")
    with running(server):
        pass
    assert path.read_text() == "another's"


def test_a_path_longer_than_a_socket_address_works(tmp_path: Path, pages: Routes) -> None:
    """sockaddr_un has room for 107 bytes; server and client reach further."""
    directory = tmp_path / ("d" * 120)
    directory.mkdir()
    path = directory / "eth.sock"
    with running(ControlServer(pages, path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert ControlClient("eth", {"STATE_DIRECTORY": str(directory)}).status()["daemon"]["symbol"] == "ETHUSDT"
        with pytest.raises(ConfigError, match="running already"):
            ControlServer(pages, path)
    assert not path.exists()


def test_systemd_s_runtime_directory_comes_before_the_state_directory(tmp_path: Path) -> None:
    """$RUNTIME_DIRECTORY, then $STATE_DIRECTORY."""
    state = {"STATE_DIRECTORY": str(tmp_path)}
    assert control_path("eth", state) == tmp_path / "eth.sock"
    assert control_path("eth", state | {"RUNTIME_DIRECTORY": "/run/mmd"}) == Path("/run/mmd/eth.sock")


def test_curl_can_ask(path: Path) -> None:
    """The socket speaks HTTP as a stock client does."""
    found = subprocess.run(
        ["curl", "-sS", "--max-time", "5", "--unix-socket", str(path), "http://localhost/healthz"], capture_output=True, text=True, check=True
    )
    assert '"state": "quote"' in found.stdout


def test_the_client_finds_a_socket_elsewhere_and_tells_the_ways_to_fail_apart(tmp_path: Path, pages: Routes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where units keep theirs it is found without variables; nobody there, no access, and no answer are different errors."""
    elsewhere, state = tmp_path / "run", {"STATE_DIRECTORY": str(tmp_path / "state")}
    elsewhere.mkdir()
    client = ControlClient("eth", state, [str(elsewhere)])
    with pytest.raises(NotRunning, match=r"run/eth\.sock"):
        client.status()
    with running(ControlServer(pages, elsewhere / "eth.sock")):
        assert client.status()["schema"] == 1
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(elsewhere / "eth.sock"))
        mute.listen()
        monkeypatch.setattr(control_client, "_TIMEOUT_S", 0.2)
        with pytest.raises(MmdError, match="does not answer"):
            client.status()
    monkeypatch.setattr(control_client, "ask", refuse)
    with pytest.raises(MmdError, match="another user's"):
        client.status()


def refuse(path: Path) -> dict[str, object]:
    raise PermissionError(13, "Permission denied")


def test_head_is_get_without_the_body(path: Path) -> None:
    """Same headers, its length among them."""
    status, headers, body = get(path, "/", method="HEAD")
    whole = get(path, "/")
    assert (status, body) == (200, b"")
    assert headers["content-length"] == str(len(whole[2])) == whole[1]["content-length"]


@pytest.mark.parametrize(("request_", "status"), [
    (b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    (b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    (b"GET /page.py HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    (b"GET //[ HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    (b"POST /status.json HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", 405),
    (b"DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
    (b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /\r\n\r\n", 400),
    (b"GET / HTTP/9.9\r\n\r\n", 505),
    (b"GET / HTTP/x\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(150)) + b"\r\n", 431),
    (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000, 405),
])
def test_what_is_no_request_for_a_page_is_refused_cleanly(path: Path, request_: bytes, status: int) -> None:
    """The right status, one plain line, no traceback, and nothing of the request in the answer."""
    found = exchange(path, request_)
    assert found.startswith(b"HTTP/1.1 %d " % status), found[:100]
    head, _, body = found.partition(b"\r\n\r\n")
    assert b"text/plain" in head and b"nosniff" in head
    assert body.count(b"\n") == 1 and b"passwd" not in found and b"Traceback" not in found and b"aaaa" not in body


def test_a_405_says_what_is_allowed(path: Path) -> None:
    """RFC 9110: with the Allow header."""
    assert get(path, "/", method="PUT")[1]["allow"] == "GET, HEAD"


def test_garbage_never_brings_it_down(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Random bytes with a request's fragments in them, cut anywhere: it still answers afterwards, and writes no traceback anywhere."""
    pieces = [b"GET ", b"/ ", b"HTTP/1.1", b"\r\n", b"Host: localhost", b"\x00", b"\xff\xfe", b"Transfer-Encoding: chunked", b":", b" ", b"%"]
    for seed in range(60):
        generator = random.Random(seed)
        with connected(path) as client:
            client.settimeout(0.5)
            client.sendall(b"".join(generator.choice(pieces) for _ in range(generator.randrange(1, 40))))
            client.shutdown(socket.SHUT_WR)
            found = read_all(client)
            assert found == b"" or found.startswith(b"HTTP/1.1 "), (seed, found[:80])
    assert get(path, "/healthz")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_client_that_drips_is_cut_off(hasty: None, path: Path) -> None:
    """A byte now and then keeps no thread: after its time the connection is over, however busy it looked."""
    began = time.monotonic()
    with connected(path) as client:
        for _ in range(100):
            try:
                client.sendall(b"a")
            except OSError:
                break
            time.sleep(0.05)
        assert time.monotonic() - began < 3
    assert get(path, "/healthz")[0] == 200


def test_a_client_that_does_not_read_is_cut_off(hasty: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that nobody takes blocks its own thread alone, and that not for ever."""
    big = Answer(web_server.HTTPStatus.OK, "text/plain", b"x" * (8 << 20))
    path = tmp_path / "big.sock"
    with running(ControlServer({"/": lambda: big}, path)), connected(path) as client:
        before = threading.active_count()
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        deadline = time.monotonic() + 5
        time.sleep(0.2)
        assert threading.active_count() == before + 1
        while threading.active_count() > before:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_hundred_at_once_are_all_answered_at_a_bounded_rate(path: Path) -> None:
    """Everybody gets an answer, in turn: a flood takes its share of the processor and no more."""
    answers: list[bytes] = []
    barrier = threading.Barrier(100)

    def client() -> None:
        barrier.wait()
        answers.append(exchange(path, b"GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n"))

    clients = [threading.Thread(target=client) for _ in range(100)]
    began = time.monotonic()
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    assert len(answers) == 100 and all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
    assert time.monotonic() - began > 0.95 * 99 / web_server.MAX_PER_SECOND


def test_more_than_may_be_connected_have_no_threads_of_their_own(path: Path) -> None:
    """Forty silent clients hold as many threads as there may be connections; the rest wait outside."""
    before = threading.active_count()
    idle = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    try:
        for each in idle:
            each.connect(str(path))
        time.sleep(0.8)  # in which all forty could have been let in
        assert threading.active_count() - before == web_server.MAX_CONNECTIONS
    finally:
        for each in idle:
            each.close()


def test_idle_connections_do_not_keep_others_out_for_long(hasty: None, path: Path) -> None:
    """As many as may connect say nothing; the next one gets its answer once their time is up."""
    idle = [socket.socket(socket.AF_UNIX) for _ in range(web_server.MAX_CONNECTIONS)]
    try:
        for each in idle:
            each.connect(str(path))
        began = time.monotonic()
        assert get(path, "/healthz")[0] == 200
        assert time.monotonic() - began < 3
    finally:
        for each in idle:
            each.close()


def test_stopping_is_at_once_with_clients_connected(tmp_path: Path, pages: Routes) -> None:
    """Neither waiting for a connection nor a silent client holds up the end of the process."""
    server = ControlServer(pages, tmp_path / "eth.sock")
    thread = threading.Thread(target=server.run)
    thread.start()
    with connected(tmp_path / "eth.sock"):
        time.sleep(0.1)
        began = time.monotonic()
        server.stop()
        thread.join(5)
        assert time.monotonic() - began < 0.5


def test_a_server_that_was_stopped_before_it_ran_ends(tmp_path: Path, pages: Routes) -> None:
    """And its file is gone."""
    server = ControlServer(pages, tmp_path / "eth.sock")
    server.stop()
    server.run()
    assert not (tmp_path / "eth.sock").exists()


def test_a_page_that_fails_is_told_and_the_others_are_served(tmp_path: Path, pages: Routes, caplog: pytest.LogCaptureFixture) -> None:
    """A defect of ours: one warning in the log, nothing on the wire but the end of it."""

    def broken() -> Answer:
        raise ZeroDivisionError("of ours")

    path = tmp_path / "eth.sock"
    with running(ControlServer({**pages, "/broken": broken}, path)):
        assert exchange(path, b"GET /broken HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""
        assert get(path, "/healthz")[0] == 200
    assert [record.getMessage() for record in caplog.records] == ["status_failed"]
