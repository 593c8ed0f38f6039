"""One line of a check, and what the parts of a check share."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from mmd.core.messages import Reconciled
from mmd.core.rules import SymbolRules
from mmd.daemon.config import Config
from mmd.daemon.connections import Venue
from mmd.daemon.credentials import AgentCredentials, Credentials
from mmd.venue.account import PositionSettings
from mmd.venue.rest import RestClient


class Verdict(Enum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """`way_out` says what to do where the verdict is not ok; a `final` failure makes all that would follow meaningless."""

    verdict: Verdict
    subject: str
    text: str
    way_out: str = ""
    final: bool = False

    def line(self) -> str:
        """`verdict subject text`, and behind an arrow the way out."""
        way_out = f" -> {self.way_out}" if self.way_out else ""
        return f"{self.verdict.value:<5} {self.subject:<13} {self.text}{way_out}"


def ok(subject: str, text: str) -> Finding:
    return Finding(Verdict.OK, subject, text)


def warn(subject: str, text: str, way_out: str) -> Finding:
    return Finding(Verdict.WARN, subject, text, way_out)


def fail(subject: str, text: str, way_out: str) -> Finding:
    return Finding(Verdict.FAIL, subject, text, way_out)


@dataclass
class Check:
    """One check: what is given, and what its parts find out for those after them."""

    config: Config
    venue: Venue
    credentials: Credentials | AgentCredentials
    rules: SymbolRules | None = None
    settings: PositionSettings | None = None
    truth: Reconciled | None = None
    rest: RestClient = field(init=False)

    def __post_init__(self) -> None:
        self.rest = self.venue.client()

    @property
    def balance(self) -> Decimal:
        """The wallet total of the margin assets; 0 before it was read."""
        assets = self.config.engine.strategy.margin_assets
        return sum((self.truth.balances.get(asset, Decimal(0)) for asset in assets), Decimal(0)) if self.truth is not None else Decimal(0)
