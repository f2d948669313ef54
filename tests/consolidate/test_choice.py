"""Who is followed must change when he fails, and never without a reason: flapping is worse than a late fail-back."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.consolidate.choice import Choice, Failed, Switch
from gapless.consolidate.health import Facts, Health, Limits, Verdict
from gapless.model import MINUTE, MS, SECOND

A, B, C = "a:X", "b:X", "c:X"
GOOD, BAD = Verdict(), Verdict("stale", "nothing came", 0)
DWELL = 30 * SECOND
TICK = 250 * MS


def choice(*sources: str, failover: bool = True, active: str | None = None) -> Choice:
    return Choice(sources or (A, B), failover=failover, dwell=DWELL, began=0, active=active)


def play(
    chosen: Choice, good: Callable[[str, int], bool], *, until: int, begin: int = 0
) -> list[tuple[int, Switch | Failed]]:
    """Look at sources that are good when they are said to be; give what was decided, and when."""
    decided = []
    for now in range(begin, until, TICK):
        outcome = chosen.look({name: GOOD if good(name, now) else BAD for name in chosen.sources}, now)
        if outcome is not None:
            decided.append((now, outcome))
    return decided


def test_the_primary_is_left_at_once_and_taken_again_after_the_dwell() -> None:
    chosen = choice()
    decided = play(chosen, lambda name, now: name != A or not MINUTE <= now < 2 * MINUTE, until=4 * MINUTE)
    ((left, first), (back, second)) = decided
    assert (left, first.source, first.former) == (MINUTE, B, A)  # type: ignore[union-attr]
    assert (back, second.source) == (2 * MINUTE + DWELL, A)  # type: ignore[union-attr]


def test_a_source_that_comes_and_goes_every_five_seconds_is_left_once_in_ten_minutes() -> None:
    chosen = choice()

    def good(name: str, now: int) -> bool:
        return name != A or now < MINUTE or now // (5 * SECOND) % 2 == 0

    decided = play(chosen, good, until=11 * MINUTE)
    assert [(now, one.source) for now, one in decided if isinstance(one, Switch)] == [(MINUTE + 5 * SECOND, B)]
    assert len(decided) == 1


def test_with_real_facts_a_socket_that_comes_and_goes_flaps_no_more_than_that() -> None:
    chosen, breaks = choice(), 0
    healths = {name: Health(Limits(), 0) for name in (A, B)}
    switches = []
    up = True
    for now in range(0, 11 * MINUTE, TICK):
        was, up = up, now < MINUTE or now // (5 * SECOND) % 2 == 0
        breaks += was and not up
        flaky = Facts(connected=up, breaks=breaks, broke_at=now, errors=breaks, last=now if up else 0)
        verdicts = {A: healths[A].look(flaky, now), B: healths[B].look(Facts(connected=True, last=now), now)}
        if outcome := chosen.look(verdicts, now):
            switches.append(outcome)
    assert len(switches) == 1


def test_who_stands_in_is_not_left_for_a_third_without_a_reason() -> None:
    chosen = choice(A, B, C)
    decided = play(chosen, lambda name, now: name == C or (name == B and now > 3 * MINUTE), until=MINUTE, begin=0)
    assert [one.source for _, one in decided if isinstance(one, Switch)] == [C]
    later = play(chosen, lambda name, now: name in (B, C), until=5 * MINUTE, begin=MINUTE)
    assert later == []


def test_who_was_healthy_for_long_stands_in_before_who_just_came_back() -> None:
    chosen = choice(A, B, C)
    play(chosen, lambda name, now: name != B or now >= MINUTE - 2 * SECOND, until=MINUTE)
    (_, outcome), *_ = play(chosen, lambda name, now: name != A, until=MINUTE + SECOND, begin=MINUTE)
    assert isinstance(outcome, Switch)
    assert outcome.source == C


def test_that_nobody_can_stand_in_is_told_once_until_somebody_could() -> None:
    chosen = choice()
    nobody = play(chosen, lambda name, now: now < 10 * SECOND, until=MINUTE)
    assert [type(one) for _, one in nobody] == [Failed]
    assert chosen.active == A
    again = play(chosen, lambda name, now: now < MINUTE + 10 * SECOND, until=2 * MINUTE, begin=MINUTE)
    assert [type(one) for _, one in again] == [Failed]


def test_without_failover_the_primary_stays_whatever_happens() -> None:
    chosen = choice(failover=False, active=B)
    assert play(chosen, lambda name, now: name == B, until=2 * MINUTE) == []
    assert chosen.active == A


def test_a_start_gives_the_primary_time_to_connect_and_no_more() -> None:
    decided = play(choice(), lambda name, now: name == B, until=10 * SECOND)
    assert [(now, one.source) for now, one in decided if isinstance(one, Switch)] == [(5 * SECOND, B)]
    assert play(choice(), lambda name, now: name == B or now > 2 * SECOND, until=10 * SECOND) == []


def test_a_restart_goes_on_with_who_stood_in_until_the_primary_has_been_healthy_for_the_dwell() -> None:
    chosen = choice(active=B)
    assert chosen.active == B
    decided = play(chosen, lambda name, now: True, until=MINUTE)
    assert [(now, one.source) for now, one in decided if isinstance(one, Switch)] == [(DWELL, A)]


def test_a_source_that_is_collected_no_more_is_left_for_a_healthy_one() -> None:
    chosen = choice(A, B, C)
    play(chosen, lambda name, now: name != B, until=MINUTE)
    switch = chosen.changed((B, C), MINUTE)
    assert switch is not None
    assert (switch.source, switch.former) == (C, A)
    assert chosen.changed((C,), MINUTE) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=120))
def test_no_switch_is_without_its_reason(states: list[tuple[bool, bool, bool]]) -> None:
    """Whatever sources do: one is left only while it is bad, or for the primary; nobody bad is taken."""
    chosen = choice(A, B, C)
    since = dict.fromkeys((A, B, C), 0)
    for number, state in enumerate(states):
        now = number * SECOND
        good = dict(zip((A, B, C), state, strict=True))
        since = {name: since[name] if good[name] else now + SECOND for name in since}
        before = chosen.active
        outcome = chosen.look({name: GOOD if good[name] else BAD for name in good}, now)
        if isinstance(outcome, Switch):
            assert (outcome.former, outcome.source) == (before, chosen.active)
            assert good[outcome.source]
            steady = outcome.source == A and now - since[A] >= DWELL - SECOND
            assert not good[before] or steady
        elif not good[chosen.active] and now >= 5 * SECOND:
            assert not any(good.values())
