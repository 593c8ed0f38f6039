"""The charts of the page, as figures of the plotting library: what is drawn and how it is labelled. Colours are stand-ins (see palette)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from mmd.report.amounts import count, duration, fixed
from mmd.report.figures import Report
from mmd.report.mark_outs import MarkOut
from mmd.report.palette import ink
from mmd.report.period import Zone
from mmd.report.profit import Slot
from mmd.report.series import Dot, Dots, Line, Series

_MOST_BARS = 240
_FEWEST_PLACES = 12


class Chart(NamedTuple):
    """One chart: `figure` is the library's JSON, `caption` says what to know, `label` what a reader without eyes is told. `wide` takes a
    whole row."""

    name: str
    title: str
    caption: str
    label: str
    figure: str
    wide: bool = False


def make_charts(report: Report, series: Series) -> list[Chart]:
    """Those for which there is something to draw."""
    made = (
        _price(report, series),
        _equity(report, series),
        _inventory(report, series),
        _mark_out_curve(report),
        _spread_histogram(report, series),
        _profit_bars(report, report.days, "day") if len(report.days) > 1 else None,
        _profit_bars(report, report.hours, "hour"),
    )
    return [chart for chart in made if chart is not None]


def _price(report: Report, series: Series) -> Chart | None:
    buys, sells = series.buys.dots(), series.sells.dots()
    if not buys and not sells and not series.mids():
        return None
    quote, base, zone = report.identity.quote_asset, report.identity.base_asset, report.zone
    least = 6 if len(buys) + len(sells) <= 200 else 3.5  # pixels
    figure = go.Figure()
    times, mids = _drawn(series.mids(), zone)
    figure.add_scatter(
        x=times,
        y=mids,
        mode="lines",
        name="mid",
        line={"color": ink("mid"), "width": 1.25},
        hovertemplate=f"mid %{{y:,.4~f}} {quote}<extra></extra>",
    )
    # Both are triangles whose tip is at the price: a buy's stands below it, a sell's above, so that neither hides the other.
    for name, dots, angle in (("buy", buys, 0), ("sell", sells, 180)):
        most = max((dot.size for dot in dots), default=1)
        figure.add_scatter(
            x=[_stamp(zone, dot.first_ms) for dot in dots],
            y=[dot.price / 1e8 for dot in dots],
            mode="markers",
            name=f"{name}s",
            text=[_dot_text(dot, base, zone) for dot in dots],
            marker={
                "symbol": "triangle-up",
                "angle": angle,
                "standoff": [(least + 5 * (dot.size / most) ** 0.5) * 0.55 for dot in dots],
                "color": ink(name),
                "opacity": 0.85,
                "size": [least + 5 * (dot.size / most) ** 0.5 for dot in dots],
                "line": {"color": ink("card"), "width": 0.75},
            },
            hovertemplate=f"<b>{name}</b> %{{y:,.4~f}} {quote}<br>%{{text}}<extra></extra>",
        )
    _lay_out(figure, quote)
    thinned = _thinned(series.buys, series.sells)
    caption = (
        f"Mid and our fills, {count(report.trading.buys)} buys and {count(report.trading.sells)} sells. "
        + (
            f"Too many to draw one by one: each marker stands for all fills of its side within {thinned}, at their mean price, sized by quantity."
            if thinned
            else "Every fill is drawn, sized by quantity."
        )
        + _line_note(series.mid, series.mid_at_fills)
    )
    return Chart(
        "price",
        "Price and fills",
        caption,
        f"Price over time with {report.trading.buys} buys and {report.trading.sells} sells.",
        _json(figure),
        wide=True,
    )


def _equity(report: Report, series: Series) -> Chart | None:
    times, values = _drawn(list(series.equity.points()), report.zone)
    if not times:
        return None
    quote, fall = report.identity.quote_asset, report.equity.drawdown
    figure = go.Figure()
    figure.add_scatter(
        x=times,
        y=values,
        mode="lines",
        name="equity",
        line={"color": ink("accent"), "width": 1.75},
        hovertemplate=f"%{{y:,.2f}} {quote}<extra></extra>",
    )
    if fall is not None:
        figure.add_vrect(
            x0=_stamp(report.zone, fall.from_ms), x1=_stamp(report.zone, fall.to_ms), fillcolor=ink("area"), line_width=0, layer="below"
        )
    _lay_out(figure, quote, legend=False)
    caption = (
        "Wallet and unrealised profit at mid, transfers taken out."
        + (" Shaded: the deepest drawdown." if fall is not None else "")
        + _line_note(series.equity)
    )
    return Chart(
        "equity", "Equity", caption, f"Equity from {fixed(report.equity.start, 2)} to {fixed(report.equity.end, 2)} {quote}.", _json(figure)
    )


def _inventory(report: Report, series: Series) -> Chart | None:
    times, values = _drawn(list(series.position.points()), report.zone)
    if not times:
        return None
    base, held = report.identity.base_asset, report.inventory
    figure = go.Figure()
    if series.position.is_thinned:
        ranges = list(series.position.ranges())
        for number, (name, fill) in enumerate((("lowest", None), ("highest", "tonexty")), 1):
            figure.add_scatter(
                x=[_stamp(report.zone, each[0]) for each in ranges],
                y=[each[number] for each in ranges],
                mode="lines",
                name=name,
                fill=fill,
                fillcolor=ink("band"),
                line={"color": ink("accent"), "width": 1.25, "shape": "hv"},
                hovertemplate=f"{name} %{{y:,.8~f}} {base}<extra></extra>",
            )
        caption = f"The position: its range within every {duration(series.position.stretch_ms)}."
    else:
        figure.add_scatter(
            x=[_stamp(report.zone, report.period.since_ms), *times],
            y=[float(held.start), *values],
            mode="lines",
            name="position",
            fill="tozeroy",
            fillcolor=ink("area"),
            line={"color": ink("accent"), "width": 1.25, "shape": "hv"},
            hovertemplate=f"%{{y:,.8~f}} {base}<extra></extra>",
        )
        caption = "The position after each fill."
    _lay_out(figure, base, legend=False)
    return Chart("inventory", "Inventory", caption, f"Position between {held.shortest} and {held.longest} {base}.", _json(figure))


def _mark_out_curve(report: Report) -> Chart | None:
    if not any(each.fills for each in report.mark_outs):
        return None
    by_side: dict[str, list[MarkOut]] = {
        side: [each for each in report.mark_outs if each.side == side and each.fills] for side in ("all", "buy", "sell")
    }
    figure = go.Figure()
    whole = [each for each in by_side["all"] if each.mean_bps is not None and each.error_bps is not None]
    places = [_place(each) for each in whole]
    for sign in (-1, 1):
        figure.add_scatter(
            x=places,
            y=[(each.mean_bps or 0) + sign * (each.error_bps or 0) for each in whole],
            mode="lines",
            line={"width": 0, "color": ink("clear")},
            fill="tonexty" if sign > 0 else None,
            fillcolor=ink("band"),
            hoverinfo="skip",
            showlegend=False,
        )
    for side, name, colour, symbol, dash in (
        ("buy", "buys", "buy", "triangle-up", "dot"),
        ("sell", "sells", "sell", "triangle-down", "dot"),
        ("all", "all ± std. error", "accent", "circle", "solid"),
    ):
        rows = by_side[side]
        figure.add_scatter(
            x=[_place(each) for each in rows],
            y=[each.mean_bps for each in rows],
            mode="lines+markers",
            name=name,
            line={"color": ink(colour), "width": 2 if side == "all" else 1.25, "dash": dash},
            marker={"symbol": symbol, "size": 8 if side == "all" else 7, "color": ink(colour)},
            text=[f"{count(each.fills)} fills, weighted {fixed(each.weighted_bps, 3, True)} bps" for each in rows],
            hovertemplate=f"<b>{name.partition(' ')[0]}</b> %{{y:+.3f}} bps<br>%{{text}}<extra></extra>",
        )
    _lay_out(figure, "bps")
    ticks = [each for each in report.mark_outs if each.side == "all"]
    figure.update_xaxes(
        type="linear",
        tickvals=[_place(each) for each in ticks],
        ticktext=["fill" if not each.seconds else f"{each.seconds} s" for each in ticks],
        range=[-0.25, len(ticks) - 0.75],
    )
    figure.update_yaxes(rangemode="tozero")
    last = ticks[-1]
    return Chart(
        "mark_outs",
        "Mark-outs",
        "Mean of mid against fill price, seen from our side, so long after the fill: a falling curve is adverse selection. "
        "Steps are not to scale.",
        f"Mark-outs from {fixed(ticks[0].mean_bps, 3, True)} bps at the fill to {fixed(last.mean_bps, 3, True)} bps after {last.seconds} s.",
        _json(figure),
    )


def _place(each: MarkOut) -> int:
    """Horizons are spaced evenly: 0, 1, 5, 30, 300 s on any true scale would hide the beginning or the end."""
    return {0: 0, 1: 1, 5: 2, 30: 3, 300: 4}[each.seconds]


def _spread_histogram(report: Report, series: Series) -> Chart | None:
    bins = series.spread.bins()
    if bins is None:
        return None
    centres = [edge + bins.width_bps / 2 for edge in bins.edges_bps]
    figure = go.Figure()
    figure.add_bar(
        x=centres,
        y=bins.counts,
        width=bins.width_bps * 0.92,
        marker={"color": [ink("gain") if centre >= 0 else ink("loss") for centre in centres], "line": {"width": 0}},
        text=[f"{edge:.2f} to {edge + bins.width_bps:.2f} bps" for edge in bins.edges_bps],
        textposition="none",
        hovertemplate="%{text}<br>%{y:,} fills<extra></extra>",
    )
    _lay_out(figure, "fills", legend=False)
    figure.update_xaxes(type="linear", title={"text": "bps"})
    if report.spread.bps is not None:
        figure.add_vline(
            x=report.spread.bps,
            line={"color": ink("text"), "width": 1, "dash": "dot"},
            annotation={"text": f"by notional {report.spread.bps:+.2f}", "font": {"size": 11, "color": ink("muted")}, "yanchor": "bottom"},
            annotation_position="top",
        )
        figure.update_layout(margin={"t": 26})
    beyond = bins.below + bins.above
    caption = "How far from mid each fill was, positive to our advantage." + (
        f" {count(beyond)} fills lie beyond the axis ({count(bins.below)} below, {count(bins.above)} above)." if beyond else ""
    )
    return Chart("spread", "Spread captured", caption, f"Histogram of spread captured by {report.spread.fills} fills.", _json(figure))


def _profit_bars(report: Report, slots: Sequence[Slot], unit: str) -> Chart | None:
    if not slots:
        return None
    shown = slots[-_MOST_BARS:]
    quote = report.identity.quote_asset
    figure = go.Figure()
    figure.add_bar(
        x=[_stamp(report.zone, slot.start_ms) for slot in shown],
        y=[float(slot.net) for slot in shown],
        marker={"color": [ink("gain") if slot.net >= 0 else ink("loss") for slot in shown], "line": {"width": 0}},
        customdata=[
            [
                slot.label,
                fixed(slot.realized, sign=True),
                fixed(slot.rebates - slot.fees, sign=True),
                fixed(slot.funding, sign=True),
                count(slot.fills),
            ]
            for slot in shown
        ],
        hovertemplate=f"<b>%{{customdata[0]}}</b><br>net %{{y:+,.4f}} {quote}<br>realised %{{customdata[1]}}<br>fees and rebates %{{customdata[2]}}"
        "<br>funding %{customdata[3]}<br>%{customdata[4]} fills<extra></extra>",
    )
    _lay_out(figure, quote, legend=False)
    step_ms = 86_400_000 if unit == "day" else 3_600_000
    figure.update_traces(width=step_ms * 0.8, offset=step_ms * 0.1)
    # A few bars keep the width that they have among many.
    spare_ms = max(0, _FEWEST_PLACES * step_ms - (shown[-1].start_ms + step_ms - shown[0].start_ms)) // 2 + step_ms // 2
    figure.update_xaxes(
        range=[_stamp(report.zone, shown[0].start_ms - spare_ms), _stamp(report.zone, shown[-1].start_ms + step_ms + spare_ms)]
    )
    caption = f"Realised - fees + rebates + funding of each {unit} in which anything was booked." + (
        f" The last {len(shown)} of {count(len(slots))}." if len(shown) < len(slots) else ""
    )
    best, worst = max(slot.net for slot in shown), min(slot.net for slot in shown)
    return Chart(
        f"by_{unit}",
        f"Net profit by {unit}",
        caption,
        f"Net profit by {unit}, from {fixed(worst, 4, True)} to {fixed(best, 4, True)} {quote}.",
        _json(figure),
    )


# --- what the charts share ------------------------------------------------------------------------------------------------------------


def _lay_out(figure: Any, unit: str, legend: bool = True) -> None:
    title = {"font": {"color": ink("muted"), "size": 11}}
    axis: dict[str, Any] = {
        "gridcolor": ink("grid"),
        "linecolor": ink("line"),
        "zerolinecolor": ink("line"),
        "zerolinewidth": 1,
        "tickfont": {"color": ink("muted"), "size": 11},
        "title": title,
        "automargin": True,
        "fixedrange": False,
    }
    figure.update_layout(
        template=None,
        paper_bgcolor=ink("clear"),
        plot_bgcolor=ink("clear"),
        margin={"l": 8, "r": 10, "t": 26 if legend else 10, "b": 8},
        showlegend=legend,
        font={"family": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif", "size": 12, "color": ink("text")},
        hovermode="closest",
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"color": ink("muted"), "size": 12},
            "bgcolor": ink("clear"),
            "traceorder": "normal",
        },
        hoverlabel={"bgcolor": ink("card"), "bordercolor": ink("line"), "font": {"color": ink("text"), "size": 12}},
        xaxis={**axis, "type": "date", "showgrid": False},
        yaxis={**axis, "title": {**title, "text": unit}, "tickformat": ",.8~f" if unit not in ("bps", "fills") else ",~r"},
    )


def _json(figure: Any) -> str:
    found: dict[str, Any] = json.loads(figure.to_json())
    return json.dumps({"data": found["data"], "layout": found["layout"]}, separators=(",", ":"))


def _drawn(points: Sequence[tuple[int, float]], zone: Zone) -> tuple[list[str], list[float]]:
    return [_stamp(zone, time_ms) for time_ms, _ in points], [value for _, value in points]


def _stamp(zone: Zone, time_ms: int) -> str:
    """Without an offset, for the library knows no time zones: it shows what it is told."""
    return f"{zone.second(time_ms)}.{time_ms % 1000:03}"


def _dot_text(dot: Dot, base: str, zone: Zone) -> str:
    size = f"{dot.size / 1e8:,.8f}".rstrip("0").rstrip(".")
    if dot.fills == 1:
        return f"{size} {base}<br>{zone.second(dot.first_ms)}"
    return f"{count(dot.fills)} fills, {size} {base}<br>{zone.second(dot.first_ms)} to {zone.second(dot.last_ms)}"


def _thinned(*all_dots: Dots) -> str:
    stretch_ms = max(dots.stretch_ms for dots in all_dots)
    return duration(stretch_ms) if stretch_ms > 1 else ""


def _line_note(*lines: Line) -> str:
    stretch_ms = max(line.stretch_ms for line in lines)
    return f" The line keeps first, lowest, highest and last of every {duration(stretch_ms)}." if stretch_ms > 1 else ""
