"""What the serving side sees of an engine."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING, Any

from gapless.adapters import open_store
from gapless.changing import change, prioritise, priority, rotate
from gapless.collect.demand import Demand, Fetch
from gapless.model import Candle, Instrument, Quote, Tape, Ticker, Timeframe, Trade
from gapless.model.times import parse_duration
from gapless.ports import TapeReader, TapeStore
from gapless.query.market import Market

if TYPE_CHECKING:
    from gapless.engine import Engine


class Faces:
    """Answers what HTTP and the stream ask; the reader and the market are read-only."""

    def __init__(self, engine: "Engine", answers: TapeReader, reader: TapeReader) -> None:
        self.market = Market(answers, tail=lambda name: engine.tail(answers.instrument(name)))
        self.reader = reader
        self.registry = engine.status.registry
        self.hub = engine.hub
        self._engine = engine
        within = parse_duration(engine.settings.collect.fetch_at_most)
        self.demand = Demand([one.supply() for one in engine.collectors], self._opened, at_most=within)

    def _opened(self) -> AbstractContextManager[TapeStore]:
        """Open a connection of its own for a fetch; a store in memory has only the one."""
        store = self._engine.store
        if store.path == ":memory:":
            return nullcontext(store)
        return closing(open_store(store.path, environment=store.environment()))

    async def fetch(self, instrument: Instrument, spans: list[tuple[int, int]], *, trades: bool, wait: float) -> Fetch:
        """Fetch what is not held of some times."""
        return await self.demand.fetch(instrument, spans, trades=trades, wait=wait)

    def status(self) -> dict[str, Any]:
        """Say everything."""
        return self._engine.status.report()

    def health(self) -> dict[str, Any]:
        """Say in short whether data comes."""
        return self._engine.status.health()

    def budgets(self) -> list[dict[str, Any]]:
        """List the budgets."""
        return self._engine.status.budgets()

    def connections(self) -> list[dict[str, Any]]:
        """List the connections."""
        return self._engine.status.connections()

    def tickers(self) -> list[Ticker]:
        """List the newest tickers."""
        return [ticker for c in self._engine.collectors for ticker in c.pipeline.tickers.values()]

    def quotes(self) -> list[Quote]:
        """List the newest best bids and asks."""
        return [quote for c in self._engine.collectors for quote in c.pipeline.quotes.values()]

    def book(self, instrument: str, depth: int) -> dict[str, Any] | None:
        """Give the top of a full order book; None where it is not kept."""
        return next((top for c in self._engine.collectors if (top := c.books.top(instrument, depth))), None)

    def source_health(self) -> dict[str, Any]:
        """Say in short whether the sources that are followed are healthy."""
        return self._engine.sourcing.health()

    def sources(self) -> list[dict[str, Any]]:
        """List the venues as sources."""
        return self._engine.sourcing.sources()

    def active_source(self, symbol: str | None) -> dict[str, Any]:
        """Say which venue is followed since when, by most consolidated instruments or by one."""
        return self._engine.sourcing.active_source(symbol)

    def consolidated(self) -> list[dict[str, Any]]:
        """List what is consolidated."""
        return self._engine.sourcing.rows()

    def price(self, symbol: str, resolution: str | None) -> dict[str, Any]:
        """Give one price of a consolidated instrument."""
        return self._engine.sourcing.price(symbol, resolution)

    async def settle(self) -> dict[str, Any]:
        """Compare every tape with the venue and wait until no hole is left."""
        return await self._engine.settle()

    async def rotate(self, connection: str | None) -> dict[str, Any]:
        """Replace a connection to a venue, or all."""
        return await rotate(self._engine, connection)

    async def change(self, add: list[str], remove: list[str]) -> dict[str, Any]:
        """Begin and end instruments."""
        return await change(self._engine, add, remove)

    def priority(self) -> list[str]:
        """List the ids that come first."""
        return priority(self._engine)

    def prioritise(self, add: list[str], remove: list[str]) -> dict[str, Any]:
        """Put instruments first, and others no longer."""
        return prioritise(self._engine, add, remove)

    async def wait_for_commit(self, known: int) -> int:
        """Wait for a commit newer than `known`."""
        return await self._engine.wait_for_commit(known)

    def emitted(self, number: int, tape: Tape, timeframe: Timeframe, start: int) -> Candle | None:
        """Give a bar as a commit emitted it, where that is not long ago."""
        return self._engine.hot.emitted(number, tape, timeframe, start)

    def fast_trades(self, instrument: str) -> AsyncIterator[list[Trade]]:
        """Give trades on arrival, before they are committed."""
        return self._engine.announcer.fast_trades(instrument)
