"""What may stand in a log."""

from __future__ import annotations

import random
import socket
import string

import pytest

from mmd.venue.redaction import describe, redact

SIGNATURE = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"


@pytest.mark.parametrize(
    "text",
    [
        f"HTTPSConnectionPool(host='x', port=443): Max retries exceeded with url: /fapi/v1/order?symbol=A&signature={SIGNATURE} (Caused by …)",
        f"signature={SIGNATURE}",
        f"signature: '{SIGNATURE[:12]}'",
        f"{{'X-MBX-APIKEY': '{SIGNATURE}'}}",
        f"wss://fstream.asterdex.com/ws/{SIGNATURE}",
        f"listenKey={SIGNATURE[:20]}&x=1",
        f"word {SIGNATURE}{SIGNATURE} word",
    ],
)
def test_secrets_do_not_survive(text: str) -> None:
    """Signatures, keys, listen keys and queries are replaced, named or not."""
    assert SIGNATURE[:12] not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "Timestamp for this request is outside of the recvWindow.",
        "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed.",
        "Way too many requests; IP banned until 1723075200000. Please use the websocket",
        "ClientOrderId mmd-0123456789abcdef0123456789abcdef is duplicated.",
        "Signature for this request is not valid.",
    ],
)
def test_what_an_operator_needs_survives(text: str) -> None:
    """The venue's own messages, with times and client order ids, stay readable."""
    assert redact(text) == text


def test_a_page_becomes_one_short_line() -> None:
    """HTML of any length is cut to one line within the limit."""
    shown = redact("<html>\r\n<body>\x1b[31mBad gateway\n" * 10_000)
    assert len(shown) <= 200 and "\n" not in shown and "\x1b" not in shown


@pytest.mark.parametrize("seed", range(30))
def test_a_secret_anywhere_in_noise_is_gone(seed: int) -> None:
    """Wherever a 64-character secret stands in noise, no 12 characters of it in a row get through."""
    generator = random.Random(seed)
    secret = "".join(generator.choices(string.ascii_letters + string.digits, k=64))
    noise = ["".join(generator.choices(string.ascii_lowercase + " ,.;:/?&='\"", k=generator.randint(0, 300))) for _ in range(2)]
    shown = redact(f"{noise[0]} {secret} {noise[1]}", limit=generator.choice([50, 200, 1000]))
    assert not any(secret[i : i + 12] in shown for i in range(53)), f"seed {seed}"


def test_an_exception_is_told_by_its_innermost_cause() -> None:
    """The libraries' texts hold URLs; the kind of the cause and the system's word for it do not."""
    try:
        try:
            raise ConnectionRefusedError(111, "Connection refused")
        except OSError as cause:
            raise RuntimeError(f"https://x/?signature={SIGNATURE}") from cause
    except RuntimeError as error:
        assert describe(error) == "ConnectionRefusedError: Connection refused"
    assert describe(ValueError(f"signature={SIGNATURE}")) == "ValueError"
    assert describe(socket.gaierror(-2, "Name or service not known")) == "gaierror: Name or service not known"
