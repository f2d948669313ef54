"""Socket.IO: existing front ends get the events that they know, and one that does not read costs nobody anything."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio
from faces_world import ID, World, Writer, served

from gapless.hub.events import MarketData, SourceSwitch, TickerUpdate, VolumeAlert
from gapless.serve.outbox import Outbox
from gapless.serve.pushing import PUSHED

TICKER = TickerUpdate(
    crypto="BTCUSDT", price=50000.5, exchange="binance", bid=50000.0, ask=50001.0, volume_24h=12.5, timestamp=7
)
TRADE = MarketData(
    exchange="binance", symbol="BTCUSDT", timestamp=8, price=50000.5, type="trade", id=ID, volume=0.25
)  # fmt: skip
ALERT = VolumeAlert(
    crypto="BTCUSDT", exchange="binance", price=50000.5, volume=31.5, baseline=10.0, ratio=3.15, threshold=1.5,
    window_minutes=5, z=None, trades=70, timestamp=9,
)  # fmt: skip
SWITCH = SourceSwitch(since="binance", to="okx", reason="stale for 3.0 s", timestamp=10, instrument="BTC/USDT")


@pytest.fixture
def world(tmp_path: Path) -> World:
    writer = Writer(tmp_path / "tape.db")
    writer.trades(1)
    return World(Path(writer.store.path))


@asynccontextmanager
async def listening(url: str, **options: Any) -> AsyncIterator[asyncio.Queue[tuple[str, Any]]]:
    """Connect the protocol's own Python client; gives what it is pushed."""
    came: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    client = socketio.AsyncClient(reconnection=False)
    for name in (*PUSHED, "lagged"):
        client.on(name, lambda data, name=name: came.put_nowait((name, data)))
    await client.connect(url, **options)
    try:
        yield came
    finally:
        await client.disconnect()


def play(world: World, part: Callable[[str], Awaitable[None]], **settings: Any) -> None:
    async def main() -> None:
        async with served(world, **settings) as url, asyncio.timeout(20):
            await part(url)

    asyncio.run(main())


async def listened_to(world: World, *names: str) -> None:
    """Wait until somebody listens to just these events."""
    changed = asyncio.Event()
    world.hub.changed = changed.set
    while world.hub.wanted != set(names):
        await changed.wait()
        changed.clear()


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
def test_every_event_comes_with_exactly_the_keys_of_the_seeds(world: World, transports: list[str]) -> None:
    async def part(url: str) -> None:
        async with listening(url, transports=transports) as came:
            for name, value in (
                ("ticker_update", TICKER), ("trade", TRADE), ("marketData", TRADE), ("volume_alert", ALERT),
                ("sourceSwitch", SWITCH),
            ):  # fmt: skip
                world.hub.publish(name, value)
            found = dict([await came.get() for _ in range(5)])
        assert found["ticker_update"] == {
            "crypto": "BTCUSDT", "price": 50000.5, "exchange": "binance", "bid": 50000.0, "ask": 50001.0,
            "volume_24h": 12.5, "timestamp": 7,
        }  # fmt: skip
        assert found["trade"] == found["marketData"] == {
            "exchange": "binance", "symbol": "BTCUSDT", "timestamp": 8, "price": 50000.5, "type": "trade", "id": ID,
            "volume": 0.25,
        }  # fmt: skip
        assert found["volume_alert"].keys() == {
            "crypto", "exchange", "price", "volume", "baseline", "ratio", "threshold", "window_minutes", "z", "trades",
            "timestamp",
        }  # fmt: skip
        assert found["sourceSwitch"] == {
            "from": "binance", "to": "okx", "reason": "stale for 3.0 s", "timestamp": 10, "instrument": "BTC/USDT",
        }  # fmt: skip

    play(world, part)


def test_a_client_gets_what_it_asked_for_and_nobody_is_listened_to_for_nothing(world: World) -> None:
    async def part(url: str) -> None:
        wish = {"events": ["ticker_update", "trade"], "ids": ["BTC/USDT:USDT"], "raw": True}
        async with listening(url, auth=wish, transports=["websocket"]) as came:
            assert world.hub.wanted == {"ticker_update", "trade+raw"}
            world.hub.publish("volume_alert", ALERT)
            world.hub.publish("ticker_update", TickerUpdate(**{**_fields(TICKER), "crypto": "ETHUSDT"}))
            world.hub.publish("trade+raw", MarketData(**{**_fields(TRADE), "raw": {"a": 1}}))
            name, event = await came.get()
            assert (name, event["raw"]) == ("trade", {"a": 1})
            assert came.empty()
        await listened_to(world)

    play(world, part)


def test_who_comes_and_goes_interrupts_nobody_else(world: World) -> None:
    async def part(url: str) -> None:
        async with listening(url, auth={"events": ["depth"]}, transports=["websocket"]):
            wanted: list[frozenset[str]] = []
            world.hub.changed = lambda: wanted.append(world.hub.wanted)
            async with listening(url, auth={"events": ["trade"]}, transports=["websocket"]):
                assert wanted == [{"depth", "trade"}]  # what is kept for those who listen is not lost in between
            await listened_to(world, "depth")

    play(world, part)


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


