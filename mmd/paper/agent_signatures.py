"""Whose signature it is: the address that signed an EIP-712 `Message(string msg)` for Aster.

Source: EIP-712, EIP-191, and the typed data in V3 "Example of POST /fapi/v3/order". Written without a look at mmd's own signer, so that neither
can share the other's mistake. Needs the packages of the extra `agent`, which do nothing but arithmetic.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_SIGNATURE = re.compile(r"(?:0[xX])?([0-9a-fA-F]{128})(1[bBcC])")  # r, s, v; v is 27 or 28


class MissingPackages(Exception):
    """The packages that verification needs are not installed."""


class Domain(NamedTuple):
    """What EIP-712 separates one application's signatures from another's by."""

    name: str = "AsterSignTransaction"
    version: str = "1"
    chain_id: int = 1666
    verifying_contract: bytes = bytes(20)


def recover_signer(message: str, signature: str, domain: Domain) -> str | None:
    """The address (0x and 40 lower-case digits) that signed `message`, None where `signature` is nobody's.  Raises MissingPackages."""
    try:
        from coincurve import PublicKey
    except ModuleNotFoundError as error:
        raise MissingPackages from error
    found = _SIGNATURE.fullmatch(signature)
    if found is None:
        return None
    recoverable = bytes.fromhex(found[1]) + bytes([int(found[2], 16) - 27])
    try:
        public_key = PublicKey.from_signature_and_message(recoverable, _digest(message, domain), hasher=None)
    except ValueError:
        return None
    return "0x" + _keccak(public_key.format(compressed=False)[1:])[12:].hex()


def _digest(message: str, domain: Domain) -> bytes:
    """EIP-712: keccak256("\\x19\\x01" ‖ domainSeparator ‖ hashStruct(message))."""
    return _keccak(b"\x19\x01" + _separator(domain) + _keccak(_keccak(b"Message(string msg)") + _keccak(message.encode())))


@lru_cache(maxsize=8)
def _separator(domain: Domain) -> bytes:
    return _keccak(
        _keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
        + _keccak(domain.name.encode())
        + _keccak(domain.version.encode())
        + domain.chain_id.to_bytes(32, "big")
        + domain.verifying_contract.rjust(32, b"\0")
    )


def _keccak(data: bytes) -> bytes:
    """Keccak-256, which is not SHA3-256.  Raises MissingPackages."""
    try:
        from Crypto.Hash import keccak
    except ModuleNotFoundError as error:
        raise MissingPackages from error
    return keccak.new(digest_bits=256, data=data).digest()
