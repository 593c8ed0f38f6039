"""The engine's state table.

BOOT waits for the user stream, SYNC for the account's truth; QUOTE and PAUSE alternate for as long as there are or are no reasons to pause;
STOP drains and cancels until the venue itself says that no order is open.
"""

from __future__ import annotations

from enum import Enum

from mmd.core.orders import IllegalTransition


class State(Enum):
    BOOT = "boot"
    SYNC = "sync"
    QUOTE = "quote"
    PAUSE = "pause"
    STOP = "stop"
    STOPPED = "stopped"


class Signal(Enum):
    TROUBLE = "trouble"  # there is a reason to pause
    READY = "ready"  # the account can be listened to, and its truth is not known
    SYNCED = "synced"  # no reason to pause, and the account's truth is known
    STOP = "stop"  # the process is to end
    FINISHED = "finished"  # verified empty, or out of time


TRANSITIONS: dict[tuple[State, Signal], State] = {
    (State.BOOT, Signal.TROUBLE): State.BOOT,
    (State.BOOT, Signal.READY): State.SYNC,
    (State.BOOT, Signal.STOP): State.STOP,
    (State.SYNC, Signal.TROUBLE): State.PAUSE,
    (State.SYNC, Signal.READY): State.SYNC,
    (State.SYNC, Signal.SYNCED): State.QUOTE,
    (State.SYNC, Signal.STOP): State.STOP,
    (State.QUOTE, Signal.TROUBLE): State.PAUSE,
    (State.QUOTE, Signal.READY): State.SYNC,
    (State.QUOTE, Signal.SYNCED): State.QUOTE,
    (State.QUOTE, Signal.STOP): State.STOP,
    (State.PAUSE, Signal.TROUBLE): State.PAUSE,
    (State.PAUSE, Signal.READY): State.SYNC,
    (State.PAUSE, Signal.SYNCED): State.QUOTE,
    (State.PAUSE, Signal.STOP): State.STOP,
    (State.STOP, Signal.STOP): State.STOP,
    (State.STOP, Signal.FINISHED): State.STOPPED,
    (State.STOPPED, Signal.STOP): State.STOPPED,
}


def next_state(state: State, signal: Signal) -> State:
    """The state after a signal. Raises IllegalTransition where the table has no such entry."""
    try:
        return TRANSITIONS[state, signal]
    except KeyError:
        raise IllegalTransition(f"engine: {signal.value} while {state.value}") from None
