"""Random ledgers against the same figures worked out slowly, from lists, with fractions."""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from made_ledger import make_ledger
from report_rig import HOUR, T0, HandLedger, iso

from mmd.ledger.opening import open_for_reading
from mmd.report.figures import Question, Report, make_report
from mmd.report.period import Zone

ASSETS = ("USDT", "USDF", "BNB")
HORIZONS = (0, 1, 5, 30, 300)


def random_ledger(rng: random.Random) -> tuple[HandLedger, list[dict[str, Any]]]:
    """Some hours of trades with everything that can be missing missing now and then, and the wallets that go with them."""
    ledger = HandLedger()
    ledger.run(T0 - 1, end=T0 + 12 * HOUR)
    wallets = {asset: Decimal(1000) for asset in ASSETS}
    for asset in ASSETS:
        ledger.read(T0 - 10, T0 - 5, "1000", asset=asset)
    at, position, fills = T0, Decimal(0), []
    for _ in range(rng.randint(5, 120)):
        at += rng.choice((0, 0, 1, 500, 60_000, 1_200_000))
        if rng.random() < 0.1:
            at += 1
            amount = Decimal(rng.randint(-100, 100)).scaleb(-6)
            ledger.income(at, "FUNDING_FEE", str(amount))
            wallets["USDT"] += amount
            ledger.update(at, str(wallets["USDT"]), reason="FUNDING_FEE")
            fills.append({"at": at, "funding": amount})
            continue
        side = rng.choice(("BUY", "SELL"))
        price, size = Decimal(rng.randint(9_000, 11_000)).scaleb(-2), Decimal(rng.randint(1, 50)).scaleb(-3)
        position += size if side == "BUY" else -size
        realized, fee = Decimal(rng.randint(-500, 500)).scaleb(-4), Decimal(rng.randint(-30, 90)).scaleb(-8)
        asset = rng.choice(ASSETS)
        mids = [None if rng.random() < 0.15 else price + Decimal(rng.randint(-60, 70)).scaleb(-3) for _ in HORIZONS]
        own, maker, source = rng.choice((1, 1, 1, 0, None)), rng.random() < 0.9, "stream" if rng.random() < 0.9 else "history"
        texts = [None if mid is None else str(mid) for mid in mids]
        ledger.fill(at, side, str(price), str(size), realized=str(realized), fee=str(fee), asset=asset, maker=maker, own=own, source=source,
                    position=None if source == "history" else str(position), mid=texts[0], later=tuple(texts[1:]))  # fmt: skip
        wallets["USDT"] += realized
        wallets[asset] -= fee
        for each in {"USDT", asset}:
            ledger.update(at, str(wallets[each]), asset=each)
        fills.append({"at": at, "sign": 1 if side == "BUY" else -1, "price": price, "size": size, "realized": realized, "fee": fee, "asset": asset,
                      "mids": mids, "own": own, "maker": maker, "position": position})  # fmt: skip
    return ledger, fills


def slow_mark_out(fills: list[dict[str, Any]], number: int, sign: int | None) -> tuple[int, Fraction, Fraction, list[float]]:
    """Number, amount, net amount and the single ratios in bps of one horizon."""
    known = [
        fill for fill in fills if "sign" in fill and fill["own"] != 0 and fill["mids"][number] is not None and sign in (None, fill["sign"])
    ]
    amounts = [Fraction(fill["sign"] * (fill["mids"][number] - fill["price"]) * fill["size"]) for fill in known]
    fees = [Fraction(fill["fee"]) for fill in known if fill["asset"] != "BNB"]
    ratios = [float(fill["sign"] * (fill["mids"][number] - fill["price"]) / fill["price"]) * 10_000 for fill in known]
    return len(known), sum(amounts, Fraction(0)), sum(amounts, Fraction(0)) - sum(fees, Fraction(0)), ratios


def check_trips(report: Report, fills: list[dict[str, Any]], where: str) -> None:
    """Trips, profit and times of each position, from the list of positions."""
    count = 0
    before = Decimal(0)
    closed = Decimal(0)
    pending = Decimal(0)
    areas: dict[str, Fraction] = defaultdict(Fraction)
    last_at = T0 - 10
    for fill in [fill for fill in fills if "sign" in fill]:
        areas["long" if before > 0 else "short" if before < 0 else "flat"] += fill["at"] - last_at
        last_at, after = fill["at"], fill["position"]
        fee = Fraction(fill["fee"]) if fill["asset"] != "BNB" else Fraction(0)
        if before and (before > 0) != (after > 0) or (before and not after):
            count += 1
            share = Fraction(abs(before)) / Fraction(fill["size"])
            closed = Fraction(closed) + Fraction(pending) + Fraction(fill["realized"]) - fee * share  # type: ignore[assignment]
            pending = -fee * (1 - share)  # type: ignore[assignment]
        else:
            pending = Fraction(pending) + Fraction(fill["realized"]) - fee  # type: ignore[assignment]
        before = after
    assert report.round_trips.count == count, where
    assert float(report.round_trips.profit) == pytest.approx(float(closed), abs=1e-12), where
    known = report.inventory.known_ms
    assert (report.inventory.long_share or 0) * known == pytest.approx(
        float(areas["long"] + (T0 + 12 * HOUR - last_at if before > 0 else 0))
    ), where
    assert (report.inventory.short_share or 0) * known == pytest.approx(
        float(areas["short"] + (T0 + 12 * HOUR - last_at if before < 0 else 0))
    ), where


