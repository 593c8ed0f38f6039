"""The engine's state table, entry by entry, bare and through the engine."""

from __future__ import annotations

import pytest
from core_rig import MID, Rig

from mmd.core.lifecycle import TRANSITIONS, Signal, State, next_state
from mmd.core.messages import Cancel, Cause, Finished, Place, Reconcile, Stop, Stream, StreamDown, StreamUp
from mmd.core.orders import IllegalTransition

# The table written down a second time: the state after TROUBLE, READY, SYNCED, STOP, FINISHED; a dash where nothing may follow.
MATRIX = {
    State.BOOT: "boot sync - stop -",
    State.SYNC: "pause sync quote stop -",
    State.QUOTE: "pause sync quote stop -",
    State.PAUSE: "pause sync quote stop -",
    State.STOP: "- - - stop stopped",
    State.STOPPED: "- - - stopped -",
}
SIGNALS = (Signal.TROUBLE, Signal.READY, Signal.SYNCED, Signal.STOP, Signal.FINISHED)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("signal", Signal)
def test_every_pair_does_what_the_matrix_says(state: State, signal: Signal) -> None:
    """A legal pair leads to the named state; an illegal one raises and names both."""
    after = MATRIX[state].split()[SIGNALS.index(signal)]
    assert ((state, signal) in TRANSITIONS) == (after != "-")
    if after == "-":
        with pytest.raises(IllegalTransition, match=f"engine: {signal.value} while {state.value}"):
            next_state(state, signal)
    else:
        assert next_state(state, signal) is State(after)


def brought_to(state: State) -> Rig:
    """An engine in a given state."""
    rig = Rig()
    if state is State.SYNC:
        rig.tick()
        rig.streams_up()
        rig.depth()
    elif state is not State.BOOT:
        rig.quoting()
        if state is State.PAUSE:
            rig.step(StreamDown(Stream.MARKET, "closed"))
        elif state is not State.QUOTE:
            rig.step(Stop("asked"))
            if state is State.STOPPED:
                rig.settle_down()
    assert rig.state is state
    return rig


@pytest.mark.parametrize("state", State)
def test_the_engine_can_be_brought_to_every_state(state: State) -> None:
    """Each state is reachable by events, and stays while nothing but a moment passes."""
    rig = brought_to(state)
    rig.tick(1)
    assert rig.state is state


@pytest.mark.parametrize("state", [State.BOOT, State.SYNC, State.QUOTE, State.PAUSE])
def test_trouble_pauses_what_was_started(state: State) -> None:
    """A user stream that goes down leads to PAUSE, or keeps a boot waiting."""
    rig = brought_to(state)
    rig.step(StreamDown(Stream.USER, "closed"))
    assert rig.state is next_state(state, Signal.TROUBLE)


@pytest.mark.parametrize("state", [State.SYNC, State.QUOTE, State.PAUSE])
def test_doubt_leads_to_sync_once_there_is_no_trouble(state: State) -> None:
    """A user stream made anew asks for the account's truth before anything is quoted."""
    rig = brought_to(state)
    rig.step(StreamDown(Stream.USER, "closed"))
    rig.step(StreamUp(Stream.USER))
    rig.step(StreamUp(Stream.MARKET))
    rig.depth()
    assert rig.state is next_state(state, Signal.READY) is State.SYNC


@pytest.mark.parametrize("state", [State.SYNC, State.QUOTE, State.PAUSE])
def test_in_step_and_without_trouble_it_quotes(state: State) -> None:
    """With the truth known and no reason to pause, the state is QUOTE."""
    rig = brought_to(state)
    if state is State.SYNC:
        rig.answer(rig.pending(Reconcile), rig.truth())
    elif state is State.PAUSE:
        rig.step(StreamUp(Stream.MARKET))
        rig.depth()
    else:
        rig.depth(MID + 1)
    assert rig.state is State.QUOTE


@pytest.mark.parametrize("state", State)
def test_a_stop_ends_every_state_cleanly(state: State) -> None:
    """Asked to stop in any state, a healthy venue lets it finish with no order open, exactly once, and nothing is placed any more."""
    rig = brought_to(state)
    placed = len(rig.all(Place))
    rig.step(Stop("asked"))
    assert rig.state is next_state(state, Signal.STOP)
    rig.settle_down()
    assert rig.state is State.STOPPED
    assert rig.finished == Finished(0, "asked", Cause.STOP)
    rig.run(5_000)
    assert len(rig.all(Place)) == placed


@pytest.mark.parametrize("state", [State.STOP, State.STOPPED])
def test_what_is_ending_takes_no_other_signal(state: State) -> None:
    """Neither trouble nor a second stop moves an engine that ends, and the first reason counts."""
    rig = brought_to(state)
    for event in (StreamDown(Stream.USER, "closed"), StreamUp(Stream.USER), Stop("again")):
        rig.step(event)
        assert rig.state is state
    rig.settle_down()
    assert rig.finished == Finished(0, "asked", Cause.STOP)
    assert len(rig.all(Cancel)) == 1
