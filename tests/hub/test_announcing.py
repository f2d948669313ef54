"""From batches and commits to events: the keys, types and units that others' front ends depend on."""

import asyncio
from functools import partial
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from desk import Desk
from manual import EPOCH
from tiny_market import BTC, ID, START_MS, TinyMarket

from gapless.announcing import Announcer
from gapless.derive.settle import Settled, settle
from gapless.hub import EVENTS, Hub
from gapless.hub.waiting import Waiting
from gapless.model import MINUTE, MS, Proof, Ticker
from gapless.model.signal import Judged, Signal

QUOTE = {
    "stream": "btcusdt@bookTicker",
    "data": {
        "e": "bookTicker", "u": 7, "E": START_MS + 9, "T": START_MS + 8, "s": "BTCUSDT", "b": "49999.9", "B": "1.000",
        "a": "50000.1", "A": "2.000",
    },
}  # fmt: skip
TICKER = {
    "stream": "btcusdt@ticker",
    "data": {
        "e": "24hrTicker", "E": START_MS + 9, "s": "BTCUSDT", "p": "0", "P": "0.5", "w": "0", "c": "50000.2", "Q": "1",
        "o": "49000.0", "h": "51000.0", "l": "48000.0", "v": "123.500", "q": "6175000.0", "O": 0, "C": START_MS + 9,
        "F": 1, "L": 7, "n": 7,
    },
}  # fmt: skip


class Told:
    """A desk whose engine announces to a hub; `heard` gives what came of some events, as it goes over a wire."""

    def __init__(self, *names: str) -> None:
        self.desk = Desk()
        self.hub = Hub(lambda *args, **fields: None)
        books = SimpleNamespace(top=lambda name, depth: None)
        self.collector: Any = SimpleNamespace(pipeline=self.desk.pipeline, books=books)
        engine: Any = SimpleNamespace(collectors=[self.collector], reader=self.desk.store, clock=None)
        self.announcer = Announcer(engine, self.hub)
        self.desk.pipeline._fast = self.announcer.arrived
        self.waiting = Waiting(lambda: None)
        self.hub.follow(names, self.waiting)

    def heard(self) -> list[tuple[str, Any]]:
        return [(name, msgspec.json.decode(msgspec.json.encode(value))) for name, value in self.waiting.take()]


def test_ticker_update_has_the_seeds_keys_and_bid_and_ask_of_the_newest_quote() -> None:
    told = Told("ticker_update")
    told.desk.hear(QUOTE, TICKER)
    expected = {
        "crypto": "BTCUSDT", "price": 50000.2, "exchange": "binance", "bid": 49999.9, "ask": 50000.1,
        "volume_24h": 123.5, "timestamp": START_MS + 9,
    }  # fmt: skip
    assert told.heard() == [("ticker_update", expected)]


def test_a_ticker_without_a_price_is_no_event_and_breaks_nothing() -> None:
    told = Told("ticker_update", "ticker")
    empty = {**TICKER, "data": {**TICKER["data"], "c": "", "v": "nan"}}
    told.desk.hear(empty)
    assert told.heard() == []


def test_market_data_comes_once_as_itself_and_once_as_market_data() -> None:
    told, market = Told("trade", "ticker", "depth", "marketData"), TinyMarket()
    told.desk.hear(*market.aggs(1, 2))
    told.desk.hear(*market.aggs(2, 2), QUOTE, TICKER)  # the trade came before: it is no event again
    shared = {"exchange": "binance", "symbol": "BTCUSDT", "id": ID}
    first, second = (
        {**shared, "type": "trade", "timestamp": market.time(n), "price": float(market.price(n)),
         "volume": float(market.size(n))} for n in (1, 2)
    )  # fmt: skip
    depth = {**shared, "type": "orderbook", "timestamp": START_MS + 8, "price": second["price"]}
    depth |= {"bid": 49999.9, "ask": 50000.1}
    ticker = {**shared, "type": "ticker", "timestamp": START_MS + 9, "price": 50000.2, "volume": 123.5}
    ticker |= {"bid": 49999.9, "ask": 50000.1}
    expected = [("trade", first), ("trade", second), ("depth", depth), ("ticker", ticker)]
    assert told.heard() == [pair for name, event in expected for pair in ((name, event), ("marketData", event))]


def test_where_no_quotes_are_pushed_depth_is_of_the_book_that_is_kept_else_of_the_tickers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told("depth")
    monkeypatch.setattr(type(told.desk.pipeline.venue.streams), "kinds", frozenset({"agg", "ticker", "depth"}))
    ticker = Ticker(
        instrument=ID, time=EPOCH, last="50000.0", open="", high="", low="", volume="", quote_volume="",
        change_percent="", trades=-1, first_id=-1, last_id=-1, bid="49990.0", ask="49991.0",
    )  # fmt: skip
    told.desk.pipeline.tickers[ID] = ticker
    tickers, changes = (told.desk.pipeline.venue.streams.stream(BTC, kind) for kind in ("ticker", "depth"))

    def bids() -> list[float]:
        told.announcer._heard(told.collector, tickers, [None], [ticker])
        told.announcer._heard(told.collector, changes, [None], [SimpleNamespace(time=EPOCH)])
        return [event["bid"] for _, event in told.heard()]

    assert bids() == [49990.0]
    told.collector.books.top = lambda name, depth: {"bids": [["49980.0", "1"]], "asks": [["49981.0", "1"]]}
    assert bids() == [49980.0]
    told.collector.books.top = lambda name, depth: {"bids": [], "asks": []}
    assert bids() == []


