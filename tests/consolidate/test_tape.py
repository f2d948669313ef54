"""A switch of sources must lose no trade, double none, and bring none that is older than itself."""

from hypothesis import given, settings
from hypothesis import strategies as st
from two_venues import BTC, A, B, TwoVenues

from gapless.model import MS, SECOND, Proof

Key = tuple[str, int]


def told(world: TwoVenues, *, items: int = 1_000) -> list[Key]:
    rows = [event for event in world.events(f"consolidated:{BTC}", items=items) if event.type == "trade"]
    return [(event.data["source"], event.data["seq"]) for event in rows]


def held(world: TwoVenues) -> list[Key]:
    return [(source, trade.seq) for source, trade in world.whole.trades().rows]


def test_what_the_new_source_brought_while_the_old_one_was_silent_joins_on() -> None:
    world = TwoVenues()
    world.switch(A)
    world.both(20)
    world.trades(B, 30)  # A is silent for three seconds before anybody notices
    turn = world.switch(B)
    world.trades(B, 5)
    assert turn.instant == world.time - 35 * 100 * MS + 1
    assert told(world) == [*((A, seq) for seq in range(1, 21)), *((B, seq) for seq in range(21, 56))]
    assert sorted(told(world)) == sorted(held(world))


def test_a_trade_at_the_very_instant_is_told_by_one_source() -> None:
    world = TwoVenues()
    world.switch(A)
    world.both(10)
    world.switch(B)
    world.both(10)
    assert told(world) == [*((A, seq) for seq in range(1, 11)), *((B, seq) for seq in range(11, 21))]


def test_what_the_old_source_brings_late_from_before_the_switch_is_told_as_late() -> None:
    world = TwoVenues()
    world.switch(A)
    world.both(5)
    world.trades(A, 6, lose=4)
    world.switch(B)
    world.trades(B, 10)
    world.repair()
    late = [event for event in world.events(f"consolidated:{BTC}") if event.late]
    assert [(event.data["source"], event.data["seq"]) for event in late] == [(A, seq) for seq in range(6, 10)]
    assert sorted(told(world)) == sorted(held(world))


def test_the_losing_source_goes_on_and_is_not_told() -> None:
    world = TwoVenues()
    world.switch(A)
    world.both(5)
    world.switch(B)
    world.trades(A, 20)
    assert told(world) == [(A, seq) for seq in range(1, 6)]


def test_a_switch_is_told_before_what_follows_from_it() -> None:
    world = TwoVenues()
    world.switch(A)
    world.both(5)
    world.trades(B, 2)
    world.switch(B)
    kinds = [event.type for event in world.events(f"consolidated:{BTC}")]
    assert kinds == ["trade"] * 5 + ["switch"] + ["trade"] * 2
    (mark,) = world.events("switches")
    assert (mark.data["from"], mark.data["to"], mark.data["reason"]) == (A, B, "a test")
    assert [event.data for event in world.events(f"switches:{BTC}")] == [mark.data]


def test_a_trade_from_the_far_future_does_not_end_the_tape() -> None:
    world = TwoVenues()
    world.switch(A)
    world.both(5)
    time = world.time
    world.trades(A, 1, step=3_600 * SECOND)
    world.time = time
    assert world.switch(B).instant == time + 1
    world.trades(B, 3)
    assert told(world)[-3:] == [(B, seq) for seq in range(6, 9)]


def test_a_turn_that_is_recorded_before_anything_came_takes_nothing_back() -> None:
    world = TwoVenues()
    world.switch(A)
    world.both(20)
    assert world.switch(B, B, now=0).instant == world.time + 1  # a restart without the former source
    world.both(3)
    assert told(world) == [*((A, seq) for seq in range(1, 21)), *((B, seq) for seq in range(21, 24))]


def test_pages_of_the_tape_join_by_id_also_where_trades_share_an_instant() -> None:
    world = TwoVenues()
    world.switch(A)
    for _ in range(3):
        world.both(1)
        world.trades(A, 4, step=0)
    world.switch(B)
    world.both(7)
    whole, paged, first = world.whole.trades().rows, [], None
    while True:
        page = world.whole.trades(first=first, limit=4)
        paged += page.rows
        if (first := page.next) is None:
            break
    assert paged == whole
    assert len(whole) == 22


