"""Every key that a configuration may have: what its value may be, and the field that it becomes.

Defaults are not here but in the dataclasses that the fields belong to, so that they are said once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import NamedTuple

from mmd.core.units import Side
from mmd.daemon.config_alerts import AlertKinds, Amounts, BodyTemplate, CommandLine, TimeOfDay, WebhookUrl
from mmd.daemon.config_kinds import (
    Choice,
    DataFile,
    Flag,
    Kind,
    ListenAddress,
    Names,
    Nullable,
    Number,
    OutputFile,
    Seconds,
    Text,
    Unfit,
    Url,
    Whole,
    shown,
)
from mmd.daemon.config_text import Entry, Fault


class Key(NamedTuple):
    """One key: its dotted name, what it takes, and the dataclass part and field it fills. A `private` value is repeated in no message."""

    name: str
    kind: Kind
    part: str
    field: str
    private: bool = False


_SPREAD = Number("0", "1", below=True)
_MONEY = Number("0", "1e12")

KEYS: tuple[Key, ...] = (
    Key("symbol", Text(r"[A-Z0-9]{2,30}", "the exchange's name in capitals and digits, like ETHUSDT"), "config", "symbol"),
    Key("exchange.venue", Choice({word: word for word in ("aster", "aster-testnet", "paper", "custom")}), "exchange", "venue"),
    Key("exchange.auth", Choice({"v1": "v1", "v3": "v3"}), "exchange", "auth"),
    Key("exchange.chain_id", Nullable(Whole(1, 2**53)), "exchange", "chain_id"),
    Key("exchange.rest_url", Nullable(Url("https", "http")), "exchange", "rest_url"),
    Key("exchange.ws_url", Nullable(Url("wss", "ws")), "exchange", "ws_url"),
    Key("paper.market", Choice({word: word for word in ("synthetic", "replay")}), "paper", "market"),
    Key("paper.data", Nullable(DataFile()), "paper", "data"),
    Key("paper.speed", Number("0.01", "1000"), "paper", "speed"),
    Key("paper.loop", Flag(), "paper", "loop"),
    Key("paper.seed", Whole(0, 2**63 - 1), "paper", "seed"),
    Key("paper.volatility", Nullable(Number("0", "0.01")), "paper", "volatility"),
    Key("paper.balance", _MONEY, "paper", "balance"),
    Key("paper.balance_usdf", _MONEY, "paper", "balance_usdf"),
    Key("strategy.mode", Choice({"ping_pong": "ping_pong"}), "config", "mode"),
    Key("strategy.bias", Choice({"long": Side.BUY, "short": Side.SELL}), "strategy", "opening_side"),
    Key("strategy.buy_spread", _SPREAD, "strategy", "buy_spread"),
    Key("strategy.sell_spread", _SPREAD, "strategy", "sell_spread"),
    Key("strategy.balance_fraction", Number("0", "1", above=True), "strategy", "balance_fraction"),
    Key("strategy.position_threshold", _MONEY, "strategy", "position_threshold"),
    Key("strategy.levels", Whole(1, 5), "strategy", "levels"),
    Key("strategy.level_step", _SPREAD, "strategy", "level_step"),
    Key("strategy.margin_assets", Names(), "strategy", "margin_assets"),
    Key("strategy.leverage", Nullable(Whole(1, 125)), "account", "leverage"),
    Key("strategy.margin_type", Nullable(Choice({"cross": "CROSSED", "isolated": "ISOLATED"})), "account", "margin_type"),
    Key("orders.order_refresh_interval", Seconds("0.05", "60"), "orders", "refresh_interval_ms"),
    Key("orders.price_change_threshold", _SPREAD, "orders", "price_change_threshold"),
    Key("orders.size_change_threshold", _SPREAD, "orders", "size_change_threshold"),
    Key("orders.max_order_age", Seconds("1", "86400"), "orders", "max_order_age_ms"),
    Key("orders.post_only", Flag(), "orders", "post_only"),
    Key("orders.amend", Flag(), "orders", "amend"),
    Key("orders.cancel_scope", Choice({"own": False, "symbol": True}), "orders", "cancel_scope_symbol"),
    # A dash would let one prefix be the beginning of another; the venue's liquidation orders are named autoclose-… and adl_autoclose.
    Key("orders.client_id_prefix", Text(r"(?!autoclose$)(?!adl_)[A-Za-z0-9_.]{1,12}", "1 to 12 of the characters A-Z a-z 0-9 _ . "
        "that name no liquidation order (autoclose, adl_)"), "orders", "client_id_prefix"),
    Key("orders.stp_mode", Nullable(Choice({word: word.upper() for word in ("expire_taker", "expire_maker", "expire_both")})), "orders", "stp_mode"),
    Key("risk.max_position", Nullable(Number("0", "1e12", above=True)), "risk", "max_position_notional"),
    Key("risk.countdown", Seconds("5", "3600", off=True), "risk", "countdown_ms"),
    Key("risk.order_rate_fraction", Number("0", "1", above=True), "risk", "order_rate_fraction"),
    Key("risk.max_loss", Nullable(Number("0", "1e12", above=True)), "risk", "max_loss"),
    Key("risk.max_refusals", Whole(1, 1000), "risk", "max_refusals"),
    Key("risk.flatten_on_halt", Flag(), "risk", "flatten_on_halt"),
    Key("risk.max_mark_deviation", Number("0", "1", above=True), "risk", "max_mark_deviation"),
    Key("risk.max_fill_size", Nullable(Number("0", "1e12", above=True)), "fills", "size"),
    Key("risk.max_fill_notional", Nullable(Number("0", "1e12", above=True)), "fills", "notional"),
    Key("risk.max_fill_net_size", Nullable(Number("0", "1e12", above=True)), "fills", "net_size"),
    Key("risk.fill_window", Seconds("0.1", "3600"), "fills", "window_ms"),
    Key("risk.fill_freeze", Seconds("0.1", "86400"), "fills", "frozen_ms"),
    Key("timing.stale_book_after", Seconds("0.2", "60"), "timing", "stale_book_ms"),
    Key("timing.acceptance_window", Nullable(Seconds("0.1", "60")), "timing", "acceptance_window_ms"),
    Key("timing.acceptance_grace", Seconds("0", "60"), "timing", "acceptance_grace_ms"),
    Key("timing.query_interval", Seconds("0.05", "60"), "timing", "query_interval_ms"),
    Key("timing.echo_timeout", Seconds("0.5", "60"), "timing", "echo_ms"),
    Key("timing.unbooked_timeout", Seconds("0.1", "60"), "timing", "unbooked_ms"),
    Key("timing.mismatch_timeout", Seconds("0.1", "60"), "timing", "mismatch_ms"),
    Key("timing.reconcile_retry", Seconds("0.1", "60"), "timing", "reconcile_retry_ms"),
    Key("timing.refusal_backoff", Seconds("0.1", "3600"), "timing", "refusal_backoff_ms"),
    Key("timing.refusal_backoff_max", Seconds("0.1", "3600"), "timing", "refusal_backoff_max_ms"),
    Key("timing.stop_deadline", Seconds("1", "25"), "timing", "stop_deadline_ms"),
    Key("timing.max_clock_uncertainty", Seconds("0.01", "10"), "timing", "max_clock_uncertainty_ms"),
    Key("timing.time_gap", Seconds("1", "3600"), "timing", "gap_ms"),
    Key("timing.connect_timeout", Seconds("0.1", "60"), "connection", "connect_timeout_ms"),
    Key("timing.reply_timeout", Seconds("0.1", "60"), "connection", "reply_timeout_ms"),
    Key("timing.stream_renewal", Seconds("60", "86000"), "connection", "stream_renewal_ms"),
    Key("timing.listen_key_interval", Seconds("1", "3500"), "connection", "listen_key_interval_ms"),
    Key("timing.probe_interval", Seconds("0.1", "3600"), "connection", "probe_interval_ms"),
    Key("logging.level", Choice({word: word for word in ("debug", "info", "warning", "error")}), "logging", "level"),
    Key("logging.console", Flag(), "logging", "console"),
    Key("logging.file", OutputFile(), "logging", "file"),
    Key("logging.release_mode", Flag(), "logging", "release_mode"),
    Key("logging.utc", Flag(), "logging", "utc"),
    Key("logging.format", Choice({word: word for word in ("text", "json")}), "logging", "format"),
    Key("reports.prices", Seconds("0.1", "86400", off=True), "reports", "prices_ms"),
    Key("reports.balances", Seconds("0.1", "86400", off=True), "reports", "balances_ms"),
    Key("reports.http", Nullable(ListenAddress()), "reports", "http"),
    Key("ledger.file", OutputFile(), "ledger", "file"),
    Key("ledger.marks", Seconds("1", "3600"), "ledger", "mark_ms"),
    Key("ledger.keep_orders_days", Whole(1, 36500), "ledger", "keep_orders_days"),
    Key("alerts.command", Nullable(CommandLine()), "alerts", "command", private=True),
    Key("alerts.webhook", Nullable(WebhookUrl()), "alerts", "webhook", private=True),
    Key("alerts.body", Nullable(BodyTemplate()), "alerts", "body", private=True),
    Key("alerts.on", AlertKinds(), "alerts", "kinds"),
    Key("alerts.pause_longer_than", Seconds("1", "86400"), "alerts", "pause_ms"),
    Key("alerts.disconnect_longer_than", Seconds("1", "86400"), "alerts", "disconnect_ms"),
    Key("alerts.loss", Amounts(), "alerts", "losses"),
    Key("alerts.daily_summary", Nullable(TimeOfDay()), "alerts", "summary_minute"),
    Key("alerts.min_interval", Seconds("1", "86400"), "alerts", "min_interval_ms"),
)

_BY_NAME = {key.name: key for key in KEYS}
SECTIONS = tuple(dict.fromkeys(key.name.partition(".")[0] for key in KEYS if "." in key.name))

_SECRET = re.compile(r"api_?key|secret|private|signer|passw|passphrase|mnemonic|token", re.IGNORECASE)


def read_values(entries: Iterable[Entry]) -> tuple[dict[str, dict[str, object]], list[Fault]]:
    """The values of all entries, by part and field, and what is wrong with the others."""
    values: dict[str, dict[str, object]] = {}
    faults: list[Fault] = []
    strangers: set[str] = set()
    for entry in entries:
        key = _BY_NAME.get(entry.key)
        if key is None:
            section = entry.key.partition(".")[0]
            if section in SECTIONS and entry.key == section and entry.is_null:
                continue  # A section whose keys are all commented out.
            if section not in SECTIONS and "." in entry.key and not _SECRET.search(entry.key):
                if section in strangers:
                    continue  # One line says enough about a section that does not exist.
                strangers.add(section)
            faults.append(_unknown(entry))
            continue
        try:
            value = key.kind.read(entry)
        except Unfit as unfit:
            value_shown = "its value (not shown here)" if key.private else shown(entry)
            faults.append(Fault(entry.where, entry.key, f"{value_shown}: {unfit}"))
        else:
            values.setdefault(key.part, {})[key.field] = value
    return values, faults


def _unknown(entry: Entry) -> Fault:
    """What to say of a key that is none of ours."""
    section, _, name = entry.key.partition(".")
    if _SECRET.search(entry.key):
        return Fault(entry.where, entry.key, "secrets do not belong in this file (and are not shown here): put ASTER_API_KEY and "
                     "ASTER_API_SECRET (auth v1), or ASTER_USER, ASTER_SIGNER and ASTER_SIGNER_KEY (auth v3), in the environment or in "
                     f"{entry.base / '.env'} (chmod 600)")
    if section in SECTIONS and not name:
        return Fault(entry.where, entry.key, f"{shown(entry)}: must be a mapping of keys, like `{_first_of(section)}: …` on indented lines")
    if section in _BY_NAME:
        return Fault(entry.where, section, "must be a single value, not a section")
    if section not in SECTIONS and name:
        return Fault(entry.where, section, f"unknown section; {_nearest(section, SECTIONS)}")
    hint = _nearest(entry.key, (*_BY_NAME, *SECTIONS))
    # The value is repeated only for a mistyped key; of any other nobody knows whether it may be shown.
    value = f" (set to {shown(entry)})" if hint.startswith("did you mean") else ""
    return Fault(entry.where, entry.key, f"unknown key{value}; {hint}")


def _first_of(section: str) -> str:
    return next(key.name for key in KEYS if key.name.startswith(section + ".")).partition(".")[2]


def _nearest(name: str, valid: Iterable[str]) -> str:
    """The valid name that was probably meant: by the whole dotted name, or by the last word where the section is wrong or left out."""
    names = list(valid)
    by_last_word = {each.rpartition(".")[2]: each for each in names}
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    if not near or near[0].partition(".")[0] != name.partition(".")[0]:
        near = [by_last_word[word] for word in difflib.get_close_matches(name.rpartition(".")[2], by_last_word, n=1, cutoff=0.8)] or near
    if near:
        return f"did you mean {near[0]}?"
    section = name.partition(".")[0]
    siblings = [each for each in names if each.startswith(section + ".")] or [each for each in names if "." not in each] or names
    return f"valid are: {', '.join(siblings)}"
