"""What is told of a connection and of the stages: counted on every socket, and shown by its figures."""

from types import SimpleNamespace
from typing import Any

from manual import settled
from prometheus_client import CollectorRegistry
from test_connection import Line
from tiny_market import TinyMarket

from gapless.collect.stages import BORDERS, Stage, Stages
from gapless.collect.tally import Tally
from gapless.connected import ConnectionFigures, row_of
from gapless.model import MS, SECOND


def figures(line: Line) -> CollectorRegistry:
    registry = CollectorRegistry()
    wiring: Any = SimpleNamespace(stages=line.connection._hooks.stages)
    collector: Any = SimpleNamespace(
        venue=SimpleNamespace(name="binance"), connections=[line.connection], wiring=wiring
    )
    ConnectionFigures([collector], line.clock, registry)
    return registry


def test_a_break_is_told_with_how_long_it_lasted_and_what_share_of_the_time_it_took() -> None:
    line, market = Line(), TinyMarket()
    line.sockets.agree = True

    async def play() -> None:
        line.socket.say(*market.aggs(1, 3))
        await line.clock.pass_by(9 * SECOND)
        line.sockets.refuse = 1
        line.socket.events.closed(1006, "the connection broke")
        await line.clock.pass_by(SECOND)
        await settled()
        line.socket.say(*market.aggs(4, 5))
        tally = line.connection.tally
        assert (tally.connects, tally.failed, tally.breaks, len(tally.reconnects)) == (2, 1, 1, 1)
        assert SECOND <= tally.reconnects[0] < 2 * SECOND
        await line.clock.pass_by(10 * SECOND)
        row = row_of("binance", line.connection, line.clock.mono)
        assert row["errors"] == 2
        assert row["bytes"] > 500
        assert 0.9 < row["up_share"] <= 1
        registry, names = figures(line), {"venue": "binance", "connection": "binance/market/1"}
        assert registry.get_sample_value("gapless_connection_up", names) == 1
        assert registry.get_sample_value("gapless_connection_messages_total", names) == tally.frames
        assert registry.get_sample_value("gapless_connection_errors_total", names | {"kind": "connect"}) == 1
        for stage, count in (("connect", 2), ("resubscribe", 2), ("reconnect", 1), ("disconnect", 1)):
            found = registry.get_sample_value("gapless_stage_seconds_count", {"venue": "binance", "stage": stage})
            assert (stage, found) == (stage, count)

    line.run(play)


def test_of_32_wake_ups_the_stages_of_one_are_timed() -> None:
    line, market = Line(), TinyMarket()

    async def play() -> None:
        for number in range(1, 66):
            line.socket.say(*market.aggs(number, number))
        stages = line.connection._hooks.stages
        assert [sum(stage.counts) for stage in (stages.parse, stages.normalise, stages.emit)] == [2, 2, 2]

    line.run(play)


def test_a_duration_is_counted_at_the_border_that_it_does_not_pass() -> None:
    stage = Stage()
    for ns in (0, BORDERS[0], BORDERS[0] + 1, 3 * MS, 60 * SECOND):
        stage.took(ns)
    assert stage.counts[:2] == [2, 1]
    assert stage.counts[BORDERS.index(5 * MS)] == 1
    assert stage.counts[-1] == 1
    assert sum(stage.counts) == 5
    Stages().of_batch(0, 0, -5)  # a wall clock that was set back breaks nothing


def test_the_rate_of_a_connection_is_that_of_the_last_seconds_and_not_the_mean_since_the_start() -> None:
    tally = Tally(0)
    for second in range(1, 120):
        tally.frames += 1_000 if second < 60 else 10
        tally.flow.looked(tally.frames, second * SECOND)
    assert 10 <= tally.flow.per_second < 15
