"""The start: everything that must be known and set before the engine exists, in the order of the design.

clock offset → symbol rules → position mode → leverage and margin type → market-maker protection → balances, fees. It places and cancels nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from mmd.core.errors import ConfigError, MmdError
from mmd.core.messages import Level, Notice, Refusal
from mmd.core.rules import RulesError, SymbolRules
from mmd.daemon.config import Config
from mmd.daemon.connections import Venue
from mmd.venue.account import (
    read_balances,
    read_dual_side_position,
    read_multi_assets_margin,
    read_position_settings,
    read_rules,
    set_leverage,
    set_margin_type,
    synchronise,
)
from mmd.venue.endpoints import Call
from mmd.venue.json_fields import ParseError
from mmd.venue.mmp import set_mmp
from mmd.venue.rest import CallFailed, RestClient
from mmd.venue.terms import CommissionRates, read_commission_rates

_ATTEMPTS = 4
_RETRY_S = 0.5
# What no further attempt can mend: the key, its rights, its format, its signature (V1 "Error Codes").
_CREDENTIAL_CODES = frozenset({-1002, -1022, -2014, -2015})
# A request that was too long on its way, or whose nonce another process of the same agent had just used (V1 -1021, V3 "Noop").
_TIMING_CODES = frozenset({-1021, -4225})


class VenueUnreachable(MmdError):
    """The venue could not be asked at the start; exit code 75."""


class SymbolNotTrading(ConfigError):
    """The symbol exists, but is not TRADING now."""


@dataclass(frozen=True)
class Prepared:
    """What the start has found out."""

    rules: SymbolRules
    leverage: int
    margin_type: str
    balances: Mapping[str, Decimal]
    fees: CommissionRates


def prepare(
    config: Config, venue: Venue, rest: RestClient, log: Callable[[Notice], None], change: bool = True, any_status: bool = False
) -> Prepared:
    """Read and, where `change`, set the account up. Blocks on the network; runs on a worker thread.

    A symbol that is not trading is refused, unless `any_status` (to cancel on it, say).

    Raises ConfigError for what the operator must mend (credentials, symbol, hedge mode, leverage), VenueUnreachable where the venue gives no
    answer in a few attempts.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _prepare_once(config, venue, rest, change, any_status)
        except (ParseError, RulesError) as error:
            raise VenueUnreachable(f"{venue.rest_url} does not answer as documented: {error}; is it the venue's REST address?") from error
        except CallFailed as error:
            if isinstance(error.outcome, Refusal):
                raise _refused(config, venue.rest_url, error, error.outcome) from error
            if attempt == _ATTEMPTS:
                raise VenueUnreachable(f"{venue.rest_url} gave no answer in {_ATTEMPTS} attempts: {error}") from error
            log(Notice(Level.WARNING, "venue_unreachable", {"why": error, "attempt": attempt, "retry_in_s": _RETRY_S * attempt}))
            time.sleep(_RETRY_S * attempt)
    raise AssertionError("the last attempt returns or raises")


def _prepare_once(config: Config, venue: Venue, rest: RestClient, change: bool, any_status: bool) -> Prepared:
    symbol = config.symbol
    synchronise(rest, venue.clock)
    rules = read_rules(rest, symbol)
    if not rules.is_trading and not any_status:
        raise SymbolNotTrading(f"{config.path}: symbol: {symbol} has status {rules.status}, not TRADING; wait, or choose another symbol")
    if read_dual_side_position(rest):
        raise ConfigError(
            f"{config.path}: the account is in hedge mode (dualSidePosition true), and mmd trades in one-way mode only; "
            "switch it in the venue's position mode settings, or use another account"
        )
    if read_multi_assets_margin(rest) and (config.account.margin_type or "").upper() == "ISOLATED":
        raise ConfigError(f"{config.path}: strategy.margin_type: isolated margin cannot be had in multi-assets mode")
    found = read_position_settings(rest, symbol)
    leverage, margin_type = config.account.leverage or found.leverage, config.account.margin_type or found.margin_type
    if change and margin_type != found.margin_type:
        set_margin_type(rest, symbol, margin_type)
    if change and leverage != found.leverage:
        set_leverage(rest, symbol, leverage)
    fills = config.engine.risk.fills
    if change and fills.are_set and Call.SET_MMP in venue.family:
        set_mmp(rest, symbol, fills)
    return Prepared(rules, leverage, margin_type, read_balances(rest), read_commission_rates(rest, symbol))


def _refused(config: Config, venue_url: str, error: CallFailed, refusal: Refusal) -> MmdError:
    if refusal.code in _CREDENTIAL_CODES:
        return ConfigError(f"{config.path}: the venue refused the credentials: {error}; check the key, its rights and its allowed addresses")
    if refusal.status in (418, 429):
        return VenueUnreachable(f"the venue asked for silence: {error}")
    if refusal.status in (403, 404, 405) or refusal.code == -1016:
        # A firewall, a maintenance page, a wrong address: nothing that the account's settings could mend.
        return VenueUnreachable(f"{venue_url} does not serve this now: {error}")
    if refusal.code in _TIMING_CODES:
        return VenueUnreachable(f"the venue found a request out of time, which the next start may not be: {error}")
    return ConfigError(f"{config.path}: the account could not be prepared: {error}")
