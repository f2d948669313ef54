"""The order book's sequence rules, on small books whose truth is known at every id."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.model.book import BookEvent, BookState, DepthDiff, DepthSnapshot
from gapless.tape.book import Book


def spot(first: int, last: int, *, bids=(), asks=()) -> DepthDiff:
    return DepthDiff(first, last, None, last, bids, asks)


def linked(previous: int, first: int, last: int, *, bids=(), asks=()) -> DepthDiff:
    return DepthDiff(first, last, previous, last, bids, asks)


def live(last: int = 100, *, limit: int | None = None) -> Book:
    book = Book()
    assert book.snapshot(DepthSnapshot(last, 0, [(10, 1), (9, 2)], [(11, 3), (12, 4)], limit)) is BookEvent.JOINED
    return book


def test_diffs_before_the_snapshot_are_kept_and_applied_from_the_one_that_contains_it():
    book = Book()
    for diff in (
        spot(98, 99, bids=[(10, 77)]),
        spot(100, 102, bids=[(10, 5)]),
        spot(103, 103, asks=[(11, 0)]),
    ):
        assert book.diff(diff) is BookEvent.BUFFERED
    assert book.state is BookState.WAITING
    assert book.best() == (None, None)
    assert book.snapshot(DepthSnapshot(100, 7, [(10, 1)], [(11, 3), (12, 4)])) is BookEvent.JOINED
    assert (book.best(), book.last, book.time) == (((10, 5), (12, 4)), 103, 103)


def test_a_snapshot_older_than_the_first_diff_is_refused_and_the_diffs_are_kept_for_the_next():
    book = Book()
    book.diff(linked(105, 107, 110, bids=[(10, 5)]))
    assert book.snapshot(DepthSnapshot(104, 0, [(10, 1)], [(11, 3)])) is BookEvent.OLD
    assert BookEvent.OLD.wants_snapshot
    assert book.state is BookState.WAITING
    assert book.snapshot(DepthSnapshot(108, 0, [(10, 1)], [(11, 3)])) is BookEvent.JOINED
    assert book.best() == ((10, 5), (11, 3))


@pytest.mark.parametrize("last", [105, 106, 107, 110])
def test_a_linked_diff_joins_any_snapshot_between_its_predecessor_and_itself(last):
    book = Book()
    book.diff(linked(105, 107, 110, bids=[(10, 5)]))
    assert book.snapshot(DepthSnapshot(last, 0, [(10, 5 if last == 110 else 1)], [(11, 3)])) is BookEvent.JOINED
    assert book.last == 110
    assert book.best()[0] == (10, 5)


def test_linked_ids_that_jump_are_no_gap_while_the_predecessor_is_held():
    book = live(100)
    assert book.diff(linked(100, 5_000, 6_000, bids=[(10, 5)])) is BookEvent.APPLIED
    assert book.diff(linked(6_000, 9_000, 9_000, bids=[(10, 6)])) is BookEvent.APPLIED
    assert book.best()[0] == (10, 6)


@pytest.mark.parametrize("later", [spot(102, 103), linked(101, 102, 103)])
def test_a_lost_diff_empties_the_book_until_a_newer_snapshot_comes(later):
    book = live(100)
    assert book.diff(later) is BookEvent.GAP
    assert book.state is BookState.BROKEN
    assert (book.best(), book.top(5)) == ((None, None), ([], []))
    assert book.diff(spot(104, 104, bids=[(10, 6)])) is BookEvent.BUFFERED
    assert book.snapshot(DepthSnapshot(100, 0, [(10, 1)], [(11, 3)])) is BookEvent.OLD
    assert book.snapshot(DepthSnapshot(102, 0, [(10, 1)], [(11, 3)])) is BookEvent.JOINED
    assert (book.best()[0], book.last) == ((10, 6), 104)


def test_doubled_diffs_change_nothing():
    book = live(100)
    first, second = linked(100, 101, 105, bids=[(10, 5)]), linked(105, 106, 106, bids=[(10, 6)])
    assert [book.diff(d) for d in (first, second, first, second)] == [
        BookEvent.APPLIED,
        BookEvent.APPLIED,
        BookEvent.IGNORED,
        BookEvent.IGNORED,
    ]
    assert book.best()[0] == (10, 6)


def test_a_second_connection_that_cuts_its_diffs_elsewhere_goes_on_without_a_snapshot():
    book = live(100)
    book.diff(linked(100, 101, 105, bids=[(10, 5)]))
    assert book.diff(linked(103, 104, 108, bids=[(10, 8)])) is BookEvent.APPLIED
    assert (book.last, book.best()[0]) == (108, (10, 8))


def test_ids_that_the_venue_restarts_under_an_intact_link_are_followed():
    book = live(100)
    assert book.diff(linked(100, 3, 3, bids=[(10, 5)])) is BookEvent.APPLIED
    assert book.diff(linked(3, 4, 5, bids=[(10, 6)])) is BookEvent.APPLIED
    assert (book.last, book.best()[0]) == (5, (10, 6))


def test_sizes_are_absolute_and_zero_removes_also_what_was_never_there():
    book = live(100)
    book.diff(spot(101, 101, bids=[(10, 0), (9, 7), (3, 0)], asks=[(11, 1), (13, 5)]))
    assert book.top(9) == ([(9, 7)], [(11, 1), (12, 4), (13, 5)])
    assert book.top(1) == ([(9, 7)], [(11, 1)])


def test_a_crossed_book_is_not_shown_though_its_ids_are_whole():
    book = live(100)
    assert book.diff(spot(101, 101, bids=[(11, 5)])) is BookEvent.CROSSED
    assert book.best() == (None, None)
    assert book.state is BookState.BROKEN


def test_levels_beyond_a_cut_off_snapshot_are_never_shown_as_the_best():
    book = live(100, limit=2)
    assert book.diff(spot(101, 101, bids=[(5, 9)])) is BookEvent.APPLIED
    assert book.top(9)[0] == [(10, 1), (9, 2)]
    assert book.diff(spot(102, 102, bids=[(10, 0), (9, 0)])) is BookEvent.EXHAUSTED
    assert book.best() == (None, (11, 3))
    assert book.depth == (0, 2)


def test_a_snapshot_shorter_than_its_limit_is_whole_so_later_levels_count():
    book = live(100, limit=3)
    assert book.diff(spot(101, 101, bids=[(10, 0), (9, 0), (5, 9)])) is BookEvent.APPLIED
    assert book.best()[0] == (5, 9)


def test_a_live_book_is_renewed_by_a_snapshot_that_lags_the_stream():
    book = live(100, limit=2)
    book.diff(spot(101, 102, bids=[(10, 0), (9, 0), (5, 9)]))
    book.diff(spot(103, 103, bids=[(6, 1)]))
    assert book.snapshot(DepthSnapshot(99, 0, [(10, 1)], [(11, 3)], 1)) is BookEvent.OLD
    assert book.best() == (None, (11, 3))
    assert book.snapshot(DepthSnapshot(102, 0, [(5, 9), (4, 9)], [(11, 3)], 2)) is BookEvent.JOINED
    assert (book.last, book.top(9)) == (103, ([(6, 1), (5, 9), (4, 9)], [(11, 3)]))


def test_a_live_book_is_renewed_again_and_never_put_back():
    book = live(100)
    assert book.snapshot(DepthSnapshot(99, 0, [(10, 1)], [(11, 3)])) is BookEvent.OLD
    assert (book.last, book.top(9)[0]) == (100, [(10, 1), (9, 2)])
    book.diff(spot(101, 103, bids=[(10, 5)]))
    for size in (1, 2):
        assert book.snapshot(DepthSnapshot(101, 0, [(10, 1), (8, size)], [(11, 3)])) is BookEvent.JOINED
        assert (book.last, book.top(9)[0]) == (103, [(10, 5), (8, size)])


def test_a_full_buffer_forgets_the_oldest_and_then_refuses_a_snapshot_that_needs_them():
    book = Book(keep=2)
    for last in (101, 102, 103):
        book.diff(spot(last, last))
    assert book.snapshot(DepthSnapshot(100, 0, [(10, 1)], [(11, 3)])) is BookEvent.OLD
    assert book.snapshot(DepthSnapshot(101, 0, [(10, 1)], [(11, 3)])) is BookEvent.JOINED
    assert book.last == 103


CHANGES = st.lists(st.tuples(st.integers(1, 20), st.integers(0, 3)), min_size=4, max_size=30)
"""One (price, size) an id; bids up to 10 and asks from 11, so that the true book is never crossed."""


def truth_at(changes, last):
    sizes = dict(changes[:last])
    kept = sorted((price, size) for price, size in sizes.items() if size)
    return [level for level in kept[::-1] if level[0] <= 10], [level for level in kept if level[0] > 10]


def diff_of(changes, since, last, link):
    sizes = dict(changes[since:last])
    bids = [level for level in sizes.items() if level[0] <= 10]
    asks = [level for level in sizes.items() if level[0] > 10]
    return DepthDiff(since + 1, last, since if link else None, last, bids, asks)


@given(CHANGES, st.booleans(), st.data())
def test_a_live_book_is_never_wrong_whatever_is_dropped_doubled_or_swapped(changes, link, data):
    ids = st.integers(0, len(changes))
    book = Book(keep=data.draw(st.integers(1, 8)))
    for _ in range(data.draw(st.integers(1, 25))):
        if data.draw(st.integers(0, 3)):
            since, last = sorted(data.draw(st.lists(ids, min_size=2, max_size=2, unique=True)))
            book.diff(diff_of(changes, since, last, link))
        else:
            last, limit = data.draw(ids), data.draw(st.integers(1, 20))
            bids, asks = truth_at(changes, last)
            book.snapshot(DepthSnapshot(last, last, bids[:limit], asks[:limit], limit))
        shown = book.top(20)
        if book.state is BookState.LIVE:
            bids, asks = truth_at(changes, book.last)
            assert shown == (bids[: len(shown[0])], asks[: len(shown[1])])
        else:
            assert shown == ([], [])


@given(CHANGES, st.booleans(), st.data())
def test_an_unbroken_chain_is_followed_to_its_end_wherever_the_snapshot_comes(changes, link, data):
    cuts = sorted({0, len(changes), *data.draw(st.lists(st.integers(0, len(changes))))})
    snapshot_id = data.draw(st.integers(0, len(changes)))
    diffs_before = data.draw(st.integers(0, len(cuts) - 1))
    diffs = [diff_of(changes, since, last, link) for since, last in pairwise(cuts)]
    book = Book()
    for diff in diffs[:diffs_before]:
        book.diff(diff)
    assert book.snapshot(DepthSnapshot(snapshot_id, 0, *truth_at(changes, snapshot_id))) is BookEvent.JOINED
    for diff in diffs[diffs_before:]:
        assert book.diff(diff) in {BookEvent.APPLIED, BookEvent.IGNORED}
    assert book.last == len(changes)
    assert book.top(20) == truth_at(changes, len(changes))


def chained(previous: int, last: int, time: int, *, bids=(), asks=()) -> DepthDiff:
    return DepthDiff(last, last, previous, time, bids, asks)


def test_a_book_whose_ids_begin_anew_is_broken_by_the_loss_of_just_that_change_and_by_nothing_told_twice():
    def begun() -> Book:
        book = Book(keep=0, linked=True)
        book.snapshot(DepthSnapshot(10, 1, [(10, 1)], [(11, 3)]))
        return book

    book = begun()
    changes = [
        chained(10, 15, 2, bids=[(10, 5)]),
        chained(15, 15, 3),
        chained(15, 3, 4, bids=[(9, 7)]),
        chained(3, 5, 5),
    ]
    assert [book.diff(change) for change in changes] == [BookEvent.APPLIED] * 4
    assert (book.best(), book.last) == (((10, 5), (11, 3)), 5)
    book = begun()
    assert [book.diff(change) for change in (changes[0], changes[0])] == [BookEvent.APPLIED, BookEvent.IGNORED]
    assert [book.diff(change) for change in changes[3:]] == [BookEvent.GAP]  # what began the ids anew was lost
    assert book.best() == (None, None)


def test_a_crossed_book_of_an_auction_is_shown_where_ids_would_tell_a_loss():
    book = Book(keep=0, linked=True)
    assert book.snapshot(DepthSnapshot(10, 1, [(12, 1)], [(11, 3)])) is BookEvent.JOINED
    assert book.diff(chained(10, 11, 2, bids=[(13, 1)])) is BookEvent.APPLIED
    assert book.best() == ((13, 1), (11, 3))
