"""What a simulated venue says of itself: the description that each venue folder fills in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gapless.sim.bars import Bar
from gapless.sim.connection import BACKLOG, Connection
from gapless.sim.events import Event
from gapless.sim.faults.script import Entry
from gapless.sim.limits import Limits, Verdict
from gapless.sim.market import Market, Symbol
from gapless.sim.rows import Ints
from gapless.sim.streams import Source, Stream

if TYPE_CHECKING:
    from gapless.sim.hub import Hub

Params = Mapping[str, str]


@dataclass(slots=True)
class Reply:
    """One REST reply as it goes out."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """What the venue answers instead of what was asked for."""

    def __init__(self, reply: Reply) -> None:
        """Takes the whole reply."""
        super().__init__(reply.body.decode())
        self.reply = reply


@dataclass(slots=True)
class Ask:
    """One request: its path, parameters and headers, the market instant it is answered for, true server time.

    `split` asks to cut a page between two rows of one millisecond; who does so sets `did_split`. `told` are headers
    that the endpoint adds to its reply.
    """

    path: str
    params: Params
    headers: Params
    now: int
    server_ms: int
    split: bool = False
    did_split: bool = False
    told: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One REST endpoint: what a request costs, and the text that answers it (raises Refusal)."""

    family: str  # what a fault file calls it
    cost: Callable[[Params], int]
    answer: Callable[[Ask], str]
    data: bool = False  # lags behind the stream when such a fault stands
    clock: bool = False  # tells the server's time
    page: bool = False  # a page of trades, which may be split
    day: bool = False  # needs the tickers of a day
    bucket: Callable[[Params], str] | None = None  # what a request is counted under, if not its family


class Markets(Protocol):
    """The markets that the venue can play."""

    def synthetic(self, seed: int, instruments: int, at_ms: int | None) -> Market:
        """Builds a synthetic market."""
        ...

    def captured(self, paths: Sequence[Path]) -> Market:
        """Reads recordings; raises SimError where it can read none."""
        ...

    def listable(self, name: str) -> str | None:
        """Returns what is wrong with the name of an instrument to be listed, or None."""
        ...


class Streams(Protocol):
    """The streams of the venue and the form of their frames."""

    def parse(self, text: str) -> Stream:
        """Takes a stream name apart."""
        ...

    def delivers(self, stream: Stream, connection: Connection) -> bool:
        """Tells whether a connection is sent a stream that it subscribed."""
        ...

    def source(self, stream: Stream, market: Market) -> Source | None:
        """Returns the source of a stream, or None when the market has nothing for it: acknowledged, and silent."""
        ...

    def encoded(self, event: Event, connection: Connection) -> bytes:
        """Returns the frame of an event for a connection; called once for each event and subscriber, in order.

        A frame that is the same for all is made once (Event.encoded); what counts the frames of its connection is
        counted here, so that a frame that is dropped afterwards leaves a hole in the count.
        """
        ...

    def malformed(self, event: Event, connection: Connection) -> bytes:
        """Returns a frame of an event that is no JSON."""
        ...


@dataclass(frozen=True, slots=True)
class Opening:
    """A connection that the venue accepts: its route, its form, and the streams that its address names."""

    route: str = ""
    combined: bool = False
    streams: Sequence[str] = ()


class Sockets(Protocol):
    """The WebSocket side of the venue: where it listens, what it understands, when it hangs up."""

    paths: tuple[str, ...]  # as aiohttp writes routes
    attempts: tuple[int, float]  # handshakes that an address may begin, within how many seconds

    def opened(self, path: str, query: Params) -> Opening | Reply:
        """Accepts a handshake, or refuses it."""
        ...

    def allowed(self, connection: Connection, now: float) -> bool:
        """Counts an incoming frame of any kind at monotonic `now`; False when it was one too many, and hung up."""
        ...

    def received(self, hub: Hub, connection: Connection, text: str) -> None:
        """Carries out a text message and answers it."""
        ...

    def upkeep(self, hub: Hub, connection: Connection, now: float) -> None:
        """Pings, announces and hangs up what is due at monotonic `now`; called a few times a second."""
        ...

    def notice(self, connection: Connection, market_ms: int) -> None:
        """Tells a connection that it will be closed."""
        ...


class Rest(Protocol):
    """The REST side of the venue."""

    def find(self, path: str) -> Endpoint | None:
        """Returns the endpoint of a path."""
        ...

    def missing(self) -> Reply:
        """Answers a path that does not exist."""
        ...

    def headers(self, who: str, arrived: float) -> dict[str, str]:
        """Returns the headers of every reply to an address; `arrived` is wall time in seconds."""
        ...

    def reply(self, body: str) -> Reply:
        """Wraps the body of a success."""
        ...

    def refused(self, who: str, verdict: Verdict, entry: Entry | None, arrived: float) -> Reply | None:
        """Answers what the limiter refuses or a fault strikes; None: the request goes on."""
        ...

    def spoilt(self, endpoint: Endpoint, ask: Ask, body: str) -> tuple[str, str | None]:
        """Returns the page to serve, and how it is wrong if such a fault is due."""
        ...

    def archive(self, path: str, now: int) -> bytes | None:
        """Returns a published file, or None; called in a thread. Served below /data/ where `archives` says so."""
        ...


@dataclass(frozen=True, slots=True)
class SimVenue:
    """One simulated venue."""

    name: str
    markets: Markets
    streams: Streams
    sockets: Sockets
    rest: Callable[[Hub, str], Rest]  # takes the API key that is accepted
    limiter: Limits
    faults: tuple[str, ...]  # the kinds that the protocol has
    rest_path: str  # where people find it
    socket_paths: tuple[str, ...]
    archives: bool = False
    agg_ids: bool = True  # aggregates have ids of their own
    keyed: bool = False  # some endpoint asks for the API key
    flat_bars: bool = True  # a minute without trades has a bar, at the former price
    batch_ms: int = 1  # play ends at a multiple of it, so that no batch stays unsent
    folds: bool = False  # no closed bars are streamed: whole minutes of the trades sent are a truth of their own
    instants: Callable[[str, Ints], Ints] | None = None  # times (name, ms) in us, where the venue tells them so finely
    # what a closed bar tells beside its prices, if not all: volume in base units, quote volume, trades, what takers
    # bought of both; None for what it leaves out
    sums: Callable[[Symbol, str, Bar], list[Any]] | None = None
    buffer_bytes: int = BACKLOG  # what may pile up for a client that does not read; more ends its connection
