"""A V3 signature beside eth-account's, with the same backend (coincurve) and with its own in pure Python: `python tests/bench/bench_signing.py`.

Each contestant turns the parameters of one order into a signed payload. All run in turns in one go, and what counts are the ratios: the exit
code is 1 where ours takes more than a fifth of eth-account's time with the same backend.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_keys.backends import BaseECCBackend, CoinCurveECCBackend, NativeECCBackend
from eth_keys.datatypes import PrivateKey

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmd.venue.agent_signing import V3Signer
from mmd.venue.nonce import Nonces

# The demonstration account of V3 "Example of POST /fapi/v3/order".
USER = "0x63DD5aCC6b1aa0f563956C0e534DD30B6dcF7C4e"
SIGNER = "0x21cF8Ae13Bb72632562c6Fff438652Ba1a151bb0"
KEY = "0x4fd0a42218f3eae43a6ce26d22544e986139a01e5b34a62db53757ffca81bae1"
ORDER = [
    ("symbol", "ETHUSDT"), ("side", "BUY"), ("type", "LIMIT"), ("timeInForce", "GTX"), ("quantity", "0.100"), ("price", "2681.62"),
    ("newClientOrderId", "mmd-1"), ("newOrderRespType", "RESULT"),
]  # fmt: skip
TYPED_DATA = {
    "types": {
        "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "version", "type": "string"}, {"name": "chainId", "type": "uint256"},
                         {"name": "verifyingContract", "type": "address"}],
        "Message": [{"name": "msg", "type": "string"}],
    },
    "primaryType": "Message",
    "domain": {"name": "AsterSignTransaction", "version": "1", "chainId": 1666, "verifyingContract": "0x" + "0" * 40},
}  # fmt: skip
NOW_MS = 1_748_310_859_508
ROUNDS = 15


def ours() -> Callable[[], str]:
    signer = V3Signer(USER, SIGNER, KEY, 1666, Nonces(microsecond=lambda: 0))
    return lambda: signer.sign(ORDER, NOW_MS)


def eth_account(backend: BaseECCBackend) -> Callable[[], str]:
    """The document's example, with a key that is read only once."""
    key = PrivateKey(bytes.fromhex(KEY[2:]), backend=backend)

    def sign() -> str:
        message = urlencode([*ORDER, ("nonce", f"{NOW_MS}000"), ("user", USER), ("signer", SIGNER)])
        signature = Account.sign_message(encode_typed_data(full_message={**TYPED_DATA, "message": {"msg": message}}), key).signature.hex()
        return f"{message}&signature=0x{signature.removeprefix('0x')}"

    return sign


def time_us(work: Callable[[], str], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - began) / times * 1e6


def main() -> int:
    contestants = {
        "mmd": (ours(), 200),
        "eth-account, coincurve": (eth_account(CoinCurveECCBackend()), 40),
        "eth-account, pure Python": (eth_account(NativeECCBackend()), 4),
    }
    # A fresh signer, because each signature takes a new nonce.
    if len({ours()(), *(sign() for name, (sign, _) in contestants.items() if name != "mmd")}) != 1:
        raise SystemExit("the three do not sign the same")
    rounds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, (sign, times) in contestants.items():
            rounds[name].append(time_us(sign, times))
    medians = {name: statistics.median(times) for name, times in rounds.items()}
    for name, median in medians.items():
        print(f"{name:26} {median:8.1f} us a signature; mmd takes {medians['mmd'] / median:.3f} of it")
    return 0 if medians["mmd"] * 5 <= medians["eth-account, coincurve"] else 1


if __name__ == "__main__":
    sys.exit(main())
