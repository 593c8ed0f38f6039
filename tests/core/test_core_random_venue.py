"""The engine against a venue that loses, delays, doubles and reorders: what must hold at every step, and once the faults end."""

from __future__ import annotations

import pytest
from model_venue import ModelVenue

from mmd.core.lifecycle import State

FAULTY_MS, HEALTHY_MS = 25_000, 15_000
# Each run has its own mix, so that faults meet in pairs as well as all at once.
MIXES: tuple[dict[str, float], ...] = (
    {},
    {"lost": 0.1, "failed": 0.05, "slow": 0.3},
    {"event late": 0.5, "event twice": 0.3, "slow": 0.3, "trade between reads": 0.5},
    {"user down": 0.03, "market down": 0.02, "frame lost": 0.1, "event late": 0.3, "trade between reads": 0.3},
    {"refused": 0.2, "expires": 0.2, "amend refused": 0.3, "unsent": 0.1},
    {"limited": 0.05, "lost": 0.05, "slow": 0.2},
    {"lost": 0.05, "failed": 0.03, "slow": 0.3, "event late": 0.3, "event twice": 0.2, "event lost": 0.02, "user down": 0.01,
     "market down": 0.01, "frame lost": 0.05, "refused": 0.05, "expires": 0.05, "amend refused": 0.1, "limited": 0.01, "unsent": 0.03,
     "trade between reads": 0.3},
)  # fmt: skip


@pytest.mark.parametrize("seed", range(210))
def test_no_promise_is_broken_and_it_comes_to_rest(seed: int) -> None:
    """Never two orders in a slot, no POST twice, unhealthy or in silence, never more than the limit; then it quotes, agrees, and stops."""
    venue = ModelVenue(seed, **MIXES[seed % len(MIXES)])
    venue.start()
    venue.run(FAULTY_MS)
    assert not venue.broken, f"seed {seed}: {venue.broken[:3]}"
    assert venue.finished is None, f"seed {seed}: {venue.finished}"
    venue.faulty = False
    venue.run(HEALTHY_MS)
    engine = venue.engine
    assert not venue.broken, f"seed {seed}: {venue.broken[:3]}"
    assert engine.state is State.QUOTE, f"seed {seed}: {engine.state} {engine.reasons}"
    assert venue.now_ms - venue.quoted_ms < 2_000, f"seed {seed}: no order for {venue.now_ms - venue.quoted_ms} ms"
    assert venue.steps < 4_000, f"seed {seed}: {venue.steps} steps"
    venue.stop()
    venue.run(3_000)
    assert venue.finished is not None and venue.finished.clean, f"seed {seed}: {venue.finished}"
    assert not venue.live and venue.countdown_until_ms is None, f"seed {seed}: {venue.live}"
    assert engine.account.position.amount_lots == venue.position_lots, f"seed {seed}"
    assert engine.account.fills == len(venue.trades), f"seed {seed}: booked {engine.account.fills} of {len(venue.trades)} trades"


@pytest.mark.parametrize("seed", range(1_000, 1_140))
def test_a_stop_amid_the_faults_keeps_its_word(seed: int) -> None:
    """Asked to stop at any moment, with the faults going on: it ends in time; a clean end leaves no order, then or later; on any doubt the
    countdown does what is left."""
    venue = ModelVenue(seed, **MIXES[seed % len(MIXES)])
    venue.start()
    venue.run(venue.generator.randint(0, 15_000))
    venue.stop()
    venue.run(venue.settings.timing.stop_deadline_ms)
    assert not venue.broken, f"seed {seed}: {venue.broken[:3]}"
    assert venue.finished is not None, f"seed {seed}: no end, {[order.state for order in venue.engine.desk.live()]}"
    if venue.finished.clean:
        assert not venue.live, f"seed {seed}: clean, but {venue.live}"
    venue.run(venue.settings.risk.countdown_ms + 200)
    assert not venue.live, f"seed {seed}: left behind {venue.live}"
