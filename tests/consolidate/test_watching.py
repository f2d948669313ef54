"""What connections, tapes and heartbeats show must become a choice, a record of it, and what is told of both."""

from two_venues import BTC, A, B
from watched import Watch

from gapless.consolidate.settings import UnifiedSettings
from gapless.errors import StoreBusy
from gapless.model import MS, SECOND
from gapless.query.consolidated import turns_of


def test_the_first_turn_is_recorded_at_the_start_and_is_no_switch() -> None:
    watch = Watch()
    watch.on(2)
    assert watch.turns() == [(None, A)]
    assert watch.notes == []
    assert [turn.switches for turn, _, _ in watch.switched] == [False]


def test_a_socket_that_breaks_is_left_at_the_next_look_and_what_was_told_says_how_soon() -> None:
    watch = Watch()
    watch.on(10)
    broke = watch.venues[0].connection
    broke.up = False
    watch.watch.heard("disconnected", "one/1")
    watch.on(0.1)
    assert watch.active == B
    turn, detecting, _ = watch.switched[-1]
    assert turn.switches
    assert detecting == 100 * MS
    assert [name for name, _ in watch.notes] == ["source_switch"]
    assert watch.notes[0][1]["reason"] == f"{A}: it is not connected"
    broke.up, broke.connects = True, 2
    watch.on(4)
    assert watch.active == B
    watch.on(2)
    assert watch.active == A
    assert watch.turns() == [(None, A), (A, B), (B, A)]


def test_a_break_that_healed_between_two_looks_counts_and_one_that_a_successor_stood_in_for_does_not() -> None:
    watch = Watch()
    watch.on(10)
    watch.watch.heard("disconnected", "one/1")  # the successor was connected before
    watch.on(1)
    assert watch.active == A
    watch.watch.heard("disconnected", "one/1")
    watch.venues[0].connection.connects = 2
    watch.on(0.1)
    assert watch.active == B


def test_silence_is_left_within_five_seconds_with_the_default_limits() -> None:
    watch = Watch()
    watch.on(10)
    watch.venues[0].speaks = False
    watch.on(3)
    assert watch.active == A
    watch.on(0.2)
    assert watch.active == B
    assert 3 * SECOND < watch.switched[-1][1] < 5 * SECOND


def test_a_late_heartbeat_and_errors_are_left_too() -> None:
    watch = Watch(max_errors=2)
    watch.on(10)
    watch.venues[0].connection.latency = 5_001 * MS
    watch.on(0.1)
    assert watch.notes[-1][1]["reason"] == f"{A}: its heartbeat takes 5001 ms"
    watch.venues[0].connection.latency = 3 * MS
    watch.on(6)
    assert watch.active == A
    for _ in range(3):
        watch.watch.heard("malformed", "one/1")
    watch.watch.heard("connected", "one/1")
    watch.on(0.1)
    assert watch.notes[-1][1]["reason"] == f"{A}: 3 errors within a minute"
    assert watch.watch.carriers.errors(watch.venues[0]) == 3  # type: ignore[arg-type]


def test_a_restart_goes_on_with_who_stood_in() -> None:
    watch = Watch()
    watch.on(10)
    watch.venues[0].connection.up = False
    watch.on(0.2)
    since = watch.watch.markets[BTC].since
    watch.watch = watch.again()
    watch.on(1)
    assert watch.active == B
    assert watch.watch.markets[BTC].since == since
    assert watch.turns() == [(None, A), (A, B)]
    watch.venues[0].connection.up = True
    watch.on(6)
    assert watch.turns()[-1] == (B, A)


def test_a_source_that_is_collected_no_more_is_left_and_the_last_one_goes_on_with_the_market() -> None:
    watch = Watch()
    watch.on(10)
    lines = watch.venues[0].pipeline.lines
    line = lines.pop(A)
    watch.on(1)
    assert watch.active == B
    assert watch.turns() == [(None, A), (A, B)]
    assert turns_of(watch.world.store, BTC)[-1].sources == (B,)
    lines[A] = line
    watch.on(4)
    assert watch.active == B
    watch.on(2)
    assert watch.active == A
    assert turns_of(watch.world.store, BTC)[-1].sources == (A, B)
    lines.clear()
    watch.venues[1].pipeline.lines.clear()
    watch.on(1)
    assert watch.watch.markets == {}


def test_other_sources_are_recorded_and_one_that_is_gone_is_left() -> None:
    watch = Watch()
    watch.on(10)
    watch.settings.instruments[BTC] = UnifiedSettings(sources=[B], primary="two")
    watch.watch = watch.again()
    watch.on(1)
    assert watch.active == B
    assert watch.turns()[-1] == (A, B)
    assert turns_of(watch.world.store, BTC)[-1].reason == f"{A} is no source any more"
    watch.settings.instruments[BTC] = UnifiedSettings(sources=[B, A], primary="two")
    watch.watch = watch.again()
    watch.on(1)
    newest = turns_of(watch.world.store, BTC)[-1]
    assert (newest.former, newest.source, newest.sources) == (B, B, (B, A))
    assert not newest.switches


def test_without_failover_nothing_is_switched_and_it_is_not_told_again_and_again() -> None:
    watch = Watch(failover=False)
    watch.on(10)
    watch.venues[0].connection.up = False
    watch.on(60)
    assert watch.turns() == [(None, A)]
    assert watch.notes == []


def test_while_the_writer_is_behind_nobody_is_stale() -> None:
    watch = Watch()
    watch.on(10)
    for venue in watch.venues:
        venue.speaks, venue.pipeline.pressed = False, True
    watch.on(20)
    for venue in watch.venues:
        venue.speaks, venue.pipeline.pressed = True, False
    watch.on(1)
    assert watch.turns() == [(None, A)]


def test_that_all_have_failed_is_told_once() -> None:
    watch = Watch()
    watch.on(10)
    for venue in watch.venues:
        venue.connection.up = False
    watch.on(20)
    assert [name for name, _ in watch.notes] == ["failover_failed"]
    assert watch.active == A


def test_whose_turns_another_process_records_is_left_to_that() -> None:
    watch = Watch()

    def held(symbol: str) -> None:
        raise StoreBusy(f"{symbol} is held")

    watch.watch._hold = held
    watch.on(10)
    assert watch.watch.markets == {}
    assert watch.turns() == []
    assert [name for name, _ in watch.notes] == ["consolidated_elsewhere"]
