"""What is sent comes in the order of its push, and a stop leaves nothing half said; time is an argument here."""

import json

import pytest

from gapless.sim.bars import CLOSE_DELAY, MINUTE
from gapless.sim.binance.names import parse_name
from gapless.sim.binance.sources import source_for
from gapless.sim.binance.venue import SPOT, USDM
from gapless.sim.connection import Connection
from gapless.sim.options import SimOptions
from gapless.sim.server import build
from gapless.sim.synthetic.market import START_MS, synthetic_market


class Wire:
    """A transport that keeps what is written."""

    def __init__(self):
        self.written = bytearray()

    def write(self, data):
        self.written += data

    def get_write_buffer_size(self):
        return 0

    def is_closing(self):
        return False


@pytest.mark.parametrize("venue", [USDM, SPOT])
@pytest.mark.parametrize("step", [1, 7, 100, 290, 333, 1_700, 61_000])
def test_a_forming_bar_never_overtakes_the_close_before_it(venue, step):
    market = synthetic_market(1, 1, None, futures=venue.futures)
    source = source_for(parse_name("btcusdt@kline_1m"), market, venue)
    events, at = [], START_MS - 700
    stop = START_MS + (2_000 if step == 1 else 4 * MINUTE)
    while at < stop:
        events += source.due(at, at + step)
        at += step
    keys = [event.key for event in events]
    assert keys == sorted(keys)
    assert [event.push for event in events] == sorted(event.push for event in events)
    closed = [event.key for event in events if event.closing]
    assert closed == list(range(START_MS - MINUTE, at - MINUTE - CLOSE_DELAY + 1, MINUTE))
    for event in events:
        if event.closing:
            assert json.loads(event.payload)["E"] == event.key + MINUTE + CLOSE_DELAY


@pytest.mark.parametrize("after_end_ms", [0, 1, 150, 299, 300, 30_000])
def test_a_stop_at_a_minutes_end_still_closes_it(tmp_path, monkeypatch, after_end_ms):
    service = build(SimOptions(instruments=2, journal=tmp_path / "journal"))
    hub, wire = service.hub, Wire()
    connection = Connection(wire, combined=True, route="market", number=1)
    hub.connections[1] = connection
    hub.subscribe(connection, ["btcusdt@aggTrade", "btcusdt@kline_1m"])
    assert hub.clock.playing
    monkeypatch.setattr(hub.clock, "now", lambda: START_MS + MINUTE + after_end_ms)
    hub.tick()
    hub.finish()
    lines = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    closed = [line["row"][0] for line in lines if line["t"] == "row" and line["tape"] == "kline_1m"]
    assert closed == [START_MS - MINUTE, START_MS]
    assert bytes(wire.written).count(b'"x":true') == 2
    assert hub.now == START_MS + MINUTE + max(after_end_ms, CLOSE_DELAY)
    last = [line["row"] for line in lines if line["t"] == "row" and line["tape"] == "agg"][-1]
    series = hub.market.symbols["BTCUSDT"].aggs
    assert series.pushed(hub.now) == last[0] + 1
    service.close()


def test_a_connection_that_hears_nothing_begins_no_tape(tmp_path, monkeypatch):
    service = build(SimOptions(instruments=1, journal=tmp_path / "journal"))
    hub = service.hub
    connection = Connection(Wire(), combined=True, route="market", number=1)
    hub.connections[1] = connection
    hub.subscribe(connection, ["btcusdt@aggTrade"])
    connection.dead = True
    monkeypatch.setattr(hub.clock, "now", lambda: START_MS + 10_000)
    hub.tick()
    assert hub.journal.offered == {}
    service.close()


def test_a_subscription_on_the_wrong_route_starts_no_play():
    service = build(SimOptions(instruments=1))
    connection = Connection(Wire(), combined=True, route="public", number=1)
    service.hub.subscribe(connection, ["btcusdt@aggTrade", "btcusdt@depth"])
    assert not service.hub.clock.playing
    service.hub.subscribe(connection, ["btcusdt@trade"])
    assert service.hub.clock.playing
    service.close()
