"""What the faces need of the running system; the engine supplies it."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, Protocol

from prometheus_client import CollectorRegistry

from gapless.collect.demand import Fetch
from gapless.hub import Hub
from gapless.model import Candle, Instrument, Quote, Tape, Ticker, Timeframe, Trade
from gapless.ports import TapeReader
from gapless.query.market import Market


class System(Protocol):
    """The running system, as the faces see it.

    `market` and `reader` are called from one thread each, beside the loop; they are best two connections, so that a
    long answer does not hold up the streams. All else is called on the loop.
    """

    @property
    def market(self) -> Market:
        """The market over a store that is only read."""

    @property
    def reader(self) -> TapeReader:
        """The store that streams are read from."""

    @property
    def registry(self) -> CollectorRegistry:
        """The metrics of the process."""

    @property
    def hub(self) -> Hub:
        """What happens, as it happens."""

    def status(self) -> dict[str, Any]:
        """Give what `/system/status` answers."""

    def health(self) -> dict[str, Any]:
        """Give what `/health` answers; its `status` is starting, ready, degraded or dead."""

    def budgets(self) -> list[dict[str, Any]]:
        """List what was spent and what is left, by host."""

    def connections(self) -> list[dict[str, Any]]:
        """List the connections to venues."""

    def tickers(self) -> list[Ticker]:
        """List the newest ticker of every instrument; an unchanged one is the same object."""

    def quotes(self) -> list[Quote]:
        """List the newest best bid and ask of every instrument; an unchanged one is the same object."""

    def book(self, instrument: str, depth: int) -> dict[str, Any] | None:
        """Give the order book of an instrument to a depth, best first; None when none is kept."""

    async def fetch(self, instrument: Instrument, spans: list[tuple[int, int]], *, trades: bool, wait: float) -> Fetch:
        """Fetch bars, or trades, of some times (ns UTC) that are not held; waits at most `wait` seconds."""

    def source_health(self) -> dict[str, Any]:
        """Say in short whether the sources that are followed are healthy."""

    def sources(self) -> list[dict[str, Any]]:
        """List the venues as sources."""

    def active_source(self, symbol: str | None) -> dict[str, Any]:
        """Say which venue is followed since when, by most consolidated instruments or by one."""

    def consolidated(self) -> list[dict[str, Any]]:
        """List what is consolidated."""

    def price(self, symbol: str, resolution: str | None) -> dict[str, Any]:
        """Give one price of a consolidated instrument."""

    async def settle(self) -> dict[str, Any]:
        """Compare every tape's newest id with its venue and repair what is missing; may take minutes."""

    async def rotate(self, connection: str | None) -> dict[str, Any]:
        """Replace a connection to a venue, or all, by successors that overlap them by id."""

    async def change(self, add: list[str], remove: list[str]) -> dict[str, Any]:
        """Begin and end instruments while everything else goes on."""

    def priority(self) -> list[str]:
        """List the ids that come first."""

    def prioritise(self, add: list[str], remove: list[str]) -> dict[str, Any]:
        """Put instruments first, and others no longer: `priority` as it is then, `refused` with the reasons."""

    def wait_for_commit(self, known: int) -> Awaitable[int]:
        """Wait until the store holds a commit newer than `known`, by whichever process, and give the newest number."""

    def emitted(self, number: int, tape: Tape, timeframe: Timeframe, start: int) -> Candle | None:
        """Give a bar as a commit emitted it, None where it must be folded from the store; from any thread."""

    def fast_trades(self, instrument: str) -> AsyncIterator[Sequence[Trade]]:
        """Go through trades as they arrive, before they are committed, until cancelled."""
