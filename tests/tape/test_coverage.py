"""The ledger's arithmetic against a dictionary of ids: what is held, by which evidence, and what is not."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.model import Evidence, Span, Trade
from gapless.tape.coverage import Coverage, joined, merged, without
from gapless.tape.plan import Patience, pages
from gapless.tape.sequence import Sequence
from gapless.tape.wanted import joined_ranges, trimmed

IDS = st.integers(0, 40)
RANGE = st.tuples(IDS, IDS).map(lambda pair: (min(pair), max(pair)))
CLAIM = st.tuples(RANGE, st.sampled_from(list(Evidence)))
CLAIMS = st.lists(CLAIM, max_size=12)


def held_by(claims) -> dict[int, Evidence]:
    """The oracle: each id with the strongest evidence that was ever given for it."""
    held: dict[int, Evidence] = {}
    for (first, last), evidence in claims:
        for seq in range(first, last + 1):
            held[seq] = max(evidence, held.get(seq, evidence))
    return held


def spread(spans) -> dict[int, Evidence]:
    """Lay spans out by id, failing where two of them claim the same one."""
    ids: dict[int, Evidence] = {}
    for span in spans:
        assert span.first <= span.last
        for seq in range(span.first, span.last + 1):
            assert seq not in ids
            ids[seq] = span.evidence
    return ids


def is_canonical(spans) -> bool:
    return all(a.last < b.first and (a.last + 1 < b.first or a.evidence != b.evidence) for a, b in pairwise(spans))


@given(CLAIMS)
def test_no_id_is_lost_or_invented_however_claims_overlap(claims):
    coverage = Coverage()
    for (first, last), evidence in claims:
        coverage.add(first, last, evidence)
    spans = list(coverage)
    assert spread(spans) == held_by(claims)
    assert is_canonical(spans)
    assert coverage.newest == max(held_by(claims), default=None)
    assert [seq in coverage for seq in range(42)] == [seq in held_by(claims) for seq in range(42)]


@given(CLAIMS, CLAIM)
def test_the_ledger_of_the_store_and_of_memory_agree_after_every_claim(claims, claim):
    """The store replaces the touching spans by `merged`; the collector keeps `Coverage`: they may never differ."""
    coverage = Coverage()
    stored: list[Span] = []
    for (first, last), evidence in [*claims, claim]:
        coverage.add(first, last, evidence)
        touching = [s for s in stored if s.last >= first - 1 and s.first <= last + 1]
        stored = sorted([s for s in stored if s not in touching] + merged(touching, Span(first, last, evidence)))
        assert stored == list(coverage)


@given(CLAIMS, RANGE)
def test_a_hole_is_exactly_what_is_wanted_and_not_held(claims, wanted):
    coverage = Coverage()
    for (first, last), evidence in claims:
        coverage.add(first, last, evidence)
    held = held_by(claims)
    expected = [seq for seq in range(wanted[0], wanted[1] + 1) if seq not in held]
    for holes in (coverage.missing(*wanted), without(wanted, coverage)):
        assert [seq for first, last in holes for seq in range(first, last + 1)] == expected
        assert all(b[0] > a[1] + 1 for a, b in pairwise(holes))
    overlapping = coverage.within(*wanted)
    assert overlapping == [s for s in coverage if s.last >= wanted[0] and s.first <= wanted[1]]


def test_an_empty_range_has_no_hole():
    assert Coverage().missing(5, 4) == []


@given(st.lists(RANGE, max_size=12))
def test_wanted_ranges_join_without_losing_an_id(ranges):
    result = joined_ranges(ranges)
    assert {i for a, b in result for i in range(a, b + 1)} == {i for a, b in ranges for i in range(a, b + 1)}
    assert all(b[0] > a[1] + 1 for a, b in pairwise(result))


@given(st.lists(RANGE, max_size=6), IDS)
def test_trimming_cuts_only_the_interval_that_reaches_the_first_id(ranges, first):
    """The venue has nothing before `first`: the interval that contains it loses what lies before, others nothing."""
    intervals = joined_ranges(ranges)
    kept = {i for a, b in trimmed(intervals, first) for i in range(a, b + 1)}
    for a, b in intervals:
        cut = a < first <= b + 1
        assert {i for i in range(a, b + 1) if i in kept} == {i for i in range(a, b + 1) if not cut or i >= first}


def test_equal_neighbours_are_one_span():
    spans = [Span(5, 9, Evidence.REST), Span(1, 4, Evidence.REST), Span(10, 12, Evidence.STREAM)]
    assert joined(spans) == [Span(1, 9, Evidence.REST), Span(10, 12, Evidence.STREAM)]


def test_a_repair_never_weakens_what_the_stream_vouched_for():
    assert merged([Span(5, 9, Evidence.STREAM)], Span(1, 20, Evidence.REST)) == [
        Span(1, 4, Evidence.REST),
        Span(5, 9, Evidence.STREAM),
        Span(10, 20, Evidence.REST),
    ]


# The order of events


def trade(seq: int, size: int = 1) -> Trade:
    return Trade(seq, seq * 1_000, 100 + seq, size, 1, 1, seq, 0)


@st.composite
def deliveries(draw):
    """Batches of ids as a bad network gives them: doubled, reordered, cut anywhere, some never."""
    sent = list(range(1, draw(st.integers(2, 40))))
    lost = draw(st.sets(st.sampled_from(sent), max_size=8))
    doubled = draw(st.lists(st.sampled_from(sent), max_size=8))
    ids = [seq for seq in sent if seq not in lost]
    for seq in doubled:
        if seq not in lost:
            ids.insert(draw(st.integers(0, len(ids))), seq)
    for _ in range(draw(st.integers(0, 6))):
        if len(ids) > 1:
            ids.insert(draw(st.integers(0, len(ids) - 1)), ids.pop(draw(st.integers(0, len(ids) - 1))))
    cuts = sorted(draw(st.sets(st.integers(1, max(len(ids) - 1, 1)), max_size=6)))
    return sent, [batch for a, b in zip([0, *cuts], [*cuts, len(ids)], strict=True) if (batch := ids[a:b])]


@given(deliveries())
def test_each_event_is_kept_once_and_every_loss_is_a_hole(delivery):
    _, batches = delivery
    sequence = Sequence(Coverage())
    rows, doubled = [], 0
    for batch in batches:
        arrival = sequence.append([trade(seq) for seq in batch])
        rows += [row.seq for row in arrival.rows]
        doubled += arrival.doubled
        vouched = {seq for first, last in arrival.vouched for seq in range(first, last + 1)}
        assert vouched == {row.seq for row in arrival.rows}
    arrived = [seq for batch in batches for seq in batch]
    assert sorted(rows) == sorted(set(arrived))
    assert doubled == len(arrived) - len(set(arrived))
    if arrived:
        first, last = min(arrived), max(arrived)
        holes = {i for a, b in sequence.coverage.missing(first, last) for i in range(a, b + 1)}
        assert holes == set(range(first, last + 1)) - set(arrived)
        assert sequence.next == last + 1


@given(deliveries(), st.lists(RANGE, min_size=1, max_size=4))
def test_a_page_fills_its_range_and_repeats_nothing(delivery, ranges):
    sequence = Sequence(Coverage())
    kept = []
    for batch in delivery[1]:
        kept += [row.seq for row in sequence.append([trade(seq) for seq in batch]).rows]
    for first, last in ranges:
        page = [trade(seq) for seq in range(first, last + 4)]  # a page reaches beyond what it vouches for
        kept += [row.seq for row in sequence.fill(page, (first, last), Evidence.REST).rows]
        assert sequence.coverage.missing(first, last) == []
    assert len(kept) == len(set(kept))
    assert set(kept) == {seq for seq in range(-1, 60) if seq in sequence.coverage}


def test_an_id_spent_without_a_trade_is_held_and_gives_no_row():
    sequence = Sequence(Coverage())
    arrival = sequence.append([trade(7), trade(8, size=0), trade(9)])
    assert [row.seq for row in arrival.rows] == [7, 9]
    assert arrival.vouched == [(7, 9)]
    assert sequence.coverage.missing(7, 9) == []


def test_what_comes_late_is_not_taken_for_in_order():
    sequence = Sequence(Coverage())
    assert sequence.append([trade(10), trade(11)]).in_order
    late = sequence.append([trade(5)])
    assert not late.in_order
    assert [row.seq for row in late.rows] == [5]
    assert sequence.next == 12
    jump = sequence.append([trade(20)])
    assert jump.in_order
    assert sequence.coverage.missing(10, 20) == [(12, 19)]


# Pages over holes


@given(st.lists(RANGE, max_size=8).map(joined_ranges), st.integers(1, 12))
def test_pages_reach_every_hole_once_and_none_begins_outside_one(holes, size):
    steps = pages(holes, size)
    missing = {i for a, b in holes for i in range(a, b + 1)}
    reached = []
    for step in steps:
        ids = range(step.first, step.last + 1)
        assert len(ids) <= size
        assert step.first in missing
        assert step.last in missing
        assert step.missing == len(missing.intersection(ids))
        reached += ids
    assert len(reached) == len(set(reached))
    assert missing <= set(reached)


@pytest.mark.parametrize(("size", "requests"), [(1_000, 1), (12, 1), (10, 2), (3, 3)])
def test_holes_that_one_request_can_reach_cost_one_request(size, requests):
    assert len(pages([(0, 2), (8, 11)], size)) == requests


def test_a_hole_is_asked_for_only_once_it_has_lasted():
    patience = Patience()
    assert patience.ripe([(1, 5)], 100, grace=10) == []
    assert patience.ripe([(3, 5), (9, 9)], 109, grace=10) == []
    assert patience.ripe([(3, 5), (9, 9)], 110, grace=10) == [(3, 5)]
    assert patience.ripe([(9, 9)], 120, grace=10) == [(9, 9)]
    assert patience.ripe([(3, 5)], 121, grace=10) == []  # a new hole at the same place waits anew
