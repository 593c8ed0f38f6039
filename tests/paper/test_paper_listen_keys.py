"""The life of a listen key."""

from __future__ import annotations

import random

import pytest

from mmd.paper.listen_keys import ListenKeys
from mmd.paper.refusals import Refused

HOUR_MS = 3_600_000


def new_keys() -> ListenKeys:
    return ListenKeys(random.Random(1))


def test_an_account_has_one_key_until_it_ends() -> None:
    """POST with an active key gives the same key and extends it; another account has another key."""
    keys = new_keys()
    first = keys.open("a", 0)
    assert len(first) == 64
    assert keys.open("a", HOUR_MS - 1) == first
    assert keys.open("b", 0) != first
    assert keys.owner(first, 2 * HOUR_MS - 2) == "a"
    assert keys.owner(first, 2 * HOUR_MS - 1) is None


def test_keep_alive_extends_by_a_whole_life() -> None:
    """PUT at any instant of its life gives the key another 60 minutes."""
    keys = new_keys()
    key = keys.open("a", 0)
    keys.keep_alive("a", None, HOUR_MS - 1)
    keys.keep_alive("a", key, HOUR_MS)
    assert keys.current("a", 2 * HOUR_MS - 1) == key
    assert keys.current("a", 2 * HOUR_MS) is None
    assert keys.next_expiry_ms() == 2 * HOUR_MS


@pytest.mark.parametrize("named, now_ms, account", [(None, HOUR_MS, "a"), ("another", 0, "a"), (None, 0, "b")])
def test_what_does_not_exist_is_neither_kept_nor_closed(named: str | None, now_ms: int, account: str) -> None:
    """An ended key, a key that is not the account's, and the key of an account without one are -1125."""
    keys = new_keys()
    keys.open("a", 0)
    for action in (keys.keep_alive, keys.close):
        with pytest.raises(Refused) as caught:
            action(account, named, now_ms)
        assert (caught.value.code, caught.value.msg) == (-1125, "This listenKey does not exist.")


def test_a_closed_key_is_reported_once_and_replaced_by_a_new_one() -> None:
    """DELETE ends the key at once; the next POST makes another."""
    keys = new_keys()
    key = keys.open("a", 0)
    keys.close("a", key, 1)
    assert keys.owner(key, 1) is None
    assert keys.take_closed() == [key]
    assert keys.take_closed() == []
    assert keys.open("a", 2) != key


def test_ended_keys_are_taken_out_once() -> None:
    """Expiry is reported exactly once, at the millisecond of its time."""
    keys = new_keys()
    key = keys.open("a", 0)
    assert keys.expire(HOUR_MS - 1) == []
    assert keys.expire(HOUR_MS) == [key]
    assert keys.expire(HOUR_MS) == []
    assert keys.next_expiry_ms() is None


def test_a_key_that_ended_unnoticed_is_not_revived() -> None:
    """POST after the end gives a new key even where nobody looked in between, and the old one is still reported."""
    keys = new_keys()
    key = keys.open("a", 0)
    assert keys.open("a", HOUR_MS) != key
    assert keys.expire(HOUR_MS) == [key]


def test_a_life_can_be_cut_short() -> None:
    """A key that is cut short is no longer current, and is reported among the expired ones once."""
    keys = ListenKeys(random.Random(1))
    key = keys.open("a", 1_000)
    keys.cut_short("b", 1_500)
    assert keys.current("a", 1_500) == key
    keys.cut_short("a", 2_000)
    assert keys.current("a", 2_000) is None
    assert keys.expire(2_000) == [key] and keys.expire(2_001) == []
