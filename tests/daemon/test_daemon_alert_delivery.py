"""The ways out of an alert: what is sent, what counts as taken, and that nobody can hold the sender for long."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from alert_rig import hook

from mmd.daemon.alerts.delivery import Command, NotDelivered, Origin, Webhook, tokens_in
from mmd.daemon.alerts.rules import Alert
from mmd.daemon.logs.redaction import conceal

OPENSSL = shutil.which("openssl")
ALERT = Alert("halt", 'trading ends: "lost" 25 €\nline two', {"why": "a \x1b[31m b"}, 1_790_000_000.0)
MESSAGE = Origin("eth", "ETHUSDT", "host1").message(ALERT)


def test_a_message_is_one_line_without_secrets() -> None:
    """It says whose it is; control characters are gone, secrets struck out, and its length is bounded."""
    conceal(["s3cr3t-of-the-message"])
    message = Origin("eth", "ETHUSDT", "host1").message(ALERT._replace(text="lost\n25 s3cr3t-of-the-message" + "x" * 9000, fields={"why": "s3cr3t-of-the-message\x07"}))
    assert str(message["text"]).startswith("mmd eth (ETHUSDT) on host1: lost 25 ***xxx")
    assert len(str(message["text"])) == 3000
    assert message["fields"] == {"why": "*** "}
    assert (message["kind"], message["time"]) == ("halt", "2026-09-21T14:13:20Z")


def test_a_webhook_gets_json() -> None:
    """A POST to the whole address, with the message as JSON."""
    with hook() as served:
        Webhook(served.url).deliver(MESSAGE, 5)
        assert served.bodies == [MESSAGE]
        assert served.requests[0].startswith("POST /services/T0123456789/t0ken-of-the-hook?thread=7-secret-query HTTP/1.1\r\n")
        assert "content-type: application/json" in served.requests[0].lower()


def test_a_template_becomes_the_body() -> None:
    """Each name stands for JSON of its own, whatever the text holds."""
    template = '{"chat_id": -100123, "text": $text, "cost": "$$5", "all": [$kind, $config, $symbol, $host, $time, $fields]}'
    with hook() as served:
        Webhook(served.url, template).deliver(MESSAGE, 5)
        assert served.bodies == [{"chat_id": -100123, "text": MESSAGE["text"], "cost": "$5",
                                  "all": [MESSAGE[name] for name in ("kind", "config", "symbol", "host", "time", "fields")]}]


@pytest.mark.parametrize(("status", "for_good", "after_s"), [
    ("500 Oops", False, 0), ("503 Later\r\nRetry-After: 7", False, 7), ("429 Slow\r\nRetry-After: 99999999", False, 3600), ("429 Slow\r\nRetry-After: soon", False, 0),
    ("302 There\r\nLocation: http://127.0.0.1:1/", True, 0), ("404 No", True, 0), ("403 No", True, 0),
])
def test_only_success_counts_as_taken(status: str, for_good: bool, after_s: float) -> None:
    """Servers in trouble are to be asked again, when they say so later; a refusal or a redirect is for good, and not followed."""
    with hook(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n") as served, pytest.raises(NotDelivered) as caught:
        Webhook(served.url).deliver(MESSAGE, 5)
    assert (str(caught.value), caught.value.for_good, caught.value.after_s) == (f"answered {status[:3]}", for_good, after_s)


@pytest.mark.parametrize(("answer", "why"), [("reset", "ConnectionResetError: Connection reset by peer"), ("hang", "."), ("drip", "."), ("garbage\r\n\r\n", "BadStatusLine")])
def test_whatever_the_server_does_ends_in_time(answer: str, why: str) -> None:
    """A reset, silence, a drip and garbage are failures to try again after, told without the address, soon after the time given."""
    with hook(answer) as served:
        begun = time.monotonic()
        with pytest.raises(NotDelivered) as caught:
            Webhook(served.url).deliver(MESSAGE, 0.5)
        assert time.monotonic() - begun < 3
    assert not caught.value.for_good
    assert why in str(caught.value) or why == "."
    assert "t0ken" not in str(caught.value)


def test_nobody_there_is_a_failure() -> None:
    """A refused connection, and a name that is none."""
    with hook() as served:
        url = served.url
    for unreachable in (url, "https://nowhere.invalid/x"):
        with pytest.raises(NotDelivered):
            Webhook(unreachable).deliver(MESSAGE, 2)


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
def test_a_certificate_must_be_good(tmp_path: Path) -> None:
    """A server whose certificate nobody vouches for is told nothing, not even where the alert was to go."""
    names = ("-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert"), "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    subprocess.run([str(OPENSSL), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names], check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    said: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                said.append(context.wrap_socket(connection, server_side=True).recv(100))

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(NotDelivered, match="SSLCertVerificationError"):
            Webhook(f"https://localhost:{server.getsockname()[1]}/x").deliver(MESSAGE, 10)
        thread.join(10)
    assert said in ([], [b""])


def test_the_tokens_of_an_address_are_known() -> None:
    """The whole, what follows the host, and each long part; short words such as `services` are no tokens."""
    assert set(tokens_in("https://hooks.slack.com/services/T01234567/abcdefghijklmnop1234?k=0123456789abcdef0")) == {
        "https://hooks.slack.com/services/T01234567/abcdefghijklmnop1234?k=0123456789abcdef0", "/services/T01234567/abcdefghijklmnop1234?k=0123456789abcdef0",
        "abcdefghijklmnop1234", "0123456789abcdef0"}


def script(directory: Path, text: str) -> tuple[str, ...]:
    path = directory / "tell.py"
    path.write_text(text)
    return (sys.executable, str(path), "me@example.org")


def test_a_command_gets_json_and_variables_and_no_keys(tmp_path: Path) -> None:
    """The message on standard input and as MMD_*, its arguments as they are, and nothing of the exchange's keys."""
    words = script(tmp_path, f"import json, os, sys\njson.dump([sys.argv[1:], json.load(sys.stdin), dict(os.environ)], open({str(tmp_path / 'told')!r}, 'w'))")
    environ = {"PATH": os.environ["PATH"], "ASTER_API_KEY": "k", "ASTER_SIGNER_KEY": "s", "MMD_ALERT_WEBHOOK": "https://x", "TELEGRAM_TOKEN": "mine"}
    Command(words, environ).deliver(MESSAGE, 10)
    arguments, message, seen = json.loads((tmp_path / "told").read_text())
    assert (arguments, message) == (["me@example.org"], MESSAGE)
    assert {name: seen[name] for name in seen if name.startswith("MMD_")} == {f"MMD_{name.upper()}": value for name, value in MESSAGE.items() if name != "fields"}
    assert seen["TELEGRAM_TOKEN"] == "mine"
    assert not [name for name in seen if name.startswith("ASTER_")]


