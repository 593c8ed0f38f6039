"""V3 signatures: the same as eth-account's, over exactly what is sent, by a key that fits its addresses and is never shown."""

from __future__ import annotations

import builtins
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from mmd.core.errors import ConfigError
from mmd.core.messages import Unsent
from mmd.venue.agent_signing import MissingPackages, V3Signer, checked_user
from mmd.venue.clock import VenueClock
from mmd.venue.endpoints import V1, V3, Call, Security
from mmd.venue.nonce import MAX_LEAD_US, Nonces
from mmd.venue.rest import CallFailed, RestClient

# The demonstration account of V3 "Example of POST /fapi/v3/order".
USER = "0x63DD5aCC6b1aa0f563956C0e534DD30B6dcF7C4e"
SIGNER = "0x21cF8Ae13Bb72632562c6Fff438652Ba1a151bb0"
KEY = "0x4fd0a42218f3eae43a6ce26d22544e986139a01e5b34a62db53757ffca81bae1"
NOW_MS = 1_748_310_859_508

NAMES = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=12)
PARAMS = st.lists(st.tuples(NAMES, st.text(st.characters(codec="utf-8"), max_size=40)), max_size=8)


def signer(chain_id: int = 1666, key: str = KEY, nonces: Nonces | None = None) -> V3Signer:
    return V3Signer(USER, SIGNER, key, chain_id, nonces or Nonces(microsecond=lambda: 867))


def theirs(message: str, chain_id: int, key: str) -> str:
    """eth-account's signature of the typed data that the document's Python example signs."""
    typed_data = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Message": [{"name": "msg", "type": "string"}],
        },
        "primaryType": "Message",
        "domain": {
            "name": "AsterSignTransaction",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": "0x0000000000000000000000000000000000000000",
        },
        "message": {"msg": message},
    }
    signature: str = Account.sign_message(encode_typed_data(full_message=typed_data), private_key=key).signature.hex()
    return signature.removeprefix("0x")


@settings(max_examples=60, deadline=None)
@given(params=PARAMS, key=st.integers(1, 2**255), chain_id=st.sampled_from([1666, 714, 1, 2**64]))
def test_signatures_are_eth_accounts(params: list[tuple[str, str]], key: int, chain_id: int) -> None:
    """Whatever the parameters (reserved characters, other alphabets, nothing at all), the key and the chain, the two signatures are equal."""
    digits = f"{key:064x}"
    address = Account.from_key(digits).address
    payload = V3Signer(USER, address, digits, chain_id, Nonces(microsecond=lambda: 0)).sign(params, NOW_MS)
    message, _, signature = payload.rpartition("&signature=")
    assert message == urlencode([*params, ("nonce", f"{NOW_MS}000"), ("user", USER), ("signer", address)])
    assert signature == "0x" + theirs(message, chain_id, digits), f"key {digits}"


@settings(max_examples=60, deadline=None)
@given(message=st.text(st.characters(codec="utf-8"), max_size=400))
def test_any_text_is_signed_as_eth_account_signs_it(message: str) -> None:
    """The message itself may be any text, of any length around the hash function's block of 136 bytes."""
    assert signer().signature(message) == "0x" + theirs(message, 1666, KEY)


def test_the_payload_ends_with_who_asks_and_the_signature() -> None:
    """Parameters first, as they were given; then nonce, user, signer, and the signature last; nothing goes into the head."""
    agent = signer()
    payload = agent.sign([("symbol", "ETHUSDT"), ("newClientOrderId", "a b/ü")], NOW_MS)
    names = [name for name, _ in parse_qsl(payload)]
    assert names == ["symbol", "newClientOrderId", "nonce", "user", "signer", "signature"]
    assert "newClientOrderId=a+b%2F%C3%BC&nonce=1748310859508867&" in payload
    assert re.fullmatch(r"0x[0-9a-f]{128}(1b|1c)", dict(parse_qsl(payload))["signature"])
    assert agent.headers == {}


def test_the_chain_is_signed_for() -> None:
    """The same request on the test network has another signature."""
    assert signer(1666).sign([], NOW_MS) != signer(714).sign([], NOW_MS)


def test_a_key_is_taken_with_and_without_0x_in_either_case() -> None:
    """However the key is written, the signature is the same."""
    written = (KEY, KEY[2:], KEY[2:].upper(), "0x" + KEY[2:].upper())
    assert len({signer(key=key).sign([], NOW_MS) for key in written}) == 1


@pytest.mark.parametrize("address", [SIGNER, SIGNER.lower(), "0x" + SIGNER[2:].upper()])
def test_addresses_are_sent_in_their_checksummed_form(address: str) -> None:
    """An address in one case is as good as the checksummed one, which is what is sent."""
    agent = V3Signer(address, address, KEY, 1666, Nonces())
    assert (agent.user, agent.signer) == (SIGNER, SIGNER)


