"""Keys, signatures and the time window of signed requests."""

from __future__ import annotations

import pytest

from mmd.paper.authority import Authority, Request, Security, sign
from mmd.paper.parameters import sent_parameters
from mmd.paper.refusals import Refused

NOW_MS = 1_591_702_613_943
KEY, SECRET = "paper", "s3cret"
AUTHORITY = Authority({KEY: SECRET})


def authenticate(request: Request, security: Security = Security.TRADE, now_ms: int = NOW_MS) -> str | None:
    return AUTHORITY.authenticate(request, security, sent_parameters(request.query, request.body), now_ms)


def refusal_of(request: Request, security: Security = Security.TRADE, now_ms: int = NOW_MS) -> Refused:
    with pytest.raises(Refused) as caught:
        authenticate(request, security, now_ms)
    return caught.value


def signed(query: str = "", body: str = "", signature_in: str = "query", secret: str = SECRET) -> Request:
    signature = sign(secret, query, body)
    if signature_in == "query":
        query = f"{query}&signature={signature}" if query else f"signature={signature}"
    else:
        body = f"{body}&signature={signature}" if body else f"signature={signature}"
    return Request("POST", "/fapi/v1/order", query, body, KEY)


def test_the_documents_own_example_verifies() -> None:
    """The signature printed in V1 "SIGNED Endpoint Examples", of a query and of a body."""
    secret = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
    whole = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000&timestamp=1591702613943"
    assert sign(secret, whole) == sign(secret, "", whole) == "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"


@pytest.mark.parametrize("security", list(Security))
def test_what_each_security_type_asks_for(security: Security) -> None:
    """NONE needs nothing, MARKET_DATA and USER_STREAM a key, USER_DATA and TRADE a signature too."""
    bare = Request("GET", "/p")
    keyed = Request("GET", "/p", api_key=KEY)
    if security is Security.NONE:
        assert authenticate(bare, security) is None
        return
    assert refusal_of(bare, security).code == -2014
    if security in (Security.MARKET_DATA, Security.USER_STREAM):
        assert authenticate(keyed, security) == KEY
    else:
        assert (refusal_of(keyed, security).code, "signature" in refusal_of(keyed, security).msg) == (-1102, True)
        assert authenticate(signed(f"timestamp={NOW_MS}"), security) == KEY


@pytest.mark.parametrize("query, body, signature_in", [
    (f"a=1&timestamp={NOW_MS}", "", "query"),
    ("", f"a=1&timestamp={NOW_MS}", "body"),
    ("a=1", f"b=2&timestamp={NOW_MS}", "body"),
    (f"a=1&timestamp={NOW_MS}", "b=2", "query"),
    (f"timestamp={NOW_MS}", "", "body"),
    (f"symbols=%5B%22A%22%5D&x=a+b%20c&timestamp={NOW_MS}", "", "query"),
])
def test_a_signature_of_the_text_as_received_is_accepted(query: str, body: str, signature_in: str) -> None:
    """Wherever the parameters and the signature are, and however they are encoded."""
    assert authenticate(signed(query, body, signature_in)) == KEY


def test_the_signature_is_not_case_sensitive() -> None:
    """"The signature is not case sensitive"."""
    query = f"timestamp={NOW_MS}"
    assert authenticate(Request("POST", "/p", f"{query}&signature={sign(SECRET, query).upper()}", "", KEY)) == KEY


@pytest.mark.parametrize("query", [
    f"timestamp={NOW_MS}&signature={'0' * 64}",
    f"timestamp={NOW_MS}&signature=%C3%A4",
    f"signature={sign(SECRET, f'timestamp={NOW_MS}')}&timestamp={NOW_MS}",
    f"timestamp={NOW_MS}&signature={sign('other', f'timestamp={NOW_MS}')}",
    f"timestamp={NOW_MS}&added=1&signature={sign(SECRET, f'timestamp={NOW_MS}')}",
])
def test_a_wrong_signature_is_refused(query: str) -> None:
    """Wrong digits, other letters, a signature that is not last, another secret's, and one of other parameters."""
    refusal = refusal_of(Request("POST", "/p", query, "", KEY))
    assert (refusal.code, refusal.status, refusal.msg) == (-1022, 400, "Signature for this request is not valid.")


@pytest.mark.parametrize("key, code", [(None, -2014), ("", -2014), ("with blank", -2014), ("PAPER", -2015), ("stranger", -2015)])
def test_keys_are_case_sensitive_and_known(key: str | None, code: int) -> None:
    """No key or no possible key is -2014, a key that nobody has is -2015, both with status 401."""
    refusal = refusal_of(Request("POST", "/p", f"timestamp={NOW_MS}", "", key))
    assert (refusal.code, refusal.status) == (code, 401)


def test_a_v3_agents_request_is_refused_as_badly_signed() -> None:
    """A request with a signer and no API key is answered like a wrong signature."""
    assert refusal_of(Request("POST", "/fapi/v3/order", "nonce=1&user=0x1&signer=0x2&signature=0x3")).code == -1022


@pytest.mark.parametrize("age_ms, window, refused", [
    (0, "", None),
    (5000, "", None),
    (5001, "", "outside of the recvWindow"),
    (-999, "", None),
    (-1000, "", "1000ms ahead"),
    (100, "&recvWindow=100", None),
    (101, "&recvWindow=100", "outside of the recvWindow"),
    (60_000, "&recvWindow=60000", None),
])
def test_the_time_window(age_ms: int, window: str, refused: str | None) -> None:
    """timestamp < serverTime + 1000 and serverTime - timestamp <= recvWindow (V1 "Timing Security"), to the millisecond."""
    request = signed(f"timestamp={NOW_MS - age_ms}{window}")
    if refused is None:
        assert authenticate(request) == KEY
    else:
        refusal = refusal_of(request)
        assert refusal.code == -1021
        assert refused in refusal.msg


def test_a_window_above_a_minute_is_refused() -> None:
    """"It must not exceed 60 seconds"."""
    assert refusal_of(signed(f"timestamp={NOW_MS}&recvWindow=60001")).code == -1130


def test_a_signed_request_without_a_timestamp_is_refused() -> None:
    """-1102 names the timestamp."""
    refusal = refusal_of(signed("a=1"))
    assert refusal.code == -1102
    assert "'timestamp'" in refusal.msg
