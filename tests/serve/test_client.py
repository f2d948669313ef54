"""The push client gives each event once and in order, through cuts, restarts and slowness."""

import asyncio
import random
import socket
import struct
from contextlib import AsyncExitStack, aclosing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from faces_world import ID, START, World, Writer, served, trade
from msgspec.structs import replace

from gapless.client import (
    CandleEvent,
    Expired,
    FootprintEvent,
    Lagged,
    SignalEvent,
    StreamEvent,
    TickerEvent,
    TradeEvent,
    connect,
)
from gapless.errors import BadInput, Unavailable, UnknownName
from gapless.model import Proof
from gapless.model.signal import Judged, Signal
from gapless.reader import open_market

TRADES, MINUTES, FIVES = f"trades:{ID}", f"candles:{ID}:1m", f"candles:{ID}:5m"
CUTS = 500


class Wire:
    """A wire between client and server that can be cut: by a reset on either side, or by hanging up."""

    def __init__(self) -> None:
        self.target = ("127.0.0.1", 0)
        self.url = ""
        self.pairs: set[asyncio.Task[None]] = set()
        self.writers: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []

    async def __aenter__(self) -> "Wire":
        self.server = await asyncio.start_server(self.joined, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut(reset=True)
        self.server.close()
        await asyncio.gather(*self.pairs, return_exceptions=True)

    def leads_to(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self.target = (host, int(port))

    async def joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        self.writers.append((writer, back))
        for source, sink in ((reader, back), (there, writer)):
            pair = asyncio.create_task(self.carry(source, sink))
            self.pairs.add(pair)
            pair.add_done_callback(self.pairs.discard)

    async def carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        sink.close()

    def cut(self, *, reset: bool) -> None:
        for pair in self.writers:
            for writer in pair:
                if reset:
                    with suppress(OSError):
                        writer.get_extra_info("socket").setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                        )
                    writer.transport.abort()
                else:
                    writer.close()
        self.writers.clear()


def key(event: StreamEvent) -> Any:
    assert isinstance(event, TradeEvent | CandleEvent), event
    if isinstance(event, TradeEvent):
        return event.data.seq
    return (event.data.start, event.data.revision, event.data.trades)


async def write(writer: Writer, worlds: list[World], stop: asyncio.Event) -> None:
    """Commit 40 trades some 100 times a second, with a hole now and then that is repaired later."""
    holes: list[Any] = []
    count = 0
    while not stop.is_set():
        await asyncio.to_thread(writer.trades, 40)
        count += 1
        if count % 50 == 0:
            holes.append(await asyncio.to_thread(writer.lose, 5))
        if count % 50 == 30 and holes:
            await asyncio.to_thread(writer.repair, holes.pop(0))
        worlds[-1].committed()
        await asyncio.sleep(0.005)
    for gap in holes:
        await asyncio.to_thread(writer.repair, gap)
    worlds[-1].committed()


async def cut_and_restarted(path: Path, writer: Writer) -> dict[str, list[StreamEvent]]:
    """Follow three streams through 500 cuts and a restart of the server, while the writer goes on."""
    chance = random.Random(7)
    got: dict[str, list[StreamEvent]] = {TRADES: [], MINUTES: [], FIVES: []}
    stop = asyncio.Event()
    worlds = [World(path)]
    cuts = until_cut = 0
    async with Wire() as wire, AsyncExitStack() as first, AsyncExitStack() as second:
        wire.leads_to(await first.enter_async_context(served(worlds[0])))
        stream = connect(wire.url).stream(*got, after=dict.fromkeys(got, "1.0"))
        events = await second.enter_async_context(aclosing(stream))
        writing = asyncio.create_task(write(writer, worlds, stop))
        async for event in events:
            got[event.stream].append(event)
            until_cut -= 1
            if cuts < CUTS and until_cut < 0:
                wire.cut(reset=chance.random() < 0.7)
                cuts += 1
                until_cut = chance.randrange(60)
                if cuts == CUTS // 2:
                    await first.aclose()
                    worlds.append(World(path))
                    wire.leads_to(await second.enter_async_context(served(worlds[1])))
            if cuts == CUTS and not stop.is_set():
                stop.set()
                await writing
            if stop.is_set() and len(got[TRADES]) == writer.seq:
                return got
    raise AssertionError("the stream ended")


def test_500_cuts_and_a_restart_at_full_rate_lose_and_double_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tape.db"
    writer = Writer(path, step=200_000_000)
    check(asyncio.run(asyncio.wait_for(cut_and_restarted(path, writer), 60)), writer)


def check(got: dict[str, list[StreamEvent]], writer: Writer) -> None:
    trades = got[TRADES]
    assert sorted(map(key, trades)) == list(range(1, writer.seq + 1))
    in_time = [key(event) for event in trades if not event.late]
    assert in_time == sorted(in_time)
    assert any(event.late for event in trades)
    for name, events in got.items():
        places = [tuple(int(part, 16) for part in event.cursor.split(".")) for event in events]
        assert places == sorted(set(places)), name
    minutes = [key(event) for event in got[MINUTES]]
    assert len(set(minutes)) == len(minutes) > 20
    assert len(got[FIVES]) > 3


def test_a_client_that_lags_is_given_everything_all_the_same(tmp_path: Path) -> None:
    async def main() -> None:
        writer = Writer(tmp_path / "tape.db")
        world = World(tmp_path / "tape.db")
        async with (
            served(world, ring_events=1_000) as url,
            aclosing(connect(url).stream(TRADES, after={TRADES: "1.0"})) as events,
        ):
            writer.trades(1)
            world.committed()
            seqs = [key(await anext(events))]
            while not world.registry.get_sample_value("gapless_stream_lagged_total"):
                writer.trades(1_000)
                world.committed()
                await asyncio.sleep(0.001)
            while len(seqs) < writer.seq:
                seqs.append(key(await anext(events)))
        assert seqs == list(range(1, writer.seq + 1))

    asyncio.run(asyncio.wait_for(main(), 30))


def test_events_are_typed_and_exact(tmp_path: Path) -> None:
    async def main() -> None:
        writer = Writer(tmp_path / "tape.db", step=10_000_000_000)
        world = World(tmp_path / "tape.db")
        async with (
            served(world) as url,
            aclosing(connect(url).stream(TRADES, MINUTES, "tickers", after={TRADES: "1.0", MINUTES: "1.0"})) as events,
        ):
            assert isinstance(await anext(events), TickerEvent)
            writer.trades(7)
            world.committed()
            first = await anext(events)
            assert isinstance(first, TradeEvent)
            assert (first.data.price, first.data.size) == (Decimal("50000.10"), Decimal("0.002"))
            assert first.data.time.timestamp() * 1_000_000_000 == writer.time_of(1)
            bar = [await anext(events) for _ in range(7)][-1]
            assert isinstance(bar, CandleEvent)
            assert (bar.data.close, bar.data.proof) == (Decimal("50000.50"), "partial")

    asyncio.run(main())


def test_what_is_left_out_of_trades_on_arrival_and_what_has_expired_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        writer = Writer(tmp_path / "tape.db")
        for _ in range(3):
            writer.trades(1)
        writer.store.connection.execute("DELETE FROM log WHERE number = 1")
        world = World(tmp_path / "tape.db")
        async with served(world) as url:
            async with aclosing(connect(url).stream(TRADES, after={TRADES: "1.0"})) as events:
                assert await anext(events) == Expired(TRADES, "2.0")
                assert [key(await anext(events)) for _ in range(2)] == [2, 3]
            async with aclosing(connect(url).stream(TRADES, fast=True)) as events:
                world.arriving.put_nowait([trade(seq, START) for seq in range(1, 10_003)])
                arrived = [await anext(events) for _ in range(10_001)]
                assert arrived[-1] == Lagged(TRADES, 10_001, 10_002)

    asyncio.run(main())


def test_mistakes_end_at_once_with_the_sentence_of_the_server(tmp_path: Path) -> None:
    async def main() -> None:
        Writer(tmp_path / "tape.db").trades(5)
        async with served(World(tmp_path / "tape.db"), token="s3cret") as url:
            client = connect(url, token="s3cret")
            for stream, after, words in [
                ("trades:binance:BTCUSTD", {}, "did you mean binance:BTCUSDT"),
                (TRADES, {TRADES: "soon"}, "is no cursor"),
                ("volumes", {}, "is no stream"),
            ]:
                with pytest.raises(BadInput, match=words):
                    await anext(client.stream(stream, after=after))
            with pytest.raises(BadInput, match="a token is required"):
                await anext(connect(url).stream(TRADES))
            with pytest.raises(BadInput, match="is no timeframe"):
                await client.candles(ID, "7x")
            with pytest.raises(UnknownName, match="did you mean binance:BTCUSDT"):
                await client.trades("binance:BTCUSTD")
            assert [row["seq"] for row in (await client.trades(ID, limit=2))["rows"]] == [4, 5]
        with pytest.raises(Unavailable, match="cannot be reached after 2 attempts"):
            await anext(connect(url).stream(TRADES, attempts=2))
        with pytest.raises(Unavailable, match="cannot be reached"):
            await client.get("instruments")
        with pytest.raises(BadInput, match="is no address of a gapless"):
            connect("127.0.0.1:8787")

    asyncio.run(main())


def test_a_signal_that_is_streamed_is_the_one_that_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "tape.db"
    writer = Writer(path)
    signal = Signal(kind="reversal", side=1, price="50000.10", score=7.5, values={"stop": "49999.00", "valid": True})
    judged = Judged(
        instrument=ID, minutes=5, start=START, judgement=0, state="found", revision=3, proof=Proof.PROVEN,
        signal=signal, known_at=START,
    )  # fmt: skip
    writer.store.commit(lambda tx: tx.put_signal(judged, late=False))

    async def first() -> StreamEvent:
        async with served(World(path)) as url, aclosing(connect(url).stream("signals", after={"signals": "1.0"})) as it:
            return await anext(it)

    event = asyncio.run(asyncio.wait_for(first(), 10))
    with open_market(str(path)) as market:
        (stored,) = market.signals()
    assert isinstance(event, SignalEvent)
    assert (event.data, event.late, event.data.price) == (stored, False, Decimal("50000.10"))


def test_a_footprint_that_is_streamed_is_the_one_that_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "tape.db"
    writer = Writer(path, step=1_000_000_000)
    for _ in range(10):
        writer.trades(40)
    stream = f"footprints:{ID}:1m"

    async def three() -> list[StreamEvent]:
        async with served(World(path)) as url, aclosing(connect(url).stream(stream, after={stream: "1.0"})) as it:
            return [await anext(it) for _ in range(3)]

    events = asyncio.run(asyncio.wait_for(three(), 10))
    with open_market(str(path)) as market:
        for event in events:
            assert isinstance(event, FootprintEvent)
            bar = market.footprint(ID, "1m", event.data.start, ticks_per_row=event.data.ticks_per_row)
            assert event.data == replace(bar, quality=None, sources=(), elapsed_ms=None, cvd=None, poc_naked=None)
            assert sum(row.bid + row.ask for row in event.data.rows) == event.data.volume > 0
