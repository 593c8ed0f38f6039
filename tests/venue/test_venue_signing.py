"""Signatures: the document's worked example, the order of the payload, and silence about the secret."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qsl

import pytest

from mmd.venue.signing import V1Signer, urlencode

KEY = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
ORDER = [("symbol", "BTCUSDT"), ("side", "BUY"), ("type", "LIMIT"), ("quantity", "1"), ("price", "9000"), ("timeInForce", "GTC")]


def test_the_documents_worked_example_signs_to_the_documents_signature() -> None:
    """V1 "SIGNED Endpoint Examples for POST /fapi/v1/order", example 1 and 2."""
    payload = V1Signer(KEY, SECRET).sign(ORDER, 1591702613943)
    assert payload == (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943"
        "&signature=3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
    )


def test_the_key_goes_into_the_head_and_nowhere_else() -> None:
    """The API key is sent as `X-MBX-APIKEY` and is not part of the payload."""
    signer = V1Signer(KEY, SECRET)
    assert signer.headers == {"X-MBX-APIKEY": KEY}
    assert KEY not in signer.sign(ORDER, 1)


def test_a_signer_signs_every_payload_afresh() -> None:
    """Signing twice gives what two new signers would give: nothing of one payload leaks into the next."""
    signer = V1Signer("k", "s")
    for time_ms in (1, 2, 1):
        assert signer.sign(ORDER, time_ms) == V1Signer("k", "s").sign(ORDER, time_ms)


def test_no_parameters_still_make_a_signed_payload() -> None:
    """A call without parameters of its own is signed over recvWindow and timestamp."""
    body, _, signature = V1Signer("k", "s", 1234).sign([], 99).partition("&signature=")
    assert body == "recvWindow=1234&timestamp=99"
    assert signature == hmac.new(b"s", body.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("value", ["a b&c=d", "ä/:+%", "mmd-1.x_y", "", "²"])
def test_values_survive_the_encoding(value: str) -> None:
    """Whatever a value holds, it is plain ASCII on the wire and decodes to itself."""
    encoded = urlencode([("x", value), ("y", "1")])
    assert encoded.isascii()
    assert parse_qsl(encoded, keep_blank_values=True) == [("x", value), ("y", "1")]


@pytest.mark.parametrize("window", [0, -1, 60_001])
def test_a_window_that_the_venue_refuses_is_refused_here(window: int) -> None:
    """recvWindow is at least 1 ms and at most 60 s."""
    with pytest.raises(ValueError, match="recv_window_ms"):
        V1Signer("k", "s", window)


def test_no_secret_shows() -> None:
    """Neither key nor secret can be seen by printing a signer."""
    signer = V1Signer(KEY, SECRET)
    for shown in (repr(signer), str(signer), f"{signer}"):
        assert KEY[:6] not in shown and SECRET[:6] not in shown
