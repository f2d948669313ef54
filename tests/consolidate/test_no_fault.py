"""What is no fault of a source must not have it left: streams that move, faults of old, a pause of our own."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from two_venues import BTC, A, B
from watched import Venue, Watch

from gapless.model import MINUTE, SECOND
from gapless.protocol.phases import Subscribed


def carrier(venue: Venue, name: str, *, phase: Subscribed = Subscribed.LIVE, up: bool = True) -> Any:
    """Lay the trades of a venue on another connection as well; give that."""
    streams = list(venue.connection.streams)
    made = SimpleNamespace(name=name, streams=streams, up=up, connects=1, latency=None)
    comes(made, phase)
    venue.connections.append(made)
    return made


def comes(connection: Any, phase: Subscribed) -> None:
    named = {one.instrument: SimpleNamespace(stream=one, phase=phase) for one in connection.streams}
    connection.session = SimpleNamespace(subscriptions=named)


def test_a_stream_that_is_carried_to_a_connection_still_to_open_is_no_outage() -> None:
    watch = Watch()
    watch.on(10)
    opening = carrier(watch.venues[0], "one/2", phase=Subscribed.WANTED, up=False)
    watch.on(5)  # as `gapless priority add` has it done
    assert watch.turns() == [(None, A)]
    opening.up = True
    watch.on(1)
    comes(opening, Subscribed.LIVE)
    watch.venues[0].connection.streams = []
    watch.on(5)
    assert watch.turns() == [(None, A)]
    assert watch.watch.markets[BTC].healths[A].verdict.healthy


def test_what_befell_a_connection_before_it_carried_a_stream_is_not_the_streams_fault() -> None:
    watch = Watch()
    venue = watch.venues[0]
    old = carrier(venue, "one/2")
    moving, old.streams = old.streams, [SimpleNamespace(instrument="one:ETHUSDT", kind="agg")]
    watch.on(10)
    for _ in range(30):
        watch.watch.heard("disconnected", "one/2")
        old.connects += 1
        watch.on(0.2)
    assert watch.watch.carriers.errors(venue) == 30  # type: ignore[arg-type]
    old.streams = [*old.streams, *moving]
    watch.on(1)
    venue.connection.streams = []
    watch.on(5)
    assert watch.turns() == [(None, A)]
    watch.watch.heard("disconnected", "one/2")  # now it is
    old.connects += 1
    watch.on(0.1)
    assert watch.turns() == [(None, A), (A, B)]


def test_a_break_is_none_where_another_connection_brings_the_trades_and_one_where_that_is_still_to_come() -> None:
    for phase, expected in ((Subscribed.LIVE, A), (Subscribed.CONFIRMED, B)):
        watch = Watch()
        carrier(watch.venues[0], "one/2", phase=phase)
        watch.on(10)
        watch.watch.heard("disconnected", "one/1")
        watch.venues[0].connection.connects += 1
        watch.on(0.2)
        assert watch.active == expected


def test_errors_from_before_a_market_was_one_do_not_count_against_it() -> None:
    watch = Watch()
    line = watch.venues[1].pipeline.lines.pop(B)
    watch.on(1)
    for _ in range(30):
        watch.watch.heard("malformed", "one/1")
    watch.on(1)
    watch.clock.mono += 10 * MINUTE
    watch.venues[1].pipeline.lines[B] = line
    watch.on(10)
    assert watch.turns() == [(None, A)]


def test_while_this_process_stood_still_nobody_was_silent() -> None:
    watch = Watch()
    watch.on(10)

    async def sleep(ns: int) -> None:
        if watch.clock.mono > end:
            raise TimeoutError
        watch.clock.mono += ns
        if at and watch.clock.mono > at[0]:
            at.clear()
            watch.clock.mono += 20 * SECOND  # what came meanwhile is read only after the next look
        else:
            for venue in watch.venues:
                venue.speak()

    watch.clock.sleep = sleep  # type: ignore[attr-defined]
    for stop, silent, active in ((1, False, A), (1, True, A), (4, True, B)):
        at, end = [watch.clock.mono] * (not silent), watch.clock.mono + stop * SECOND
        watch.venues[0].speaks = not silent
        with suppress(TimeoutError):
            asyncio.run(watch.watch.run())
        assert watch.active == active


def test_a_switch_that_waits_for_the_store_is_as_late_as_when_it_is_recorded() -> None:
    watch = Watch()
    watch.world.both(5)
    watch.on(10)
    commit = watch.watch._commit

    async def held_up(work: Any) -> Any:
        watch.clock.mono += 30 * SECOND
        watch.world.trades(A, 300)  # thirty seconds of trades, which were told meanwhile
        return await commit(work)

    watch.watch._commit = held_up  # type: ignore[method-assign]
    watch.watch.heard("disconnected", "one/1")
    watch.venues[0].connection.up = False
    watch.on(0.1)
    (turn,) = [turn for turn, _, _ in watch.switched if turn.switches]
    assert turn.instant == watch.world.time + 1
    assert turn.known_at == watch.clock.wall()