def test_what_the_new_source_lacks_right_after_the_switch_is_missing() -> None:
    world = TwoVenues()
    world.switch(A)
    world.both(5)
    world.trades(B, 5, lose=3)
    turn = world.switch(B)
    answer = world.whole.trades()
    assert [trade.seq for source, trade in answer.rows if source == B] == [9, 10]
    assert answer.proof is Proof.PARTIAL
    ((begin, end),) = answer.missing
    assert begin < turn.instant < end
    world.repair()
    answer = world.whole.trades()
    assert (answer.proof, answer.missing) == (Proof.REPAIRED, [])


def test_a_hole_at_the_border_of_two_pages_is_missing_in_one_of_them() -> None:
    world = TwoVenues()
    world.switch(A)
    world.both(5)
    world.trades(A, 5, lose=3)
    whole = world.whole.trades()
    assert len(whole.missing) == 1
    for limit in range(1, 8):
        missing, first = [], None
        while True:
            page = world.whole.trades(first=first, limit=limit)
            missing += page.missing
            if (first := page.next) is None:
                break
        assert missing == whole.missing


Act = tuple[str, int]
ACTS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "both", "lose a", "lose b", "repair", "to a", "to b"]), st.integers(1, 6)),
    min_size=1, max_size=24,
)  # fmt: skip


def play(world: TwoVenues, acts: list[Act]) -> None:
    world.switch(A)
    for act, count in acts:
        match act:
            case "a" | "b":
                world.trades(A if act == "a" else B, count, step=count * 7 * MS)
            case "both":
                world.both(count)
            case "lose a" | "lose b":
                world.trades(A if act == "lose a" else B, count + 1, lose=count, step=30 * MS)
            case "repair":
                world.repair()
            case "to a" | "to b":
                source = A if act == "to a" else B
                if world.turn and world.turn.source != source:
                    world.switch(source)
    world.repair()


@settings(max_examples=60, deadline=None)
@given(ACTS)
def test_whatever_happens_the_stream_and_the_tape_are_the_same_each_trade_once(acts: list[Act]) -> None:
    world = TwoVenues()
    play(world, acts)
    events = told(world)
    assert len(set(events)) == len(events)
    assert sorted(events) == sorted(held(world))
    # Defined independently: of each source, what it traded while it was active.
    turns = world.whole.timeline.turns
    ends = [*(turn.instant for turn in turns[1:]), 2**62]
    begins = [0, *(turn.instant for turn in turns[1:])]
    expected = {
        (turn.source, trade.seq)
        for turn, begin, end in zip(turns, begins, ends, strict=True)
        for trade in world.store.trades(world.tapes[turn.source].id, 0, 10**9)
        if begin <= trade.time < end
    }
    assert set(events) == expected


@settings(max_examples=25, deadline=None)
@given(ACTS, st.integers(1, 7))
def test_who_resumes_anywhere_is_told_the_same(acts: list[Act], items: int) -> None:
    world = TwoVenues()
    play(world, acts)
    for stream in (f"consolidated:{BTC}", "switches"):
        whole = world.events(stream)
        assert world.events(stream, items=items) == whole
        for number, event in enumerate(whole[:: max(len(whole) // 4, 1)]):
            at = number * max(len(whole) // 4, 1)
            assert world.events(stream, after=event.cursor) == whole[at + 1 :]
    cursors = [event.cursor for event in world.events(f"consolidated:{BTC}")]
    assert cursors == sorted(set(cursors))


@settings(max_examples=40, deadline=None)
@given(ACTS)
def test_no_trade_of_the_new_source_is_older_than_the_switch(acts: list[Act]) -> None:
    world = TwoVenues()
    play(world, acts)
    turns = {turn.number: turn for turn in world.whole.timeline.turns if turn.switches}
    current = None
    for event in world.events(f"consolidated:{BTC}"):
        if event.type == "switch":
            current = turns[event.cursor.number]
        elif current and event.data["source"] == current.source and not event.late:
            trade = world.store.trades(world.tapes[current.source].id, event.data["seq"], event.data["seq"])[0]
            assert trade.time >= current.instant


def test_the_turns_of_a_long_outage_of_all_cover_it() -> None:
    world = TwoVenues()
    world.switch(A)
    world.both(3)
    world.time += 600 * SECOND
    world.trades(B, 3)
    world.switch(B)
    assert told(world) == [(A, 1), (A, 2), (A, 3), (B, 4), (B, 5), (B, 6)]
