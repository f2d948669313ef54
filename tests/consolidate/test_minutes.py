"""A consolidated minute must be one source's, whole where any has it whole, and never a sum of two."""

import itertools
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from two_venues import BTC, START, A, B, TwoVenues

from gapless.consolidate.minute import SourceSpan, chosen, rescaled, runs, within
from gapless.consolidate.timeline import Timeline, Turn
from gapless.derive.candles import fold
from gapless.model import MINUTE, SECOND, Candle, Evidence, Proof, State, parse_timeframe
from gapless.query.consolidated import consolidated_rows

M1, M5 = parse_timeframe("1m"), parse_timeframe("5m")


def turn(source: str, instant: int) -> Turn:
    return Turn(
        unified=BTC, source=source, former=None, reason="", instant=instant, number=0, known_at=0, sources=(A, B)
    )  # fmt: skip


def candle(start: int, proof: Proof, volume: int = 5) -> Candle:
    return Candle(start, 1, 1, 1, 1, volume, volume, 1, 1, 1, state=State.TRADED, proof=proof)


def rows(world: TwoVenues, frame: str = "1m", **asked: Any) -> list[dict[str, Any]]:
    return list(consolidated_rows(world.whole.candles(parse_timeframe(frame), **asked)))


def test_the_active_source_is_served_where_it_has_the_minute_whole_and_the_best_proven_where_not() -> None:
    line = Timeline([turn(A, 0)])
    for mine, theirs, expected in (
        (Proof.OFFICIAL, Proof.PROVEN, A),
        (Proof.PROVEN, Proof.PROVEN, A),
        (Proof.DISPUTED, Proof.OFFICIAL, B),
        (Proof.PARTIAL, Proof.REPAIRED, B),
        (Proof.PARTIAL, Proof.PARTIAL, A),
        (Proof.DISPUTED, Proof.PARTIAL, A),
    ):
        found = chosen(line, START, {A: candle(START, mine), B: candle(START, theirs)})
        assert (found[0], found[1].proof) == (expected, mine if expected == A else theirs)
    assert chosen(line, START, {}) == (None, Candle(start=START))


def test_a_minute_of_two_turns_is_the_later_sources_if_it_has_it_whole() -> None:
    line = Timeline([turn(A, 0), turn(B, START + 30 * SECOND)])
    both = {A: candle(START, Proof.PROVEN), B: candle(START, Proof.PROVEN)}
    assert chosen(line, START, both)[0] == B
    assert chosen(line, START, both | {B: candle(START, Proof.PARTIAL)})[0] == A
    assert chosen(line, START - MINUTE, {name: candle(START - MINUTE, Proof.PROVEN) for name in (A, B)})[0] == A


def test_candles_of_coarser_venues_are_written_in_the_finest_digits_exactly() -> None:
    row = Candle(0, 1, 3, 1, 2, 4, 8, 1, 2, 6, state=State.TRADED, proof=Proof.PROVEN)
    fine = rescaled(row, (1, 2), (3, 5))
    assert (fine.open, fine.high, fine.volume, fine.taker_buy_volume) == (100, 300, 4_000, 2_000)
    assert (fine.quote_volume, fine.taker_buy_quote_volume) == (8 * 10**5, 6 * 10**5)
    missing = Candle(start=0)
    assert rescaled(missing, (1, 2), (3, 5)) == missing


def test_every_minute_says_where_it_came_from_and_larger_bars_list_it() -> None:
    world = TwoVenues()
    world.switch(A)
    world.both(150, step=SECOND)  # A: 12:00, 12:01 and half of 12:02
    world.trades(B, 150, step=SECOND)
    world.switch(B)
    world.trades(B, 55, step=SECOND)
    found = rows(world)
    assert [(row["source"], row["proof"]) for row in found] == [
        (A, "partial"), (A, "proven"), (B, "proven"), (B, "proven"), (B, "proven"),
    ]  # fmt: skip
    own = {
        (name, row.start): rescaled(row, world.whole.scales[name], world.whole.digits)
        for name in (A, B)
        for row in world.store.candles(name, 0, 2**62)
    }
    served = world.whole.candles(M1).rows
    assert served == [own[row["source"], one.start] for row, one in zip(found, served, strict=True)]
    (five,) = rows(world, "5m")
    assert five["source"] is None
    assert [(one["source"], one["start"], one["end"]) for one in five["sources"]] == [
        (A, "2026-01-07T12:00:00Z", "2026-01-07T12:02:00Z"),
        (B, "2026-01-07T12:02:00Z", "2026-01-07T12:05:00Z"),
    ]
    assert Decimal(five["volume"]) == sum(Decimal(row["volume"]) for row in found)


def test_a_minute_that_the_active_source_lost_is_anothers_until_it_is_repaired() -> None:
    world = TwoVenues()
    world.switch(A)
    world.both(65, step=SECOND)
    for number in range(60):
        world.time += SECOND
        for name in (A, B):
            row = world.trade(name, world.time)
            if name == B or number % 7:
                world.commit(name, [row], Evidence.STREAM)
            else:
                world.lost.append((name, [row]))
    world.both(70, step=SECOND)
    for minute in (1, 2):
        world.close(A, START + minute * MINUTE)
    assert [row["source"] for row in rows(world)][:3] == [A, B, B]
    world.repair()
    found = rows(world)
    assert [(row["source"], row["proof"]) for row in found][1:3] == [(A, "repaired"), (A, "repaired")]


