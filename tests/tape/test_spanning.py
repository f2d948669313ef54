"""Live rows stand for several executions, history has each alone: none is lost, none counted twice."""

from hypothesis import given
from hypothesis import strategies as st

from gapless.model import Evidence, Trade
from gapless.tape.coverage import Coverage
from gapless.tape.sequence import Sequence

FIRST = 100


def single(seq: int) -> Trade:
    """An execution of the market: its size is told by its id, so that sums tell which are in them."""
    return Trade(seq, seq, 10, 1 << (seq - FIRST), 1, 1, seq, 0)


def taker(first: int, last: int) -> Trade:
    """The row that a stream sends for several executions: the id of the last, the sum of their sizes."""
    return Trade(last, last, 10, (2 << (last - FIRST)) - (1 << (first - FIRST)), 1, last - first + 1, first, 0)


def ids(rows: list[Trade]) -> list[int]:
    return sorted(seq for row in rows for seq in range(row.first_fill, row.seq + 1))


@st.composite
def markets(draw):
    """The takers of a market, and what a line makes of them: batches with frames dropped, doubled, out of order."""
    takers, at = [], FIRST
    for length in draw(st.lists(st.integers(1, 4), min_size=1, max_size=12)):
        takers.append((at, at + length - 1))
        at += length
    sent = draw(st.lists(st.sampled_from(takers), max_size=20))
    batches, begin = [], 0
    while begin < len(sent):
        end = begin + draw(st.integers(1, 5))
        batches.append([taker(*one) for one in sent[begin:end]])
        begin = end
    return at - 1, batches


@given(markets(), st.data())
def test_whatever_came_live_and_by_history_each_execution_is_held_once_and_its_size_summed_once(market, data):
    last, batches = market
    sequence, rows = Sequence(Coverage(), spanning=True), []
    for batch in batches:
        if data.draw(st.booleans()):
            low = data.draw(st.integers(FIRST, last))
            high = data.draw(st.integers(low, last))
            for part in sequence.coverage.missing(low, high):
                rows += sequence.fill([single(seq) for seq in range(low, high + 1)], part, Evidence.REST).rows
        arrival = sequence.append(batch)
        rows += arrival.rows
        assert ids(arrival.rows) == [seq for first, end in arrival.vouched for seq in range(first, end + 1)]
        held = [seq for seq in range(FIRST, last + 1) if seq in sequence.coverage]
        assert ids(rows) == held  # each once: what the ledger holds is what the rows stand for
        assert sum(row.size for row in rows) == sum(1 << (seq - FIRST) for seq in held)
    for part in sequence.coverage.missing(FIRST, last):
        rows += sequence.fill([single(seq) for seq in range(*part)] + [single(part[1])], part, Evidence.REST).rows
    assert ids(rows) == list(range(FIRST, last + 1))
    assert sum(row.size for row in rows) == (1 << (last - FIRST + 1)) - 1


def test_takers_that_follow_each_other_are_in_order_and_a_jump_is_a_hole_of_all_its_executions():
    sequence = Sequence(Coverage(), spanning=True)
    assert sequence.append([taker(100, 102)]).vouched == [(100, 102)]
    arrival = sequence.append([taker(103, 103), taker(104, 106)])
    assert (arrival.vouched, arrival.in_order, sequence.next) == ([(103, 106)], True, 107)
    assert sequence.append([taker(110, 112)]).vouched == [(110, 112)]
    assert sequence.coverage.missing(100, 112) == [(107, 109)]


def test_a_taker_of_which_history_brought_a_part_is_left_out_and_the_rest_of_it_is_known_to_be_missing():
    sequence = Sequence(Coverage(), spanning=True)
    sequence.append([taker(100, 100)])
    sequence.fill([single(101), single(102)], (101, 102), Evidence.REST)
    arrival = sequence.append([taker(101, 105)])
    assert (arrival.rows, arrival.vouched, arrival.newest) == ([], [], taker(101, 105))
    assert sequence.coverage.missing(100, 105) == [(103, 105)]


def test_two_takers_that_claim_the_same_execution_are_not_both_counted():
    sequence = Sequence(Coverage(), spanning=True)
    sequence.append([taker(100, 100)])
    arrival = sequence.append([taker(101, 103), taker(103, 105)])
    assert ids(arrival.rows) == [101, 102, 103]
    assert arrival.newest == taker(103, 105)
