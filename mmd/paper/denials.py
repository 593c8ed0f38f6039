"""What the doors refuse before a request reaches the exchange: keys, signatures, limits, malformed parameters."""
from __future__ import annotations

from mmd.core.errors import MmdError
from mmd.paper.refusals import Refused


class Denied(Refused):
    """A refusal with the text given by the door; code and text are of V1 "Error Codes", `status` is the HTTP status."""

    def __init__(self, code: int, msg: str, status: int = 400) -> None:
        MmdError.__init__(self, f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status
