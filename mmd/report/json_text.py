"""The report as one JSON object.

Keys are the names of the fields of `Report` and of the values in it (their docstrings say what each is), all of them always there; a
figure that there is none of is null. Amounts and prices are decimal text with every digit; ratios, bps and mean quantities are numbers;
`*_ms` are milliseconds since the epoch. On top: `schema` (1; it grows when a key changes its meaning), `ledger` (whose it is), `period`
(`since_ms`, `until_ms`, and the same as ISO text), `first_ms`, `last_ms`, `notes`, `profit`, `reconciliation`, `trading`, `spread`,
`mark_outs` (a list: 0, 1, 5, 30, 300 seconds; each all, buy, sell), `orders`, `equity`, `inventory`, `round_trips`, `uptime`,
`requests`, `latencies`, `days`, `hours`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal

from mmd.report.amounts import exact
from mmd.report.figures import Report

SCHEMA = 1
_APART = ("identity", "zone", "period", "first_ms", "last_ms")


def json_text(report: Report) -> str:
    """One object, indented, with a newline at its end."""
    zone, period, identity = report.zone, report.period, report.identity
    found: dict[str, object] = {
        "schema": SCHEMA,
        "ledger": {
            "venue": identity.venue,
            "symbol": identity.symbol,
            "base_asset": identity.base_asset,
            "quote_asset": identity.quote_asset,
            "margin_assets": list(identity.margin_assets),
            "income_read_to_ms": identity.income_read_to_ms,
        },
        "period": {
            "since_ms": period.since_ms,
            "until_ms": period.until_ms,
            "since": zone.iso(period.since_ms),
            "until": zone.iso(period.until_ms),
            "utc": zone.utc,
        },
        "first_ms": report.first_ms,
        "last_ms": report.last_ms,
    }
    found |= {field.name: _plain(getattr(report, field.name)) for field in fields(report) if field.name not in _APART}
    return json.dumps(found, indent=2, allow_nan=False) + "\n"


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return exact(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    return value
