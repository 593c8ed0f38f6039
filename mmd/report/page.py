"""The report as one page that needs nothing else: figures, tables, charts and the library that draws them, in one HTML file.

A policy in its head lets run the two scripts of this file and nothing else, and load nothing from anywhere; everything from the ledger
is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape

from plotly.offline import get_plotlyjs

from mmd.report.amounts import count, duration, fixed, percent
from mmd.report.charts import Chart, make_charts
from mmd.report.figures import Report
from mmd.report.page_script import SCRIPT
from mmd.report.page_style import style_sheet
from mmd.report.page_tables import notes_list, sections
from mmd.report.palette import stand_ins
from mmd.report.series import Series


def html_report(report: Report, series: Series) -> str:
    """The whole file."""
    charts = make_charts(report, series)
    library = get_plotlyjs()
    scripts = (library, SCRIPT)
    name = f"{report.identity.symbol or 'mmd'} report"
    body = [
        _header(report),
        '<main id="main">',
        _verdict(report),
        _cards(report),
        _charts(charts),
        sections(report),
        notes_list(report),
        "</main>",
        _footer(),
    ]
    data = [
        _data("figures", "{" + ",".join(f"{json.dumps(chart.name)}:{chart.figure}" for chart in charts) + "}"),
        _data("tones", json.dumps({key: list(tone) for key, tone in stand_ins().items()})),
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(name)}</title>",
            f"<style>{style_sheet()}</style>",
            "</head>",
            "<body>",
            *body,
            *data,
            *(f"<script>{script}</script>" for script in scripts),
            "</body>",
            "</html>",
            "",
        ]
    )


def _policy(scripts: Iterable[str]) -> str:
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"


def _data(name: str, text: str) -> str:
    """A block of JSON; without a `<` it cannot end early."""
    return f'<script type="application/json" id="{name}">{text.replace("<", chr(92) + "u003c")}</script>'


def _header(report: Report) -> str:
    zone, period = report.zone, report.period
    where = f"<small>{escape(report.identity.venue)}</small>" if report.identity.venue else ""
    name = "UTC" if zone.utc else f"{zone.at(period.since_ms):%Z}"
    buttons = "".join(
        f'<button type="button" value="{value}" aria-pressed="{"true" if value == "auto" else "false"}">{text}</button>'
        for value, text in (("auto", "Auto"), ("light", "Light"), ("dark", "Dark"))
    )
    return (
        f"<header><div><h1>{escape(report.identity.symbol or 'No market yet')}{where}</h1>"
        f'<p class="when">{zone.second(period.since_ms)} to {zone.second(period.until_ms)} {escape(name)} &middot; {duration(period.length_ms)}</p></div>'
        f'<div class="scheme" role="group" aria-label="Colour scheme">{buttons}</div></header>'
    )


def _verdict(report: Report) -> str:
    """Whether the ledger explains the wallet: what every other figure of money stands on."""
    found = report.reconciliation
    if found.reconciles is None:
        kind, word, text = "", "Nothing to compare.", "The period has no two exact wallet figures of the venue's."
    elif found.reconciles:
        kind, word = "good", "Reconciles to the last digit."
        text = (
            "What the ledger booked is what the venue's wallet changed by: "
            + ", ".join(f"{fixed(each.wallet_change, 8, True)} {each.asset}" for each in found.assets)
            + "."
        )
    else:
        kind, word = "bad", "Does not reconcile."
        text = (
            "The wallet changed by more than the ledger booked: "
            + ", ".join(f"{fixed(each.difference, 8, True)} {each.asset}" for each in found.assets if each.difference)
            + "."
        )
    return f'<div class="verdict {kind}"><b>{word}</b><span>{escape(text)}</span></div>'


def _cards(report: Report) -> str:
    quote, profit, trading, equity, trips = report.identity.quote_asset, report.profit, report.trading, report.equity, report.round_trips
    at_30 = next(each for each in report.mark_outs if each.seconds == 30 and each.side == "all")
    volume_bps = float(profit.net / trading.volume) * 10_000 if trading.volume else None
    fall = equity.drawdown
    cards = [
        _card("Net profit", fixed(profit.net, 4, True), quote, f"{fixed(volume_bps, 3, True)} bps of the volume", _sign(profit.net)),
        _card("Change of unrealised", fixed(equity.unrealized_change, 4, True), quote, "apart from the net profit"),
        _card("Volume", fixed(trading.volume, 0), quote, f"{count(trading.fills)} fills, {percent(trading.maker_share)} as maker"),
        _card("Spread captured", fixed(report.spread.bps, 3, True), "bps", f"{fixed(report.spread.amount, 2, True)} {quote} gross"),
        _card(
            "Mark-out at 30 s",
            fixed(at_30.weighted_bps, 3, True),
            "bps",
            f"{fixed(at_30.amount, 2, True)} {quote}; net of fees {fixed(at_30.net_bps, 3, True)} bps",
        ),
        _card("Fill rate", percent(report.orders.fill_rate), "", f"of {count(report.orders.placed)} orders"),
        _card(
            "Round trips won",
            percent(trips.wins / trips.count if trips.count else None),
            "",
            f"of {count(trips.count)}, held {duration(trips.median_holding_ms)} (median)",
        ),
        _card(
            "Max drawdown",
            fixed(fall.amount, 2) if fall is not None else "0" if equity.marks else "-",
            quote,
            f"{fall.percent:.3f} % of equity" if fall is not None and fall.percent is not None else "",
        ),
        _card(
            "Sharpe ratio",
            fixed(equity.sharpe.value, 2),
            "",
            f"{equity.sharpe.samples} {equity.sharpe.step} samples" + ("" if equity.sharpe.value is not None else ": too few"),
        ),
        _card(
            "Quoting",
            percent(report.uptime.quoting_share),
            "",
            f"up {percent(report.uptime.up_share)}, {count(report.uptime.pauses)} pauses",
        ),
    ]
    return f'<dl class="cards">{"".join(cards)}</dl>'


def _card(label: str, figure: str, unit: str, remark: str, kind: str = "") -> str:
    small = f" <small>{escape(unit)}</small>" if unit and figure != "-" else ""
    return (
        f'<div class="card"><dt>{escape(label)}</dt><dd class="{kind}">{escape(figure)}{small}</dd>'
        f'<dd class="sub">{escape(remark)}</dd></div>'
    )


def _sign(amount: Decimal) -> str:
    return "gain" if amount > 0 else "loss" if amount < 0 else ""


def _charts(charts: Sequence[Chart]) -> str:
    if not charts:
        return ""
    narrow = [chart for chart in charts if not chart.wide]
    parts = []
    for chart in charts:
        # An odd one out at the end takes the row for itself.
        wide = chart.wide or (chart is narrow[-1] and len(narrow) % 2 == 1)
        parts.append(
            f'<figure class="panel{" wide" if wide else ""}"><figcaption><h3>{escape(chart.title)}</h3><p>{escape(chart.caption)}</p></figcaption>'
            f'<div class="chart" id="chart-{chart.name}" role="img" aria-label="{escape(chart.label)}"></div></figure>'
        )
    return f'<h2>Charts</h2><div class="grid charts">{"".join(parts)}</div>'


def _footer() -> str:
    return (
        "<footer>Made by mmd from its ledger. Money is exact unless it says bps or mean; times are those of the venue's clock. "
        "Drag across a chart to look closer, double-click to see all of it again.</footer>"
    )
