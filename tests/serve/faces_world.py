"""A small world for the faces: a real store, a writer that commits through `settle`, and a system around them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from gapless.collect.demand import Fetch
from gapless.derive.settle import Commit, Vouched, settle
from gapless.hub import Hub
from gapless.model import MINUTE, Bar, Candle, Evidence, Gap, Instrument, Quote, Tape, Ticker, Timeframe, Trade
from gapless.query.market import Market
from gapless.serve import ServeSettings, create_app, serve
from gapless.store.sqlite import SqliteStore

ID = "binance:BTCUSDT"
START = 1_767_787_200_000_000_000  # 2026-01-07T12:00Z
BTC = Instrument(
    venue="binance", symbol="BTCUSDT", base="BTC", quote="USDT", kind="perpetual", price_digits=2, size_digits=3,
    tick=10,
)  # fmt: skip
ETH = Instrument(
    venue="binance", symbol="ETHUSDT", base="ETH", quote="USDT", kind="perpetual", price_digits=2, size_digits=3,
    tick=1,
)  # fmt: skip
TICKER = Ticker(
    instrument=ID, time=START, last="50000.0", open="49000.0", high="51000.0", low="48000.0", volume="10.000",
    quote_volume="500000.0", change_percent="2.04", trades=7, first_id=1, last_id=7,
)  # fmt: skip
QUOTE = Quote(instrument=ID, update=1, time=START, bid="50000.0", bid_size="1.000", ask="50000.1", ask_size="2.000")


def trade(seq: int, time: int) -> Trade:
    return Trade(seq, time, 5_000_000 + seq % 50 * 10, 1 + seq % 7, 1 if seq % 3 else -1, 1, seq, time + 1_000)


class Writer:
    """Commits to a store as a collector would; ids begin at 1, `step` ns lie between two trades."""

    def __init__(self, path: Path, *, step: int = 10_000_000) -> None:
        self.store = SqliteStore(str(path))
        self.store.put_instrument(BTC)
        self.store.put_instrument(ETH)
        self.tape: Tape = self.store.open_tape(ID, "agg")
        self.step = step
        self.seq = 0
        self.known_at = START

    def time_of(self, seq: int) -> int:
        return START + seq * self.step

    def commit(self, **parts: Any) -> None:
        self.known_at += 1_000_000
        now = max(self.time_of(self.seq), START)
        commit = Commit(now=now, known_at=self.known_at, primary={ID: self.tape}, **parts)
        self.store.commit(partial(settle, commit=commit))

    def trades(self, count: int) -> None:
        """Commit the next trades, as the stream brings them."""
        first, self.seq = self.seq + 1, self.seq + count
        self.vouch(first, self.seq, Evidence.STREAM)

    def vouch(self, first: int, last: int, evidence: Evidence) -> None:
        rows = [trade(seq, self.time_of(seq)) for seq in range(first, last + 1)]
        self.commit(
            trades=[(self.tape, rows)],
            vouched=[Vouched(self.tape, first, last, evidence)],
            wanted=[(self.tape, first, last)],
        )

    def lose(self, count: int) -> Gap:
        """Skip ids, as a broken connection does, and name the hole."""
        gap = Gap(
            tape=self.tape.id, first=self.seq + 1, last=self.seq + count, opened=self.known_at, cause="disconnect"
        )
        self.seq += count
        self.commit(gaps=[(self.tape, gap)], wanted=[(self.tape, gap.first, gap.last)])
        return gap

    def repair(self, gap: Gap) -> None:
        self.vouch(gap.first, gap.last, Evidence.REST)

    def bar(self, start: int, close: int) -> None:
        """Commit the venue's own bar of a minute."""
        bars = self.store.open_tape(ID, "bars")
        bar = Bar(start, 5_000_000, 5_000_500, 4_999_000, close, 10, 50_000_000, 3, 4, 20_000_000)
        self.commit(bars=[(ID, [bar])], vouched=[Vouched(bars, start // MINUTE, start // MINUTE, Evidence.STREAM)])


class World:
    """The system that is served: reads the store, and hears of the writer's commits."""

    def __init__(self, path: Path) -> None:
        self.reader = SqliteStore(str(path), readonly=True)
        self.market = Market(SqliteStore(str(path), readonly=True))
        self.registry = CollectorRegistry()
        self.state = "ready"
        self.settled = 0
        self.arriving: asyncio.Queue[Sequence[Trade]] = asyncio.Queue()
        self.current = [TICKER]
        self.first: set[str] = set()
        self.hub = Hub(lambda name, subject, **fields: None)
        self._committed = asyncio.Event()

    def committed(self) -> None:
        """Say that somebody has committed."""
        self._committed.set()

    async def fetch(self, instrument: Instrument, spans: Any, *, trades: bool, wait: float) -> Fetch:
        return Fetch(state="refused", reason=f"{instrument.venue} is not collected by this run")

    async def wait_for_commit(self, known: int) -> int:
        while (newest := self.reader.log_span()[1]) <= known:
            self._committed.clear()
            await self._committed.wait()
        return newest

    def status(self) -> dict[str, Any]:
        return {"status": self.state, "uptime_s": 1.0, "connections": []}

    def health(self) -> dict[str, Any]:
        return {"status": self.state, "websocket_handler": True, "active_tickers": 1, "connections": "1/1 connected"}

    def budgets(self) -> list[dict[str, Any]]:
        return [{"host": "fapi.binance.com", "used": 10, "limit": 2_400}]

    def connections(self) -> list[dict[str, Any]]:
        return [{"id": "binance-1", "venue": "binance", "state": "live"}]

    def tickers(self) -> list[Ticker]:
        return self.current

    def quotes(self) -> list[Quote]:
        return [QUOTE]

    def book(self, instrument: str, depth: int) -> dict[str, Any] | None:
        if instrument != ID:
            return None
        return {"id": instrument, "bids": [["50000.0", "1.000"]][:depth], "asks": [["50000.1", "2.000"]][:depth]}

    async def settle(self) -> dict[str, Any]:
        self.settled += 1
        return {"tapes": 1, "missing": 0}

    async def rotate(self, connection: str | None) -> dict[str, Any]:
        return {"rotated": [connection], "failed": [], "seconds": 0.0}

    async def change(self, add: list[str], remove: list[str]) -> dict[str, Any]:
        return {"added": add, "removed": remove, "refused": []}

    def priority(self) -> list[str]:
        return sorted(self.first)

    def prioritise(self, add: list[str], remove: list[str]) -> dict[str, Any]:
        self.first = (self.first | {*add} & {ID}) - {*remove}
        return {"priority": self.priority(), "refused": [{"id": name, "reason": "no"} for name in {*add} - {ID}]}

    def emitted(self, number: int, tape: Tape, timeframe: Timeframe, start: int) -> Candle | None:
        return None

    async def fast_trades(self, instrument: str) -> AsyncIterator[Sequence[Trade]]:
        while True:
            yield await self.arriving.get()


@asynccontextmanager
async def served(world: World, *, listen: str = "127.0.0.1:0", **settings: Any) -> AsyncIterator[str]:
    """Serve a world on a real socket; gives the base address."""
    app = create_app(world, ServeSettings(**settings))
    loop = asyncio.get_running_loop()
    address: asyncio.Future[str] = loop.create_future()
    serving = asyncio.create_task(serve(app, [listen], ready=lambda urls: address.set_result(urls[0])))
    try:
        await asyncio.wait({serving, address}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        yield await address
    finally:
        serving.cancel()
        await asyncio.wait({serving})
