"""A hole is given up only where every source has said, for sure, that it does not have it."""

from gapless.model import HOUR, SECOND
from gapless.tape.denials import SURE, Denials

BOTH = ("rest", "archive")


def test_one_source_that_lacks_it_is_no_reason_to_give_up() -> None:
    denials = Denials()
    for turn in range(SURE):
        denials.lacks("rest", (4, 6), "R", now=turn, pause=SECOND)
    assert denials.hopeless([(4, 6)], ("rest",)) == [((4, 6), "R")]
    assert denials.hopeless([(4, 6)], BOTH) == []
    denials.lacks("archive", (5, 9), "A", now=9, pause=HOUR, sure=True)
    assert denials.hopeless([(4, 6)], BOTH) == [((5, 6), "R; A")]


def test_a_source_that_errs_now_and_then_is_not_taken_at_its_word() -> None:
    denials = Denials()
    for turn in range(SURE - 1):
        denials.lacks("rest", (4, 6), "R", now=turn, pause=SECOND)
    denials.lacks("rest", (6, 7), "R", now=9, pause=SECOND)
    assert denials.hopeless([(4, 7)], ("rest",)) == [((6, 6), "R")]


def test_what_was_refused_speaks_for_all_before_it_in_the_hole() -> None:
    denials = Denials()
    for seq in (4, 900, 950, 975):
        denials.refused("rest", (4, seq), "too old", now=0, pause=SECOND)
    assert denials.hopeless([(4, 1_000)], ("rest",)) == [((4, 975), "too old")]
    assert denials.behind_refused("rest", 976)
    assert denials.borders() == [4, 976]


def test_a_no_is_asked_again_ever_more_seldom() -> None:
    denials = Denials()
    rests = []
    for _ in range(20):
        denials.refused("rest", (4, 4), "no", now=0, pause=5 * SECOND)
        rests.append(denials.rests("rest", 4, 0) // SECOND)
    assert rests[:5] == [5, 10, 20, 40, 80]
    assert rests[-1] == 3_600
    assert denials.rests("rest", 4, 3_600 * SECOND) == 0


def test_what_is_no_hole_any_more_is_forgotten() -> None:
    denials = Denials()
    denials.refused("rest", (4, 6), "no", now=0, pause=SECOND)
    denials.keep([(10, 12)])
    assert denials.borders() == []