@pytest.mark.parametrize(("text", "why"), [
    ("import sys; print('first', file=sys.stderr); print('no \\x07 route', file=sys.stderr); sys.exit(3)", "ended with 3: no   route"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended with -9"),
    ("import sys; sys.stderr.write('x' * 10_000_000); sys.exit(1)", "ended with 1: xxx"),
    ("import time; time.sleep(60)", "had not ended after"),
    ("import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])", "had not ended after"),
])
def test_a_command_that_fails_or_hangs_is_a_failure(tmp_path: Path, text: str, why: str) -> None:
    """With its exit code and its last words, bounded; what hangs is killed, with what it has started."""
    begun = time.monotonic()
    with pytest.raises(NotDelivered) as caught:
        Command(script(tmp_path, text), os.environ).deliver(MESSAGE, 2)
    assert str(caught.value).startswith(why)
    assert len(str(caught.value)) < 400
    assert time.monotonic() - begun < 10


def test_a_command_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    """As is one that may not be run."""
    (tmp_path / "plain").write_text("x")
    for path, why in ((tmp_path / "absent", "No such file"), (tmp_path / "plain", "Permission denied")):
        with pytest.raises(NotDelivered, match=why):
            Command((str(path),), os.environ).deliver(MESSAGE, 2)


def test_a_command_that_reads_nothing_is_no_failure(tmp_path: Path) -> None:
    """It may do with the variables alone."""
    Command(script(tmp_path, "pass"), os.environ).deliver({**MESSAGE, "text": "x" * 100_000}, 10)