def test_raw_is_what_the_venue_sent_of_each_trade_and_only_for_who_asked() -> None:
    told, market = Told("trade+raw", "trade"), TinyMarket()
    told.desk.hear(*market.aggs(1, 1))
    told.desk.hear(*market.aggs(1, 3))
    raws = [event["raw"]["a"] for name, event in told.heard() if name == "trade+raw"]
    assert raws == [1, 2, 3]
    told.desk.hear(*market.aggs(4, 4))
    assert ["raw" in event for _, event in told.heard()] == [False, True]


def test_raw_is_of_its_own_trade_where_a_venue_sends_the_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    told, market = Told("trade+raw"), TinyMarket()
    streams = type(told.desk.pipeline.venue.streams)
    read = told.desk.pipeline.venue.streams.trades

    def sorted_by_id(run: Any, *more: Any) -> Any:
        return sorted(read(run, *more), key=lambda row: row.seq)

    monkeypatch.setattr(streams, "trades", staticmethod(sorted_by_id), raising=False)
    told.desk.hear(*reversed(market.aggs(1, 3)))
    events = [event for _, event in told.heard()]
    assert [(event["raw"]["a"], event["timestamp"]) for event in events] == [(n, market.time(n)) for n in (3, 2, 1)]


def test_an_event_that_cannot_be_read_costs_the_raw_of_no_other() -> None:
    told, market = Told("trade+raw"), TinyMarket()
    broken = market.agg_frame(3, p="50000.123456789")
    assert len(told.desk.hear(*market.aggs(1, 2), broken, *market.aggs(4, 4))) == 1
    assert [event["raw"]["a"] for _, event in told.heard()] == [1, 2, 4]


def test_nothing_is_made_while_nobody_listens() -> None:
    told, market = Told("trade", "ticker"), TinyMarket()
    assert told.desk.pipeline.heard is not None
    told.hub.leave(told.waiting)
    assert told.desk.pipeline.heard is None
    told.desk.hear(*market.aggs(1, 3), TICKER)
    assert (told.heard(), told.hub.wanted) == ([], frozenset())


def spike(**other: Any) -> Judged:
    values = {
        "volume": "31.500", "baseline": "10.000", "ratio": 3.15, "z": None, "trades": 70, "windows": 24,
        "threshold": 1.5, "window_minutes": 5, **other,
    }  # fmt: skip
    signal = Signal(kind="volume_spike", side=0, price="50000.1", values=values)
    return Judged(
        instrument=ID, minutes=1, start=EPOCH, judgement=0, state="found", revision=0, proof=Proof.PROVEN,
        signal=signal, known_at=EPOCH,
    )  # fmt: skip


def test_an_episode_of_volume_is_one_alert_and_one_end() -> None:
    told = Told("volume_alert")
    confirmed = msgspec.structs.replace(spike(), state="confirmed")
    told.announcer.settled(Settled(judged=[spike(), confirmed, spike(ended=True, peak=4.2, z=5.0)]))
    alert = {
        "crypto": "BTCUSDT", "exchange": "binance", "price": 50000.1, "volume": 31.5, "baseline": 10.0, "ratio": 3.15,
        "threshold": 1.5, "window_minutes": 5, "z": None, "trades": 70, "timestamp": (EPOCH + MINUTE) // MS,
    }  # fmt: skip
    ended = alert | {"z": 5.0, "ended": True, "peak": 4.2}
    assert told.heard() == [("volume_alert", alert), ("volume_alert", ended)]


def test_gaps_and_signals_come_as_the_stream_has_them() -> None:
    told, market = Told("gap", "signal"), TinyMarket()
    told.desk.hear(*market.aggs(1, 3), *market.aggs(6, 7))
    told.desk.pipeline.name(told.desk.trades, (4, 5), at=EPOCH, mono=1)
    settled = told.desk.store.commit(partial(settle, commit=told.desk.take()))
    settled.judged.append(spike())
    told.announcer.settled(settled)
    (_, gap), (_, signal) = sorted(told.heard())
    assert (gap["type"], gap["stream"], gap["data"]["first"], gap["data"]["last"]) == ("gap", f"gaps:{ID}", 4, 5)
    assert (signal["stream"], signal["data"]["kind"]) == (f"signals:{ID}:1m", "volume_spike")


def test_what_befalls_a_connection_is_an_event_and_what_is_only_logged_is_none() -> None:
    told = Told("connected", "disconnected", "error", "message")
    at = 5 * MS
    told.announcer.noted("connected", "binance/market/1", at, {"streams": 4})
    told.announcer.noted("rotated", "binance/market/1", at, {"ms": 3})
    told.announcer.noted("connect_failed", "binance/market/1", at, {"error": "refused"})
    told.announcer.noted("disconnected", "binance/market/1", at, {"code": 1006, "reason": "cut"})
    told.announcer.frames("binance/market/1", [b"{}"], 7)
    place = {"connection": "binance/market/1", "exchange": "binance", "timestamp": 5}
    assert told.heard() == [
        ("connected", {**place, "streams": 4}),
        ("error", {"kind": "connect_failed", "subject": "binance/market/1", "reason": "refused", "timestamp": 5}),
        ("disconnected", {**place, "code": 1006, "reason": "cut"}),
        ("message", {"connection": "binance/market/1", "data": "e30=", "received": 7}),
    ]


def test_every_event_has_a_name_that_can_be_listened_to() -> None:
    hub = Hub(lambda *args, **fields: None)
    for name in EVENTS:
        hub.on(name, print)
    asyncio.run(hub.__aexit__(None, None, None))
    assert hub.wanted == set(EVENTS)
