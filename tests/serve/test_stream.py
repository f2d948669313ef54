"""The stream gives each event once and in order, whatever the client, the store and the venue do."""

import asyncio
import socket as sockets
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from faces_world import ID, START, World, Writer, served

from gapless.model import MINUTE, iso
from gapless.query.feed import parse_cursor
from gapless.store.sqlite import SqliteStore

TRADES, MINUTES, FIVES, GAPS = f"trades:{ID}", f"candles:{ID}:1m", f"candles:{ID}:5m", f"gaps:{ID}"


class Talk:
    """One connection of a client that speaks the protocol by hand."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, op: str, **more: Any) -> Any:
        await self.socket.send_json({"op": op, "id": 1, **more})
        while "id" not in (reply := await self.one()):
            pass
        return reply

    async def subscribe(self, *streams: str, **more: Any) -> Any:
        return await self.ask("subscribe", streams=list(streams), **more)

    async def one(self) -> Any:
        return await self.socket.receive_json(timeout=10)

    async def several(self, count: int) -> list[Any]:
        return [await self.one() for _ in range(count)]

    async def until_end(self, world: World) -> list[Any]:
        """Everything up to the end of the log, of which the last entry must be of interest to this client."""
        end = end_of_log(world)
        events = [await self.one()]
        while events[-1]["cursor"] != end:
            events.append(await self.one())
        return events

    async def until_known(self, world: World) -> None:
        """Wait until the server has seen every commit."""
        while (await self.subscribe("gaps:ethusdt"))["streams"]["gaps:ethusdt"] != end_of_log(world):
            pass


def end_of_log(world: World) -> str:
    last = world.reader.log_after(0, -1, 100_000)[-1]
    item = last.item + (last.last - last.first + 1 if last.kind == "trades" else 1)
    return f"{last.number:x}.{item:x}"


def play(tmp_path: Path, scene: Callable[[Writer, World, Talk], Awaitable[None]], step: int = 0, **named: Any) -> None:
    """Serve a store and run a scene with its writer and one client."""

    async def main() -> None:
        writer = Writer(tmp_path / "tape.db", **({"step": step} if step else {}))
        world = World(tmp_path / "tape.db")
        async with served(world, **named) as url, talking(url) as talk:
            await scene(writer, world, talk)

    asyncio.run(main())


@asynccontextmanager
async def talking(url: str) -> Any:
    async with aiohttp.ClientSession() as http, http.ws_connect(url + "/api/v1/stream") as socket:
        yield Talk(socket)


def test_a_stream_begins_at_now_and_gives_each_commit_once_in_order(tmp_path: Path) -> None:
    async def scene(writer: Writer, world: World, talk: Talk) -> None:
        writer.trades(10)
        world.committed()
        # the answer to the subscription names the place after what was committed before the server looked
        reply = await talk.subscribe(TRADES)
        assert reply["ok"] is True
        writer.trades(3)
        world.committed()
        events = []
        while not events or events[-1]["data"]["seq"] < 13:
            events.append(await talk.one())
        seqs = [event["data"]["seq"] for event in events]
        assert seqs == list(range(seqs[0], 14))
        assert {(event["stream"], event["type"], event["late"]) for event in events} == {(TRADES, "trade", False)}
        assert events[-1]["data"] == {
            "seq": 13, "time": iso(writer.time_of(13)), "price": "50001.30", "size": "0.007", "side": "buy",
            "fills": 1, "first_fill": 13,
        }  # fmt: skip

    play(tmp_path, scene)


def test_every_cursor_resumes_right_after_its_event(tmp_path: Path) -> None:
    async def scene(writer: Writer, world: World, talk: Talk) -> None:
        start = (await talk.subscribe(TRADES, MINUTES, GAPS))["streams"]
        for _ in range(4):
            writer.trades(7)
        gap = writer.lose(5)
        writer.trades(8)
        writer.repair(gap)
        world.committed()
        whole = await talk.until_end(world)
        assert [event["type"] for event in whole if event["type"] != "trade"] == ["candle", "gap", "gap"]
        for name in (TRADES, MINUTES, GAPS):
            mine = [event for event in whole if event["stream"] == name]
            for index, event in enumerate([{"cursor": start[name]}, *mine]):
                reply = await talk.subscribe(name, after={name: event["cursor"]})
                assert reply["streams"] == {name: event["cursor"]}
                assert await talk.several(len(mine) - index) == mine[index:]

    play(tmp_path, scene, step=2_500_000_000)


def test_events_are_the_same_from_memory_and_from_the_store(tmp_path: Path) -> None:
    async def scene(writer: Writer, world: World, talk: Talk) -> None:
        names = [TRADES, MINUTES, FIVES, f"candles:{ID}:1h", "gaps"]
        start = (await talk.subscribe(*names))["streams"]
        live: list[Any] = []
        for _ in range(10):
            writer.trades(100)
            gap = writer.lose(10)
            writer.trades(90)
            world.committed()
            live += await talk.until_end(world)
            writer.repair(gap)
            world.committed()
            live += await talk.until_end(world)
        assert [event["data"]["seq"] for event in live if event["type"] == "trade"] != list(range(1, 2_001))
        assert sorted(event["data"]["seq"] for event in live if event["type"] == "trade") == list(range(1, 2_001))
        again = World(tmp_path / "tape.db")
        async with served(again) as url, talking(url) as other:
            await other.subscribe(*names, after=start)
            assert await other.several(len(live)) == live

    play(tmp_path, scene, step=MINUTE // 40)


def test_a_trade_repaired_late_comes_once_and_is_marked(tmp_path: Path) -> None:
    async def scene(writer: Writer, world: World, talk: Talk) -> None:
        await talk.subscribe(TRADES, GAPS)
        writer.trades(5)
        gap = writer.lose(3)
        writer.trades(5)
        world.committed()
        before = await talk.several(11)
        writer.repair(gap)
        writer.repair(gap)
        writer.trades(1)
        world.committed()
        after = await talk.several(5)
        assert [event["data"]["seq"] for event in before if event["type"] == "trade"] == [
            1,
            2,
            3,
            4,
            5,
            9,
            10,
            11,
            12,
            13,
        ]
        assert [(event["type"], event["late"]) for event in after] == [
            ("trade", True), ("trade", True), ("trade", True), ("gap", False), ("trade", False),
        ]  # fmt: skip
        assert [event["data"]["seq"] for event in after if event["type"] == "trade"] == [6, 7, 8, 14]
        named = [event["data"] for event in before + after if event["type"] == "gap"]
        assert [(row["first"], row["last"], row["ids"], row["state"]) for row in named] == [
            (6, 8, 3, "open"), (6, 8, 3, "repaired"),
        ]  # fmt: skip

    play(tmp_path, scene)


def test_a_derived_bar_comes_when_its_last_minute_closes_and_at_each_revision(tmp_path: Path) -> None:
    async def scene(writer: Writer, world: World, talk: Talk) -> None:
        start = (await talk.subscribe(FIVES))["streams"]
        writer.trades(30)  # the first two minutes and a bit
        gap = writer.lose(5)
        writer.trades(85)
        writer.commit(due=[(ID, START + 2 * MINUTE), (ID, START + 3 * MINUTE)])
        world.committed()
        first, following, second = await talk.several(3)
        assert following["data"]["start"] == iso(START + 5 * MINUTE)
        assert (first["type"], first["late"], first["data"]["start"]) == ("candle", False, iso(START))
        assert (first["data"]["proof"], first["data"]["revision"]) == ("partial", 0)
        assert first["data"]["trades"] == 59 - 2 * 12  # the minute of the hole and the one after it are not closed
        assert (second["late"], second["data"]["trades"], second["data"]["proof"]) == (True, 59 - 5, "partial")
        writer.repair(gap)
        world.committed()
        third = await talk.one()
        assert (third["late"], third["data"]["start"], third["data"]["trades"]) == (True, iso(START), 59)
        assert third["data"]["revision"] > 0
        # a client that comes later is told all, each as it stood then
        await talk.subscribe(FIVES, after=start)
        assert await talk.several(4) == [first, following, second, third]

    play(tmp_path, scene, step=5_000_000_000)


def test_a_bar_that_the_venue_confirms_later_is_not_lost_to_who_resumes(tmp_path: Path) -> None:
    async def scene(writer: Writer, world: World, talk: Talk) -> None:
        start = (await talk.subscribe(FIVES))["streams"]
        writer.trades(70)
        world.committed()
        bar = await talk.one()
        for minute in range(1, 5):
            fold = writer.store.fold(writer.tape.id, START + minute * MINUTE)
            assert fold
            writer.commit(bars=[(ID, [fold.bar])])
        writer.trades(1)
        async with served(World(tmp_path / "tape.db")) as url, talking(url) as other:
            await other.subscribe(FIVES, after=start)
            assert await asyncio.wait_for(other.one(), 1) == bar

    play(tmp_path, scene, step=5_000_000_000)


def test_a_commit_of_many_minutes_gives_each_derived_bar_once(tmp_path: Path) -> None:
    async def scene(writer: Writer, world: World, talk: Talk) -> None:
        await talk.subscribe(FIVES, f"candles:{ID}:20m")
        writer.trades(2_500)
        world.committed()
        starts = [(event["stream"], event["data"]["start"]) for event in await talk.several(24 + 6)]
        assert len(set(starts)) == 30

    play(tmp_path, scene, step=MINUTE // 20)


def test_a_client_that_is_too_slow_is_told_from_where_to_where_and_may_resume_there(tmp_path: Path) -> None:
    async def scene(writer: Writer, world: World, talk: Talk) -> None:
        await talk.subscribe(TRADES)
        transport = talk.socket._conn.transport  # type: ignore[attr-defined, union-attr]
        transport.pause_reading()
        while not world.registry.get_sample_value("gapless_stream_lagged_total"):
            writer.trades(500)
            world.committed()
            await asyncio.sleep(0.001)
        transport.resume_reading()
        seqs: list[int] = []
        while (event := await talk.one())["type"] != "lagged":
            seqs.append(event["data"]["seq"])
        assert parse_cursor(event["from"]) < parse_cursor(event["to"])  # their texts are not in that order
        await talk.subscribe(TRADES, after={TRADES: event["from"]})
        seqs += [(await talk.one())["data"]["seq"] for _ in range(writer.seq - len(seqs))]
        assert seqs == list(range(1, writer.seq + 1))

    play(tmp_path, scene, ring_events=2_000)


def test_a_resuming_client_is_never_told_that_it_lags(tmp_path: Path) -> None:
    async def scene(writer: Writer, world: World, talk: Talk) -> None:
        start = (await talk.subscribe(TRADES))["streams"]
        await talk.ask("unsubscribe", streams=[TRADES])
        for _ in range(20):
            writer.trades(1_000)
        world.committed()
        await talk.until_known(world)
        await talk.subscribe(TRADES, after=start)
        events = await talk.several(20_000)
        assert [event["data"]["seq"] for event in events] == list(range(1, 20_001))

    play(tmp_path, scene, ring_events=1_000)


def test_a_cursor_older_than_the_log_is_told_where_the_stream_goes_on(tmp_path: Path) -> None:
    async def scene(writer: Writer, world: World, talk: Talk) -> None:
        start = (await talk.subscribe(TRADES))["streams"]
        for _ in range(5):
            writer.trades(2)
        world.committed()
        events = await talk.several(10)
        trimming = SqliteStore(str(tmp_path / "tape.db"))
        trimming.connection.execute("DELETE FROM log WHERE number <= 3")
        again = World(tmp_path / "tape.db")
        async with served(again) as url, talking(url) as other:
            await other.subscribe(TRADES, after=start)
            expired = await other.one()
            assert expired == {"stream": TRADES, "type": "expired", "from": "4.0"}
            assert await other.several(4) == events[6:]
            await other.subscribe(TRADES, after={TRADES: "4.0"})
            assert await other.several(4) == events[6:]

    play(tmp_path, scene)


WRONG = [
    ({"op": "subscribe", "streams": ["trades:binance:BTCUSTD"]}, "did you mean binance:BTCUSDT?"),
    ({"op": "subscribe", "streams": ["trade:x"]}, "'trade:x' is no stream; allowed are trades:ID"),
    ({"op": "subscribe", "streams": ["candles:binance:BTCUSDT"]}, "no instrument 'binance'"),
    ({"op": "subscribe", "streams": [f"candles:{ID}:7x"]}, "'7x' is no timeframe"),
    ({"op": "subscribe", "streams": ["book"]}, "'book' is no stream; allowed are tickers"),
    ({"op": "subscribe", "streams": [TRADES], "after": {TRADES: "soon"}}, f"after: {TRADES}: 'soon' is no cursor"),
    ({"op": "subscribe", "streams": [TRADES], "after": {TRADES: "ffff.0"}}, "'ffff.0' lies beyond everything"),
    ({"op": "subscribe", "streams": [TRADES], "after": {FIVES: "1.0"}}, f"after: '{FIVES}' is none of the streams"),
    ({"op": "subscribe", "streams": [f"{TRADES}"] + [f"candles:{ID}:{n}m" for n in range(1, 9)]}, "may have 8 streams"),
    ({"op": "subscribe"}, "allowed ops are subscribe, unsubscribe and ping"),
    ({"op": "subscribe", "streams": [], "before": {}}, "unknown field `before`"),
    ({"op": "leave"}, "allowed ops are subscribe, unsubscribe and ping"),
    ({"op": "unsubscribe", "streams": [FIVES]}, f"'{FIVES}' is not subscribed"),
]


def test_a_wrong_request_is_answered_with_a_sentence_and_changes_nothing(tmp_path: Path) -> None:
    async def scene(writer: Writer, world: World, talk: Talk) -> None:
        await talk.subscribe(MINUTES)
        for request, words in WRONG:
            await talk.socket.send_json({**request, "id": 7})
            reply = await talk.one()
            assert reply.keys() == {"id", "error"}
            assert reply["id"] == 7
            assert words in reply["error"], reply
        for text in ("{", "[]", "7", '"x"', ""):
            await talk.socket.send_str(text)
            assert (await talk.one())["id"] is None
        writer.trades(130)
        world.committed()
        assert (await talk.one())["data"]["start"] == iso(START)
        assert await talk.ask("ping") == {"id": 1, "ok": True}
        eight = [f"candles:{ID}:{n}m" for n in range(1, 9)]
        assert (await talk.subscribe(*eight))["ok"]
        assert (await talk.subscribe(*eight))["ok"]

    play(tmp_path, scene, step=1_000_000_000, most_streams=8)


def test_a_client_that_answers_no_ping_is_dropped(tmp_path: Path) -> None:
    async def main() -> None:
        world = World(Path(Writer(tmp_path / "tape.db").store.path))
        async with (
            served(world, ping_every_s=0.01, ping_limit_s=0.01) as url,
            aiohttp.ClientSession() as http,
            http.ws_connect(url + "/api/v1/stream", autoping=False) as socket,
        ):
            kinds = [(await socket.receive(timeout=10)).type for _ in range(2)]
            assert kinds == [aiohttp.WSMsgType.PING, aiohttp.WSMsgType.CLOSE]
            assert socket.close_code == 1011

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(sockets, "TCP_USER_TIMEOUT"), reason="the kernel has no TCP_USER_TIMEOUT")
def test_a_client_that_reads_nothing_any_more_does_not_stay_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gapless.serve.server.DEAD_MS", 200)

    async def scene(writer: Writer, world: World, talk: Talk) -> None:
        for _ in range(40):
            writer.trades(1_000)
        world.committed()
        await talk.until_known(world)
        await talk.subscribe(TRADES, after={TRADES: "1.0"})
        transport = talk.socket._conn.transport  # type: ignore[attr-defined, union-attr]
        transport.pause_reading()
        while world.registry.get_sample_value("gapless_stream_clients"):  # noqa: ASYNC110 (all there is to see)
            await asyncio.sleep(0.01)
        transport.abort()

    play(tmp_path, lambda *given: asyncio.wait_for(scene(*given), 20), ping_every_s=1_000)


def test_an_unsubscribed_stream_is_silent_and_tells_where_it_stopped(tmp_path: Path) -> None:
    async def scene(writer: Writer, world: World, talk: Talk) -> None:
        await talk.subscribe(TRADES, MINUTES)
        writer.trades(2)
        world.committed()
        events = await talk.several(2)
        stopped = (await talk.ask("unsubscribe", streams=[TRADES]))["streams"]
        assert stopped == {TRADES: events[-1]["cursor"]}
        writer.trades(130)
        world.committed()
        assert (await talk.one())["stream"] == MINUTES
        await talk.subscribe(TRADES, after=stopped)
        assert (await talk.one())["data"]["seq"] == 3

    play(tmp_path, scene, step=1_000_000_000)
