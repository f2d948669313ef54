"""Serves a store on a real socket in a thread, as `gapless run` does."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry

from gapless.collect.demand import Fetch
from gapless.hub import Hub
from gapless.model import Instrument, Quote, Ticker
from gapless.query.market import Market
from gapless.serve import ServeSettings, create_app, serve
from gapless.store.sqlite import SqliteStore

TICKER = Ticker(
    instrument="binance:TESTUSDT", time=1_767_787_200_000_000_000, last="1.02", open="1.00", high="1.03", low="0.99",
    volume="7.000", quote_volume="7.1", change_percent="2.00", trades=7, first_id=1, last_id=7,
)  # fmt: skip
QUOTE = Quote("binance:TESTUSDT", 5, 0, "1.01", "3.000", "1.02", "4.000")


class System:
    """The least that the routes of a reader need."""

    def __init__(self, path: str) -> None:
        self.reader = SqliteStore(path, readonly=True)
        self.market = Market(SqliteStore(path, readonly=True))
        self.registry = CollectorRegistry()
        self.hub = Hub(lambda name, subject, **fields: None)

    def tickers(self) -> list[Ticker]:
        return [TICKER]

    def quotes(self) -> list[Quote]:
        return [QUOTE]

    def book(self, instrument: str, depth: int) -> dict[str, Any] | None:
        return {"id": instrument, "bids": [["1.01", "3.000"]][:depth], "asks": [["1.02", "4.000"]][:depth]}

    async def fetch(self, instrument: Instrument, spans: Any, *, trades: bool, wait: float) -> Fetch:
        return Fetch(state="refused", reason=f"{instrument.venue} is not collected by this run")

    async def wait_for_commit(self, known: int) -> int:
        await asyncio.Event().wait()
        return known


@contextmanager
def served(path: str) -> Iterator[str]:
    """Serve a store; gives the base address."""
    address: list[str] = []
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def ready(urls: list[str]) -> None:
        address.append(urls[0])
        started.set()

    async def main() -> None:
        app = create_app(System(path), ServeSettings())
        serving = asyncio.create_task(serve(app, ["127.0.0.1:0"], ready=ready))
        await stop.wait()
        serving.cancel()
        await asyncio.wait({serving})

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    try:
        assert started.wait(10)
        yield address[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
