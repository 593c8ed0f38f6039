"""The order's state table, entry by entry, and what no sequence of happenings may do."""

from __future__ import annotations

import copy
from random import Random

import pytest

from mmd.core.messages import OrderReport, OrderStatus
from mmd.core.orders import TRANSITIONS, Happening, IllegalTransition, Order, OrderState
from mmd.core.units import Side

H = Happening
COLUMNS = (
    H.PLACE_ACCEPTED, H.PLACE_REFUSED, H.PLACE_LOST, H.AMEND_SENT, H.AMEND_ACCEPTED, H.AMEND_REFUSED, H.AMEND_LOST,
    H.CANCEL_SENT, H.CANCEL_REFUSED, H.CANCEL_LOST, H.SEEN_LIVE, H.SEEN_TERMINAL, H.MISSING, H.DECLARED_GONE,
)  # fmt: skip
# The table written down a second time, a letter for the state that follows and a dot where nothing may.
MATRIX = {
    #                     place    amend    cancel  seen   missing
    #                     a r l    s a r l  s r l   l t    m  gone
    OrderState.PLACING: "WDU .... ... WD P.",
    OrderState.WORKING: "WUW AWWU C.. WD U.",
    OrderState.AMENDING: "AAA .WWU C.. AD A.",
    OrderState.CANCELLING: "CCC .CCC .UU CD C.",
    OrderState.UNKNOWN: "WUU .UUU ... WD UD",
    OrderState.DONE: "DDD .DDD .DD DD D.",
}
LETTERS = {state.name[0]: state for state in OrderState}
PAIRS = [(state, happening) for state in OrderState for happening in Happening]


def expected(state: OrderState, happening: Happening) -> OrderState | None:
    return LETTERS.get(MATRIX[state].replace(" ", "")[COLUMNS.index(happening)])


def make_order(state: OrderState = OrderState.PLACING, **changes: object) -> Order:
    order = Order("mmd-s-1", Side.BUY, (Side.BUY, 0), 100, 50, False, True, requested_ms=1_000, state=state)
    for name, value in changes.items():
        setattr(order, name, value)
    return order


def make_report(status: OrderStatus = OrderStatus.NEW, executed: int = 0, time_ms: int = 1, **changes: object) -> OrderReport:
    return OrderReport("mmd-s-1", 7, Side.BUY, status, 100, 50, executed, False, time_ms)._replace(**changes)


def test_the_matrix_covers_every_happening() -> None:
    """The second writing of the table has a column for each happening and a row for each state."""
    assert sorted(COLUMNS, key=lambda h: h.name) == sorted(Happening, key=lambda h: h.name)
    assert set(MATRIX) == set(OrderState)
    assert {len(row.replace(" ", "")) for row in MATRIX.values()} == {len(COLUMNS)}


@pytest.mark.parametrize(("state", "happening"), [pair for pair in PAIRS if pair in TRANSITIONS])
def test_a_legal_entry_leads_where_the_matrix_says(state: OrderState, happening: Happening) -> None:
    """Every entry of the table moves the order to the state that the matrix names."""
    order = make_order(state)
    order.happen(happening, 2_000)
    assert order.state is expected(state, happening)


@pytest.mark.parametrize(("state", "happening"), [pair for pair in PAIRS if pair not in TRANSITIONS])
def test_an_illegal_pair_raises_and_changes_nothing(state: OrderState, happening: Happening) -> None:
    """A pair outside the table raises, names order, happening and state, and leaves every field as it was."""
    assert expected(state, happening) is None
    order = make_order(state, executed_lots=3, queries=2, query_due_ms=5)
    before = copy.copy(order)
    with pytest.raises(IllegalTransition, match=f"mmd-s-1: {happening.value} while {state.value}"):
        order.happen(happening, 2_000)
    assert order == before


def test_done_is_never_left() -> None:
    """No entry leads out of DONE."""
    assert {after for (before, _), after in TRANSITIONS.items() if before is OrderState.DONE} == {OrderState.DONE}


def test_done_notes_when_and_still_expects_its_echo() -> None:
    """The first step into DONE stamps the time; later happenings do not move the stamp, and the echo is owed for a short life too."""
    order = make_order(OrderState.WORKING, echo_due_ms=9_000)
    order.happen(Happening.SEEN_TERMINAL, 2_000)
    order.happen(Happening.SEEN_LIVE, 3_000)
    assert (order.done_ms, order.echo_due_ms) == (2_000, 9_000)