@pytest.mark.parametrize("seed", range(40))
def test_every_figure_is_that_of_a_slow_calculation(seed: int) -> None:
    """Profit, hours, spread and mark-outs, round trips, time long and short, and the wallet of every asset."""
    ledger, events = random_ledger(random.Random(seed))
    report, where = ledger.report(), f"seed {seed}"
    fills = [event for event in events if "sign" in event]
    assert report.trading.fills == len(fills), where
    assert report.trading.volume == sum((fill["price"] * fill["size"] for fill in fills), Decimal(0)), where
    ours = [fill for fill in fills if fill["own"] != 0]
    if ours:
        made = sum(fill["price"] * fill["size"] for fill in ours if fill["maker"])
        assert report.trading.maker_share == pytest.approx(float(made / sum(fill["price"] * fill["size"] for fill in ours))), where
    realized = sum((fill["realized"] for fill in fills), Decimal(0))
    at_par = sum((fill["fee"] for fill in fills if fill["asset"] != "BNB"), Decimal(0))
    funding = sum((event["funding"] for event in events if "funding" in event), Decimal(0))
    assert report.profit.net == realized - at_par + funding, where
    assert report.profit.rebates - report.profit.fees == -at_par, where
    hours: dict[int, Decimal] = defaultdict(Decimal)
    for event in events:
        worth = event["funding"] if "funding" in event else event["realized"] - (event["fee"] if event["asset"] != "BNB" else 0)
        hours[event["at"] // HOUR * HOUR] += worth
    assert {hour.start_ms: hour.net for hour in report.hours} == dict(hours), where
    for each in report.mark_outs:
        sign = {"all": None, "buy": 1, "sell": -1}[each.side]
        count, amount, net, ratios = slow_mark_out(events, HORIZONS.index(each.seconds), sign)
        assert (each.fills, Fraction(each.amount), Fraction(each.net_amount)) == (count, amount, net), (where, each.seconds, each.side)
        if count:
            assert each.mean_bps == pytest.approx(statistics.mean(ratios), abs=1e-9), where
        if count > 1:
            assert each.error_bps == pytest.approx(statistics.stdev(ratios) / count**0.5, abs=1e-9), where
    check_trips(report, events, where)
    assert report.reconciliation.reconciles, (where, report.reconciliation)


@pytest.mark.parametrize("seed", range(40, 50))
def test_parts_of_a_period_add_up(seed: int) -> None:
    """Cut anywhere, the two halves have the fills, the profit and the round trips of the whole."""
    rng = random.Random(seed)
    ledger, _ = random_ledger(rng)
    cut = iso(T0 + rng.randint(1, 3 * HOUR))
    whole, left, right = ledger.report(), ledger.report(None, cut), ledger.report(cut)
    where = f"seed {seed}, cut at {cut}"
    assert left.trading.fills + right.trading.fills == whole.trading.fills, where
    assert left.profit.net + right.profit.net == whole.profit.net, where
    assert left.round_trips.count + right.round_trips.count == whole.round_trips.count, where
    assert left.inventory.end == right.inventory.start, where
    assert left.reconciliation.reconciles is not False, where
    assert right.reconciliation.reconciles is not False, where


def test_a_made_ledger_agrees_with_itself(tmp_path: Path) -> None:
    """Trades, funding, two fee assets and restarts: the wallet is explained, and profit and open profit are the change of equity."""
    connection = open_for_reading(make_ledger(tmp_path / "made.ledger", 3_000, seed=3))
    report = make_report(connection, Question((None, None), 2_000_000_000_000, Zone(True)))
    connection.close()
    assert report.trading.fills == 3_000
    assert report.reconciliation.reconciles
    assert report.equity.unrealized_change is not None
    # Between the last mark and the end nothing is traded, and before the first one neither.
    assert report.equity.change == report.profit.net + report.equity.unrealized_change
