"""The shapes that others' programs read of sources, the event of a switch, and one price of several sources."""

from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from two_venues import BTC, A, B
from watched import Watch

from gapless.errors import UnknownName
from gapless.hub import Hub
from gapless.hub.waiting import Waiting
from gapless.model import MS, SECOND, Ticker, Trade
from gapless.sourcing import Sourcing
from gapless.store.locks import TapeLocks


class Told:
    """What a running gapless tells of two venues that are watched."""

    def __init__(self, **settings: Any) -> None:
        self.watch = Watch(**settings)
        self.hub = Hub(lambda *_, **__: None)
        self.heard = Waiting(lambda: None)
        self.hub.follow(("sourceSwitch",), self.heard)
        engine = SimpleNamespace(
            settings=SimpleNamespace(consolidate=self.watch.settings), collectors=self.watch.venues,
            clock=self.watch.clock, hub=self.hub, note=lambda *_, **__: None, store=self.watch.world.store,
            locks=TapeLocks(":memory:"),
        )  # fmt: skip
        self.sourcing = Sourcing(engine, "sim")  # type: ignore[arg-type]
        self.registry = CollectorRegistry()
        self.sourcing.measured(self.registry)
        self.watch.watch = self.sourcing.consolidation
        self.watch.watch._commit = self.watch._commit  # type: ignore[method-assign]

    def trade(self, number: int, price: int) -> None:
        """Let a venue trade at a price of its digits, now."""
        venue = self.watch.venues[number]
        venue.pipeline.latest[venue.sources[0]] = Trade(1, 5 * SECOND, price, 1, 1, 1, 1, 0)

    def ticker(self, number: int, quote_volume: str) -> None:
        """Let a venue tell what was traded in a day."""
        venue = self.watch.venues[number]
        venue.pipeline.tickers[venue.sources[0]] = Ticker(
            instrument=venue.sources[0], time=SECOND, last="101.5", open="1", high="1", low="1", volume="1",
            quote_volume=quote_volume, change_percent="0", trades=1, first_id=1, last_id=1,
        )  # fmt: skip


def test_the_wire_has_its_keys_and_kinds_before_and_after_a_switch() -> None:
    told = Told()
    told.watch.on(10)
    one, two = told.sourcing.sources()
    assert (one["exchange"], one["connected"], one["messagesReceived"], one["errors"]) == ("one", True, 7, 0)
    assert one["latency"] is None
    assert one["lastUpdate"] == told.watch.clock.wall() // MS
    told.watch.venues[1].connection.latency = 1_234_567
    assert told.sourcing.sources()[1]["latency"] == 1.235
    assert two["exchange"] == "two"
    health = told.sourcing.health()
    wanted = {"healthy": True, "activeSource": "one", "connectedSources": 2, "totalSources": 2}
    assert health.items() >= wanted.items()
    began = told.sourcing.active_source()
    assert (began["activeSource"], began["primary"]) == ("one", "one")
    told.watch.venues[0].connection.up = False
    told.watch.on(0.2)
    assert told.sourcing.health().items() >= (wanted | {"activeSource": "two", "connectedSources": 1}).items()
    after = told.sourcing.active_source(BTC)
    assert (after["activeSource"], after["primary"]) == ("two", "one")
    assert after["since"] > began["since"]
    assert after["instruments"][0]["activeSource"] == B
    ((name, event),) = told.heard.take()
    assert (name, event.since, event.to, event.instrument) == ("sourceSwitch", "one", "two", BTC)
    assert event.timestamp == after["since"]


def test_metrics_count_switches_and_time_them() -> None:
    told = Told()
    told.watch.on(10)
    told.watch.venues[0].connection.up = False
    told.watch.on(0.2)
    lines = generate_latest(told.registry).decode().splitlines()
    for line in (
        'gapless_source_up{venue="one"} 0.0', 'gapless_source_up{venue="two"} 1.0',
        f'gapless_source_switches_total{{instrument="{BTC}"}} 1.0', 'gapless_source_active{venue="two"} 1.0',
        "gapless_source_detect_seconds_count 1.0", "gapless_source_switch_seconds_count 1.0",
    ):  # fmt: skip
        assert line in lines


def test_one_price_of_sources_with_other_digits_and_who_has_not_traded_gives_its_ticker() -> None:
    told = Told(resolution="latest")
    told.watch.on(10)
    told.trade(0, 10_050)  # 100.50
    told.ticker(1, "300")
    assert told.sourcing.price(BTC, "primary")["price"] == "100.50"
    latest = told.sourcing.price(BTC)
    assert (latest["resolution"], latest["price"]) == ("latest", "100.50")  # equally new: the first
    average = told.sourcing.price(BTC, "average")
    assert average["price"] == "101.0000"
    assert [(part["source"], part["share"]) for part in average["parts"]] == [(A, 0.5), (B, 0.5)]
    told.ticker(0, "100")
    assert told.sourcing.price(BTC, "average")["price"] == "101.2500"
    told.watch.venues[1].speaks = False
    told.watch.on(4)
    alone = told.sourcing.price(BTC, "average")
    assert alone["price"] == "100.5000"
    assert [(one["source"], one["reason"][:6]) for one in alone["left_out"]] == [(B, "stale:")]


def test_a_venue_that_tells_no_turnover_is_weighted_by_its_volume_at_its_price() -> None:
    told = Told(resolution="average")
    told.watch.on(10)
    told.ticker(0, "304.5")
    told.ticker(1, "")  # a day's volume of 1 at 101.5
    shares = {part["source"]: part["share"] for part in told.sourcing.price(BTC)["parts"]}
    assert shares == {A: 0.75, B: 0.25}


def test_a_price_of_what_is_not_consolidated_names_what_is() -> None:
    told = Told()
    told.watch.on(1)
    with pytest.raises(UnknownName, match="'ETH/USDT' is not consolidated by this run; what is: BTC/USDT"):
        told.sourcing.price("ETH/USDT")
    assert told.sourcing.price(BTC)["price"] is None


def test_without_anything_in_common_the_venues_are_told_all_the_same() -> None:
    told = Told(enabled=False)
    told.watch.on(2)
    assert told.sourcing.health().items() >= {"healthy": True, "activeSource": "one", "totalSources": 2}.items()
    assert told.sourcing.active_source()["primary"] == "one"
    assert told.sourcing.active_source()["since"] > 0
    assert told.sourcing.rows() == []
