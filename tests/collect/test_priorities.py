"""Which instruments come first: as set, as changed while running, and as that was before a restart."""

from types import SimpleNamespace
from typing import Any

import pytest
from test_collector import House
from tiny_market import ID

from gapless.changing import current_ticker, prioritise, put_first
from gapless.errors import UnknownName
from gapless.model import Ticker
from gapless.store.sqlite import SqliteStore

ETH = "binance:ETHUSDT"


def started(store: SqliteStore | None = None, **collect: Any) -> House:
    house = House(store=store, **collect)
    house.prepare(ID, ETH)
    return house


def stopped(house: House) -> SqliteStore:
    """Commit what is pending, as a run does at its end."""
    for kind, subject, detail, at in house.collector.pending.take({}, now=0, known_at=0).events:
        house.store.commit(lambda tx, event=(kind, subject, detail, at): tx.put_event(*event))
    house.outside.locks.release()
    return house.store


def test_what_is_set_comes_first_in_any_usual_spelling_and_other_venues_are_not_ours() -> None:
    assert started(priority=["binance:BTC/USDT", "okx:BTC-USDT"]).collector.priority == {ID}


def test_what_was_changed_while_running_holds_after_a_restart() -> None:
    house = started(priority=[ID])
    house.collector.prioritise({ETH}, {ID})
    assert house.collector.priority == {ETH}
    assert started(stopped(house), priority=[ID]).collector.priority == {ETH}


def test_a_setting_that_was_changed_since_counts_again() -> None:
    house = started(priority=[ID])
    house.collector.prioritise({ETH}, {ID})
    assert started(stopped(house), priority=[ID, ETH]).collector.priority == {ID, ETH}


def test_what_changes_nothing_is_not_kept() -> None:
    house = started(priority=[ID])
    house.collector.prioritise({ID}, {ETH})
    assert house.collector.pending.take({}, now=0, known_at=0).events == []


def test_a_name_that_the_venue_does_not_list_is_a_mistake_that_names_the_setting() -> None:
    with pytest.raises(UnknownName, match=r"collect\.priority: binance lists no instrument 'binance:BTCUSDX'; did you"):
        started(priority=["binance:BTCUSDX"])


def engine_of(house: House) -> Any:
    return SimpleNamespace(collectors=[house.collector])


def test_an_engine_puts_first_all_that_is_named_or_nothing() -> None:
    engine = engine_of(started())
    with pytest.raises(UnknownName, match=r"this run collects no instrument 'binance:SOLUSDT'"):
        put_first(engine, [ID, "binance:SOLUSDT"])
    assert put_first(engine, ["ETH/USDT:USDT"]) == [ETH]
    refused = {"id": "nope", "reason": "this run collects no instrument 'nope'; allowed are " + f"{ID}, {ETH}"}
    assert prioritise(engine, [ID, "nope"], [ETH]) == {"priority": [ID], "refused": [refused]}


def test_an_engine_gives_the_current_ticker_and_names_what_has_none() -> None:
    house = started()
    house.collector.pipeline.tickers[ID] = Ticker(
        instrument=ID, time=5_000_000, last="50000.5", open="1", high="1", low="1", volume="2.5", quote_volume="1",
        change_percent="0", trades=1, first_id=1, last_id=1,
    )  # fmt: skip
    ticker = current_ticker(engine_of(house), "btc/usdt:usdt")
    assert (ticker.crypto, ticker.price, ticker.bid, ticker.volume_24h, ticker.timestamp) == (
        "BTCUSDT", 50000.5, None, 2.5, 5,
    )  # fmt: skip
    with pytest.raises(UnknownName, match=f"no ticker of {ETH} has come yet"):
        current_ticker(engine_of(house), ETH)