def test_becoming_unknown_asks_at_once_and_staying_unknown_does_not() -> None:
    """The step into UNKNOWN makes a query due now and starts the count anew; staying there keeps both."""
    order = make_order(OrderState.CANCELLING, queries=4)
    order.happen(Happening.CANCEL_LOST, 2_000)
    assert (order.query_due_ms, order.queries) == (2_000, 0)
    order.query_due_ms, order.queries = 9_000, 3
    order.happen(Happening.MISSING, 3_000)
    assert (order.query_due_ms, order.queries) == (9_000, 3)


@pytest.mark.parametrize("status", OrderStatus)
def test_learning_follows_the_status(status: OrderStatus) -> None:
    """A terminal status ends the order, any other shows that it is live."""
    order = make_order(OrderState.UNKNOWN)
    order.learn(make_report(status), 2_000)
    assert order.state is (OrderState.DONE if status.is_terminal else OrderState.WORKING)
    assert order.status is status


def test_the_terminal_statuses_are_the_documented_ones() -> None:
    """Only FILLED, CANCELED, REJECTED and EXPIRED mean that an order can never trade again."""
    assert {status.value for status in OrderStatus if status.is_terminal} == {"FILLED", "CANCELED", "REJECTED", "EXPIRED"}


def test_an_older_report_changes_neither_price_nor_size() -> None:
    """Price and size come from the newest report by its update time, executed lots from the largest."""
    order = make_order(OrderState.WORKING)
    order.learn(make_report(time_ms=20, price_ticks=105, size_lots=60, executed=1), 2_000)
    order.learn(make_report(time_ms=10, price_ticks=101, size_lots=40, executed=4), 2_000)
    assert (order.price_ticks, order.size_lots, order.executed_lots, order.update_time_ms) == (105, 60, 4, 20)


def test_a_live_report_does_not_overwrite_the_status_of_a_finished_order() -> None:
    """What was CANCELED stays CANCELED, whatever late report comes; a late terminal one may say more."""
    order = make_order(OrderState.WORKING)
    order.learn(make_report(OrderStatus.CANCELED, time_ms=5), 2_000)
    order.learn(make_report(OrderStatus.NEW, time_ms=9), 2_000)
    assert order.status is OrderStatus.CANCELED
    assert not order.is_live


def test_the_order_id_is_not_forgotten() -> None:
    """A report without an order id keeps the one that is known."""
    order = make_order()
    order.learn(make_report(), 2_000)
    order.learn(make_report(order_id=0), 2_000)
    assert order.order_id == 7


def test_what_may_still_fill_counts_an_amend_on_its_way() -> None:
    """The larger of the size and the amended size, less what is executed."""
    assert make_order(executed_lots=10).remaining_lots == 40
    assert make_order(executed_lots=10, amended_size_lots=70).remaining_lots == 60
    assert make_order(executed_lots=10, amended_size_lots=20).remaining_lots == 40


def test_unbooked_is_what_is_executed_and_not_booked_and_never_negative() -> None:
    """The difference counts one way only."""
    assert make_order(executed_lots=10, booked_lots=4).unbooked_lots == 6
    assert make_order(executed_lots=4, booked_lots=10).unbooked_lots == 0


@pytest.mark.parametrize("seed", range(200))
def test_random_walks_keep_the_promises(seed: int) -> None:
    """Whatever happens in whatever order: DONE is never left, the executed size never falls, an illegal happening changes nothing."""
    generator = Random(seed)
    order = make_order()
    for now_ms in range(100):
        before = copy.copy(order)
        if generator.random() < 0.4:
            status = generator.choice(list(OrderStatus)[: 4 if generator.random() < 0.5 else 2])
            order.learn(make_report(status, generator.randrange(50), generator.randrange(30)), now_ms)
        else:
            happening = generator.choice(list(Happening))
            try:
                order.happen(happening, now_ms)
            except IllegalTransition:
                assert order == before, f"seed {seed}"
        assert order.executed_lots >= before.executed_lots, f"seed {seed}"
        assert before.is_live or not order.is_live, f"seed {seed}"
        assert before.is_live or order.done_ms == before.done_ms, f"seed {seed}"
