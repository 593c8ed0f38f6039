"""V3 signatures: EIP-712 by an agent's key, hashed for the one structure there is (V3 "API authentication type", the Python examples).

Needs the packages of the extra `agent`; they are imported where a signer is made, so that V1 does without.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from mmd.core.errors import ConfigError
from mmd.venue.nonce import Nonces
from mmd.venue.signing import Params, urlencode

DOMAIN_NAME = "AsterSignTransaction"
DOMAIN_VERSION = "1"

_DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_MESSAGE_TYPE = b"Message(string msg)"
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})

Hash = Callable[[bytes], bytes]


class MissingPackages(ConfigError):
    """The extra `agent` is not installed."""


class V3Signer:
    """Signs as the agent `signer` for the account `user`. One signer, and one `Nonces`, for all threads of the process."""

    headers = _NO_HEADERS

    def __init__(self, user: str, signer: str, signer_key: str, chain_id: int, nonces: Nonces) -> None:
        """`signer_key` is 32 bytes in hexadecimal digits, with or without 0x.

        Raises ConfigError for a missing package, a malformed key or address, or a key that is not `signer`'s; no message shows the key.
        """
        keccak, private_key_from = _packages()
        self.user = checked_user(user)
        self.signer = checked_address("signer", signer)
        found = _KEY.fullmatch(signer_key)
        if found is None:
            length = len(signer_key.removeprefix("0x"))
            raise ConfigError(f"the signer's key must be 64 hexadecimal digits, with or without 0x; this one has {length} characters, 0x not counted")
        try:
            key = private_key_from(found[1])
        except ValueError:
            raise ConfigError("the signer's key is no private key: it is zero, or beyond the order of the curve") from None
        owner = checksummed(keccak(key.public_key.format(compressed=False)[1:])[-20:].hex(), keccak)
        if owner != self.signer:
            raise ConfigError(f"the signer's key belongs to {owner}, not to the signer {self.signer}; the two must be of one agent")
        self._nonces = nonces
        self._keccak = keccak
        self._sign_digest = key.sign_recoverable
        self._message_type_hash = keccak(_MESSAGE_TYPE)
        self._prefix = b"\x19\x01" + domain_separator(chain_id, keccak)
        self._identity = f"&user={self.user}&signer={self.signer}"

    def __repr__(self) -> str:
        return f"V3Signer(user={self.user}, signer={self.signer}, …)"

    def sign(self, params: Params, time_ms: int) -> str:
        """The urlencoded payload with `nonce`, `user`, `signer` and, last, `signature`. Raises CannotSign."""
        encoded = urlencode(params)
        nonce = self._nonces.next(time_ms)
        payload = f"{encoded}&nonce={nonce}{self._identity}" if encoded else f"nonce={nonce}{self._identity}"
        return f"{payload}&signature={self.signature(payload)}"

    def signature(self, message: str) -> str:
        """EIP-712 of `Message(string msg)`: r, s and v (27 or 28) in hexadecimal digits after 0x, as `eth_account` gives them."""
        keccak = self._keccak
        structure = keccak(self._message_type_hash + keccak(message.encode()))
        signed: bytes = self._sign_digest(keccak(self._prefix + structure), hasher=None)
        return f"0x{signed[:64].hex()}{27 + signed[64]:02x}"


def domain_separator(chain_id: int, keccak: Hash) -> bytes:
    """EIP-712 "Definition of domainSeparator", of Aster's domain: its name and version, the chain, and the zero contract."""
    fields = (keccak(_DOMAIN_TYPE), keccak(DOMAIN_NAME.encode()), keccak(DOMAIN_VERSION.encode()), chain_id.to_bytes(32, "big"), bytes(32))
    return keccak(b"".join(fields))


def checked_user(user: str) -> str:
    """The account's address: an Ethereum one in its checksummed form, or a Solana one as it is. Raises ConfigError.

    Accounts that were opened with a Solana wallet trade through an Ethereum agent all the same (asterdex/api-docs, demo/sol_agent.py).
    """
    if _is_solana(user):
        return user
    return checked_address("user", user)


def checked_address(name: str, address: str) -> str:
    """The Ethereum address in its checksummed form. Raises ConfigError, and where upper and lower case are mixed checks them by EIP-55."""
    if not _ADDRESS.fullmatch(address):
        # Not shown: it may be the key, put into the wrong place.
        raise ConfigError(f"the address of the {name} must be 0x and 40 hexadecimal digits; this one has {len(address)} characters")
    keccak, _ = _packages()
    correct = checksummed(address[2:].lower(), keccak)
    if address != correct and address[2:] not in (address[2:].lower(), address[2:].upper()):
        raise ConfigError(f"the address of the {name}, {address}, has a typing error: its capitals do not fit its digits (EIP-55)")
    return correct


def checksummed(digits: str, keccak: Hash) -> str:
    """EIP-55: a letter is a capital where the hash of the 40 lower-case digits has a half-byte from 8 up."""
    marks = keccak(digits.encode()).hex()
    return "0x" + "".join(digit.upper() if int(mark, 16) >= 8 else digit for digit, mark in zip(digits, marks))


def _is_solana(address: str) -> bool:
    """Whether it is 32 bytes in base 58."""
    if not 32 <= len(address) <= 44 or not set(address) <= set(_BASE58):
        return False
    number = 0
    for digit in address:
        number = number * 58 + _BASE58.index(digit)
    leading_zeros = len(address) - len(address.lstrip("1"))
    return leading_zeros + (number.bit_length() + 7) // 8 == 32


def _packages() -> tuple[Hash, Callable[[str], Any]]:
    """Keccak-256, and what makes a private key of 64 hexadecimal digits. Raises MissingPackages."""
    try:
        from coincurve import PrivateKey
        from Crypto.Hash import keccak
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("coincurve", "Crypto"):
            raise
        raise MissingPackages("exchange.auth v3 needs the packages coincurve and pycryptodome: pip install coincurve pycryptodome") from error
    new = keccak.new
    return lambda data: new(digest_bits=256, data=data).digest(), PrivateKey.from_hex