@pytest.mark.parametrize("address", [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359", "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb", "0x52908400098527886E0F7030069857D2E4169EE7", "0xde709f2102306220921060314715629080e2fb77",
])
def test_the_examples_of_eip_55_are_valid(address: str) -> None:
    """EIP-55 "Test Cases": each is valid as it stands, and comes out the same from lower case."""
    assert checked_user(address) == checked_user(address.lower()) == address


def test_one_wrong_capital_is_a_typing_error() -> None:
    """A mixed-case address whose capitals do not fit is refused: some digit was probably typed wrong."""
    with pytest.raises(ConfigError, match=r"address of the user.*EIP-55"):
        V3Signer(USER.replace("D", "d", 1), SIGNER, KEY, 1666, Nonces())


def test_a_solana_user_is_taken_as_it_is() -> None:
    """An account opened with a Solana wallet has an address of 32 bytes in base 58; three letters less, and it is none."""
    solana = "6mSp4BuWCNgRSwv8JopQwCma26hmBT8jrcgJNadq23Gt"
    assert checked_user(solana) == solana
    assert checked_user("1" * 32) == "1" * 32
    with pytest.raises(ConfigError):
        checked_user(solana[:-3])
    with pytest.raises(ConfigError):
        checked_user("l" + solana[1:])


def test_a_key_of_another_agent_is_refused_with_both_addresses() -> None:
    """The message names the key's own address and the signer's, and shows nothing of the key."""
    other = f"{7:064x}"
    with pytest.raises(ConfigError) as caught:
        signer(key=other)
    assert Account.from_key(other).address in str(caught.value)
    assert SIGNER in str(caught.value)
    assert other not in str(caught.value)


@pytest.mark.parametrize("key", [
    "", "0x", KEY[:-1], KEY + "0", KEY.replace("4", "g", 1), "0" * 64, "f" * 64, "0X" + KEY[2:], " " + KEY,
])
def test_what_is_no_key_is_refused_and_not_shown(key: str) -> None:
    """Wrong length, wrong characters, zero, beyond the curve's order: one message each, without the key."""
    with pytest.raises(ConfigError) as caught:
        signer(key=key)
    assert "key" in str(caught.value)
    assert len(key) < 4 or key not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize("key", [KEY[:-2], KEY[2:-2]])
def test_the_length_of_a_key_is_counted_without_its_0x(key: str) -> None:
    """A byte too few is not told as 64 characters where 64 are wanted."""
    with pytest.raises(ConfigError, match="this one has 62 characters, 0x not counted"):
        signer(key=key)


@pytest.mark.parametrize("wrong", [KEY, KEY[2:], "", USER[:-1], USER[2:], USER + "0"])
def test_what_is_no_address_is_refused_and_not_shown(wrong: str) -> None:
    """A key put where an address belongs must not come back in the message."""
    for user, agent in ((wrong, SIGNER), (USER, wrong)):
        with pytest.raises(ConfigError) as caught:
            V3Signer(user, agent, KEY, 1666, Nonces())
        assert len(wrong) < 4 or wrong not in str(caught.value)


def test_the_key_is_not_in_the_signers_repr() -> None:
    """`repr` shows the addresses alone."""
    assert repr(signer()) == f"V3Signer(user={USER}, signer={SIGNER}, …)"


@pytest.mark.parametrize("package", ["coincurve", "Crypto"])
def test_a_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Without the extra, the message says how to install it."""
    real = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackages, match=r"pip install coincurve pycryptodome$"):
        signer()


def test_v3_has_every_call_and_signs_whatever_is_not_public() -> None:
    """V3 has a place for every call, all under one prefix; where V1 has one too, methods and publicity agree."""
    assert set(V3) == set(Call)
    for call, endpoint in V3.items():
        assert endpoint.security is not Security.KEY
        assert endpoint.path.startswith("/fapi/v3/")
        if call in V1:
            assert V1[call].method == endpoint.method
            assert (V1[call].security is Security.NONE) == (endpoint.security is Security.NONE)


def test_a_nonce_that_cannot_be_had_leaves_the_request_unsent() -> None:
    """With the last nonce far ahead of the venue's clock the call fails as never sent, without touching the network."""
    nonces = Nonces(microsecond=lambda: 0)
    nonces.next(NOW_MS + MAX_LEAD_US // 1000 + 1)
    clock = VenueClock()
    clock.observe(NOW_MS, 0, 0)
    rest = RestClient("http://127.0.0.1:9", V3, signer(nonces=nonces), clock, now_ms=lambda: 0)
    with pytest.raises(CallFailed) as caught:
        rest.call(Call.BALANCE)
    assert isinstance(caught.value.outcome, Unsent)
    assert "ahead of the venue's clock" in caught.value.outcome.reason
