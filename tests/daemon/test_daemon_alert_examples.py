"""The examples in `etc/alerts`: the sections load, and the program mails."""

from __future__ import annotations

import email
import email.policy
import json
import os
import shutil
import socket
import string
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from mmd.daemon.alerts.delivery import Command, NotDelivered, Origin
from mmd.daemon.alerts.rules import Alert
from mmd.daemon.config import AlertConfig, load_config
from mmd.daemon.config_alerts import BODY_NAMES

EXAMPLES = Path(__file__).parents[2] / "etc" / "alerts"
MESSAGE = Origin("eth", "ETHUSDT", "host1").message(Alert("halt", "trading ends: 25 € lost\nBcc: x@y", {"why": "lost", "n": "1"}, 1_790_000_000.0))


def section(directory: Path, name: str) -> AlertConfig:
    """The example, put into a configuration as its head says."""
    path = directory / "eth.yaml"
    path.write_text("symbol: ETHUSDT\n" + (EXAMPLES / name).read_text(encoding="utf-8"), encoding="utf-8")
    return load_config(path).alerts


def test_every_section_loads(tmp_path: Path) -> None:
    """Each example is a section of a configuration, and none has a secret in it."""
    names = sorted(path.name for path in EXAMPLES.glob("*.yaml"))
    assert names == ["email.yaml", "slack.yaml", "telegram.yaml"]
    for name in names:
        read = section(tmp_path, name)
        assert read.webhook is None
        assert read.losses and read.summary_minute == 420


@pytest.mark.parametrize(("name", "others"), [("slack.yaml", {}), ("telegram.yaml", {"chat_id": 123456789, "disable_web_page_preview": True})])
def test_a_body_says_what_the_service_takes(tmp_path: Path, name: str, others: dict[str, object]) -> None:
    """The text under `text` (Slack: incoming webhooks; Telegram: sendMessage), and for Telegram the chat."""
    template = section(tmp_path, name).body
    assert template is not None
    body = json.loads(string.Template(template).substitute({each: json.dumps(MESSAGE[each]) for each in BODY_NAMES}))
    assert body == {"text": MESSAGE["text"], **others}


class MailServer:
    """Takes one mail, with the few words of SMTP that it takes; refuses recipients at example.com, and goes away rather than say goodbye."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"smtp://127.0.0.1:{self._server.getsockname()[1]}"
        self.recipients: list[str] = []
        self.mail = b""
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection, connection.makefile("rwb", buffering=0) as file:
            file.write(b"220 here\r\n")
            while line := file.readline():
                word = line[:4].upper().strip()
                if word == b"DATA":
                    file.write(b"354 go on\r\n")
                    while (line := file.readline()) not in (b".\r\n", b""):
                        self.mail += line
                if word == b"QUIT":
                    return
                if word == b"RCPT":
                    self.recipients.append(line.decode().strip())
                file.write(b"550 no\r\n" if b"example.com" in line and word == b"RCPT" else b"250 fine\r\n")

    def close(self) -> None:
        self._thread.join(20)
        self._server.close()


def mail_to(recipient: str, variables: dict[str, str], program: Path = EXAMPLES / "email") -> None:
    Command((sys.executable, str(program), recipient), {"PATH": os.environ["PATH"], **variables}).deliver(MESSAGE, 20)


def test_the_program_mails_an_alert() -> None:
    """One mail with what the alert says, whatever characters that holds, and no header from its text."""
    with closing(MailServer()) as server:
        mail_to("you@example.org", {"SMTP_URL": server.url, "MAIL_FROM": "mmd@example.net"})
    message = email.message_from_bytes(server.mail, policy=email.policy.default)
    assert (message["Subject"], message["From"], message["To"], message["Bcc"]) == ("[mmd eth] halt", "mmd@example.net", "you@example.org", None)
    assert message.get_content().splitlines() == [MESSAGE["text"], "", "why: lost", "n: 1", "", "at 2026-09-21T14:13:20Z on host1"]
    assert server.recipients == ["rcpt TO:<you@example.org>"]


@pytest.mark.parametrize("place", ["credential", "env file"])
def test_the_mail_server_is_found_where_keys_are(tmp_path: Path, place: str) -> None:
    """As a file among systemd's credentials, or as a line of the file `.env` above the program."""
    (tmp_path / "alerts").mkdir()
    program = Path(shutil.copy(EXAMPLES / "email", tmp_path / "alerts"))
    with closing(MailServer()) as server:
        variables = {}
        if place == "credential":
            (tmp_path / "SMTP_URL").write_text(f"{server.url}\n")
            variables = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
        else:
            (tmp_path / ".env").write_text(f"ASTER_API_KEY=x\nSMTP_URL='{server.url}'\n")
        mail_to("you@example.org", variables, program)
    assert server.mail


def test_a_mail_that_is_not_taken_is_a_failure() -> None:
    """A refused recipient, a server that is not there, and an address that is none: told without the address, which may hold a password."""
    with closing(MailServer()) as server, pytest.raises(NotDelivered, match="ended with 1: not sent: SMTPRecipientsRefused"):
        mail_to("you@example.com", {"SMTP_URL": server.url})
    for url in (server.url, "smtp://", "https://me:passw0rd@host", "smtp+tls://me:passw0rd@127.0.0.1:1"):
        with pytest.raises(NotDelivered, match="ended with 1: not sent: ") as caught:
            mail_to("you@example.org", {"SMTP_URL": url})
        assert "passw0rd" not in str(caught.value)


def test_the_program_says_how_it_is_used() -> None:
    """Without a recipient; and it may be run as it lies there."""
    assert os.access(EXAMPLES / "email", os.X_OK)
    ran = subprocess.run([sys.executable, EXAMPLES / "email"], capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL)
    assert (ran.returncode, ran.stderr[:13]) == (64, "usage: email ")
