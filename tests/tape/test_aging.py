"""What of a ledger is left when ids go: compared with plain sets of ids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.errors import BadInput
from gapless.model import DAY, Evidence, Span
from gapless.tape.aging import Ages, left, missing, read_age, within
from gapless.tape.wanted import joined_ranges

pieces = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda pair: (pair[0], sum(pair))), max_size=6)
ranges = pieces.map(joined_ranges)
bounds = st.tuples(st.integers(0, 60), st.integers(0, 30)).map(lambda pair: (pair[0], sum(pair)))


def ids(parts) -> set[int]:
    return {seq for first, last in parts for seq in range(first, last + 1)}


def held(parts) -> list[Span]:
    return [Span(first, last, list(Evidence)[first % 5]) for first, last in parts]


@given(ranges, bounds)
def test_what_lies_within_bounds_is_all_of_it_and_nothing_else(parts, edge):
    found = within(parts, edge)
    assert ids(found) == ids(parts) & ids([edge])
    assert found == joined_ranges(found)


@given(ranges, bounds)
def test_spans_lose_the_ids_that_went_and_keep_their_evidence(parts, gone):
    before = {seq: span.evidence for span in held(parts) for seq in range(span.first, span.last + 1)}
    after = {seq: span.evidence for span in left(held(parts), gone) for seq in range(span.first, span.last + 1)}
    assert after == {seq: evidence for seq, evidence in before.items() if seq not in ids([gone])}


@given(ranges, ranges, bounds)
def test_missing_is_what_is_wanted_and_not_held(wanted, spans, edge):
    assert ids(missing(wanted, held(spans), edge)) == (ids(wanted) - ids(spans)) & ids([edge])


def test_a_ladder_outlives_its_trades_and_the_log_does_not():
    ages = Ages(trades=40 * DAY, ladders=30 * DAY, log=90 * DAY)
    assert (ages.ladders_at_least, ages.log_at_most) == (40 * DAY, 40 * DAY)
    assert Ages(trades=None).ladders_at_least is None
    assert Ages(trades=None, log=None).log_at_most is None


@pytest.mark.parametrize("text", ["", " "])
def test_nothing_named_is_for_ever(text):
    assert read_age("store.keep_trades", text) is None


@pytest.mark.parametrize("text", ["0d", "59m", "week", "-7d", "7"])
def test_an_age_that_would_drop_everything_is_refused_by_name(text):
    with pytest.raises(BadInput, match=r"store\.keep_trades: '.*allowed are"):
        read_age("store.keep_trades", text)