@pytest.mark.parametrize(
    ("auth", "says"),
    [
        ({"events": ["tickers"]}, "events: 'tickers': there is no such event; allowed are ticker_update"),
        ({"events": ["candle"]}, "it is an event of engine.on only"),
        ({"ids": ["binance:NOPE"]}, "no instrument 'binance:NOPE'"),
        ({"event": "trade"}, "unknown field `event`"),
        ("token", "Expected `object`"),
    ],
)
def test_a_mistake_is_told_when_a_client_connects(world: World, auth: Any, says: str) -> None:
    async def part(url: str) -> None:
        client = socketio.AsyncClient(reconnection=False)
        told: list[Any] = []
        client.on("connect_error", told.append)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(url, auth=auth, transports=["websocket"])
        assert says in str(told[0])
        await client.disconnect()

    play(world, part)
    assert world.hub.wanted == frozenset()


def test_socket_io_has_the_rules_of_every_other_face(world: World) -> None:
    async def part(url: str) -> None:
        path = f"{url}/socket.io/?EIO=4&transport=polling"
        strange = {"Origin": "https://elsewhere.example"}
        friend = {"Origin": "https://friend.example"}
        token = {"Authorization": "Bearer secret"}
        async with aiohttp.ClientSession() as http:
            for more, headers, expected in (
                ("", {}, 401), ("&token=wrong", {}, 401), ("", {"Authorization": "Basic secret"}, 401),
                ("&token=secret", {}, 200), ("", token, 200), ("", token | friend, 200), ("", token | strange, 400),
            ):  # fmt: skip
                async with http.get(path + more, headers=headers) as reply:
                    assert reply.status == expected, (more, headers)
                    shared = reply.headers.get("Access-Control-Allow-Origin")
                    assert shared == (friend["Origin"] if friend.items() <= headers.items() else None)
            for refused in (http.post(path, headers=token | strange), http.get(f"{url}/health?token=secret")):
                async with refused as reply:
                    assert reply.status in (401, 403)
        async with listening(f"{url}/?token=secret", transports=["websocket"]):
            assert world.hub.wanted == set(PUSHED)

    play(world, part, token="secret", cors_origins=("https://friend.example",))


def test_a_client_that_does_not_read_costs_a_bounded_amount_and_another_misses_nothing(world: World) -> None:
    events, size = 3_000, 20_000

    async def part(url: str) -> None:
        stuck = socketio.AsyncClient(reconnection=False)
        async with listening(url, auth={"events": ["trade"]}, transports=["websocket"]) as came:
            await stuck.connect(url, auth={"events": ["trade", "ticker_update"]}, transports=["websocket"])
            lags: asyncio.Queue[Any] = asyncio.Queue()
            stuck.on("lagged", lags.put_nowait)
            prices: asyncio.Queue[float] = asyncio.Queue()
            stuck.on("ticker_update", lambda data: prices.put_nowait(data["price"]))
            stuck.eio.ws._response.connection.transport.pause_reading()
            await listened_to(world, "trade", "ticker_update")
            for number in range(events):
                fields = {**_fields(TRADE), "timestamp": number, "symbol": "B" * size}
                world.hub.publish("trade", MarketData(**fields))
                world.hub.publish("ticker_update", TickerUpdate(**{**_fields(TICKER), "price": float(number)}))
                if number % 100 == 99:
                    for wanted in range(number - 99, number + 1):
                        assert (await came.get())[1]["timestamp"] == wanted
            stuck.eio.ws._response.connection.transport.resume_reading()
            told = await lags.get()
            assert told["missed"] > 900
            given = 1
            while await prices.get() != events - 1:
                given += 1
            assert given < 1_100
        await stuck.disconnect()

    play(world, part)


def test_who_polls_does_not_hold_up_the_end(world: World, caplog: pytest.LogCaptureFixture) -> None:
    polling = [socketio.AsyncClient(reconnection=False) for _ in range(2)]

    async def main() -> None:
        async with served(world) as url:
            for client in polling:
                await client.connect(url, transports=["polling"])
        for client in polling:
            await client.disconnect()

    asyncio.run(main())
    assert "graceful shutdown exceeded" not in caplog.text


def test_an_outbox_keeps_the_newest_of_a_key_and_names_what_it_left_out() -> None:
    outbox = Outbox(most=2)
    for number in range(3):
        outbox.put(f"ticker {number}", number, key="btc")
        outbox.put(f"trade {number}", number)
    outbox.put("trade 3", 3)
    assert len(outbox) == 3
    assert outbox.take(2) == ({"from": 0, "to": 1, "missed": 2}, ["ticker 2", "trade 2"])
    assert outbox.take(9) == (None, ["trade 3"])
    assert (outbox.take(9), len(outbox), outbox.missed) == ((None, []), 0, 2)