def test_a_bar_is_told_once_the_active_source_closes_it_and_again_when_it_changes() -> None:
    world = TwoVenues()
    world.switch(A)
    world.both(130, step=SECOND)
    first = world.events(f"consolidated:{BTC}:1m")
    assert [(one.data["start"], one.data["source"], one.late) for one in first] == [
        ("2026-01-07T12:00:00Z", A, False), ("2026-01-07T12:01:00Z", A, False),
    ]  # fmt: skip
    world.trades(B, 120, step=SECOND)  # A is silent: 12:02 and 12:03 close at B alone
    assert world.events(f"consolidated:{BTC}:1m") == first
    world.switch(B)
    later = world.events(f"consolidated:{BTC}:1m")[2:]
    assert [(one.data["start"], one.data["source"]) for one in later] == [
        ("2026-01-07T12:02:00Z", B), ("2026-01-07T12:03:00Z", B),
    ]  # fmt: skip
    world.trades(B, 60, step=SECOND)
    (five,) = world.events(f"consolidated:{BTC}:5m")
    assert [one["source"] for one in five.data["sources"]] == [A, B]
    cursors = [one.cursor for one in world.events(f"consolidated:{BTC}:1m")]
    assert cursors == sorted(set(cursors))
    assert world.events(f"consolidated:{BTC}:1m", items=3) == world.events(f"consolidated:{BTC}:1m")


def test_a_bar_that_a_commit_changes_twice_is_told_once_wherever_a_step_of_the_log_ends() -> None:
    world = TwoVenues()
    world.switch(A)
    world.both(30, step=SECOND)
    world.trades(A, 6, step=MINUTE)
    for stream in (f"consolidated:{BTC}:3m", f"candles:{A}:3m", f"candles:{A}:1m"):
        whole = world.events(stream)
        assert len(whole) == len({one.data["start"] for one in whole})
        for items in (1, 2, 3, 5):
            assert world.events(stream, items=items) == whole


def test_the_last_event_of_every_bar_is_what_is_answered() -> None:
    world = TwoVenues()
    world.switch(A)
    world.both(100, step=SECOND)
    world.trades(A, 40, lose=20, step=SECOND)
    world.trades(B, 90, step=SECOND)
    world.switch(B)
    world.both(120, step=SECOND)
    world.repair()
    world.switch(A)
    world.both(120, step=SECOND)
    for frame in ("1m", "3m"):
        newest = {one.data["start"]: one.data for one in world.events(f"consolidated:{BTC}:{frame}")}
        answered = {row["start"]: row for row in rows(world, frame)}
        assert newest == answered


def test_without_any_switch_two_venues_of_a_store_are_one_market_all_the_same() -> None:
    world = TwoVenues()
    world.both(130, step=SECOND)
    assert world.whole.timeline.sources == (A, B)
    assert [row["source"] for row in rows(world)] == [A, A]


def test_the_closed_minutes_end_where_the_active_source_has_closed_them() -> None:
    world = TwoVenues()
    world.switch(A)
    world.both(65, step=SECOND)
    world.trades(B, 120, step=SECOND)
    assert world.whole.closed_until() == START + MINUTE
    world.switch(B)
    assert world.whole.closed_until() == START + 3 * MINUTE


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([A, B]), st.integers(1, 400)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=12, max_size=12),
)
def test_no_minute_is_better_proven_elsewhere_unless_the_active_source_is_whole(
    gaps: list[tuple[str, int]], proofs: list[tuple[int, int]]
) -> None:
    instant, turns = START, []
    for source, seconds in gaps:
        turns.append(turn(source, instant))
        instant += seconds * SECOND
    line = Timeline(turns)
    minutes = []
    for number, pair in enumerate(proofs):
        start = START + number * MINUTE
        candles = {n: candle(start, Proof(p), 1 + p) for n, p in zip((A, B), pair, strict=True) if p}
        source, row = chosen(line, start, candles)
        minutes.append((source, row))
        active = line.active(start + MINUTE - 1)
        assert row.proof == max((one.proof for one in candles.values()), default=Proof.MISSING) or (
            source == active and row.proof >= Proof.OFFICIAL
        )
        assert source is None or row is candles[source]  # one source's own, and no sum
    spans = runs(minutes)
    assert next((one.start, one.end) for one in spans)[0] == START
    assert all(a.end == b.start and a.source != b.source for a, b in itertools.pairwise(spans))
    for bar in fold((row for _, row in minutes), M5):
        parts = within(spans, bar.start, M5.end_of(bar.start))
        assert sum(one.end - one.start for one in parts) == min(M5.length, 12 * MINUTE - (bar.start - START))
        assert all(isinstance(one, SourceSpan) for one in parts)


def test_spans_of_turns_join_without_a_break() -> None:
    line = Timeline([turn(A, 10), turn(B, 20), turn(B, 25), turn(A, 30)])
    assert list(line.spans(0, 40)) == [(A, 0, 20), (B, 20, 30), (A, 30, 40)]
    assert list(line.spans(22, 24)) == [(B, 22, 24)]
    assert [line.active(time) for time in (0, 19, 20, 29, 30)] == [A, A, B, B, A]
