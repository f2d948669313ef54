"""Holes become pages: every missing id is asked for, once, in as few requests as can be."""

from hypothesis import given
from hypothesis import strategies as st

from gapless.model import SECOND
from gapless.tape.coverage import Range
from gapless.tape.plan import Patience, first_page, pages

sizes = st.integers(1, 50)


@st.composite
def holes(draw: st.DrawFn) -> list[Range]:
    """Holes with at least one held id between them, as a coverage lists them."""
    found: list[Range] = []
    at = draw(st.integers(0, 1_000))
    for _ in range(draw(st.integers(0, 20))):
        at += draw(st.integers(2, 60))
        length = draw(st.integers(1, 120))
        found.append((at, at + length - 1))
        at += length
    return found


def ids(ranges: list[Range]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


@given(holes(), sizes)
def test_every_missing_id_lies_in_exactly_one_page(found: list[Range], size: int) -> None:
    steps = pages(found, size)
    missing = ids(found)
    asked = [number for step in steps for number in range(step.first, step.last + 1)]
    assert missing <= set(asked)
    assert len(asked) == len(set(asked))
    assert [step.missing for step in steps] == [len(missing & set(range(step.first, step.last + 1))) for step in steps]


@given(holes(), sizes)
def test_pages_begin_and_end_at_a_missing_id_and_none_could_be_saved(found: list[Range], size: int) -> None:
    steps, missing = pages(found, size), ids(found)
    assert all(step.first in missing and step.last in missing and step.last - step.first < size for step in steps)
    fewest, reach = 0, -1
    for number in sorted(missing):
        if number > reach:
            fewest, reach = fewest + 1, number + size - 1
    assert len(steps) == fewest


@given(holes(), sizes)
def test_the_first_page_needs_no_look_at_the_others(found: list[Range], size: int) -> None:
    steps = pages(found, size)
    assert first_page(found, size) == (steps[0] if steps else None)


def test_a_hole_of_a_billion_ids_costs_no_more_than_a_small_one() -> None:
    step = first_page([(5, 1_000_000_000), (2_000_000_000, 2_000_000_001)], 1_000)
    assert step is not None
    assert (step.first, step.last, step.missing) == (5, 1_004, 1_000)


def test_a_hole_is_asked_for_only_after_its_grace() -> None:
    patience = Patience()
    assert patience.ripe([(5, 9)], 0, grace=SECOND) == []
    assert patience.ripe([(5, 9)], SECOND - 1, grace=SECOND) == []
    assert patience.ripe([(5, 9)], SECOND, grace=SECOND) == [(5, 9)]


def test_what_is_left_of_a_hole_keeps_its_age_and_a_new_one_begins_anew() -> None:
    patience = Patience()
    patience.ripe([(5, 9)], 0, grace=SECOND)
    assert patience.ripe([(7, 9), (20, 21)], SECOND, grace=SECOND) == [(7, 9)]
    assert patience.ripe([(20, 21)], 2 * SECOND, grace=SECOND) == [(20, 21)]


def test_a_hole_that_closed_and_opened_again_waits_again() -> None:
    patience = Patience()
    patience.ripe([(5, 9)], 0, grace=SECOND)
    patience.ripe([], SECOND, grace=SECOND)
    assert patience.ripe([(5, 9)], 2 * SECOND, grace=SECOND) == []
