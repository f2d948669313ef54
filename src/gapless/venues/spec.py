"""The description that every venue fills in; the shell knows venues by this alone."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from gapless.errors import GaplessError
from gapless.model import Bar, Environment, Instrument, Quote, Tape, TapeKind, Ticker, Trade
from gapless.model.book import DepthDiff, DepthSnapshot

StreamKind = Literal["agg", "trade", "bars", "ticker", "quote", "depth"]


class Stream(Struct, frozen=True):
    """One subscription: its name on the wire, what it carries, and the group of connections it must be on."""

    name: str
    instrument: str
    kind: StreamKind
    group: str


class Control(Struct, frozen=True):
    """A reply to something we sent: `id` says to what, `error` is None where it was accepted."""

    id: int | None
    error: str | None


class Grouped(Struct):
    """The frames of a batch, decoded and laid out by stream name, each run in the order received."""

    runs: dict[str, list[Any]]
    controls: list[Control]
    notices: list[str]
    malformed: list[bytes]


class Request(Struct, frozen=True):
    """A REST request with its price in the venue's currency; `keyed` asks for the API key header.

    `by_id` says that the reply begins at the id asked for; else it is the newest that there is.
    """

    url: str
    weight: int
    keyed: bool = False
    by_id: bool = True


class Page(Struct, frozen=True):
    """Trades of one REST answer. The venue vouches for ids `first` to `last` (None when it gave nothing)."""

    rows: list[Trade]
    first: int | None
    last: int | None


class Limits(Struct, frozen=True, kw_only=True):
    """What a venue allows. Times are ns of real time."""

    weight_per_minute: int
    streams_per_connection: int
    connects_per_5m: int
    messages_per_second: float
    connection_life: int
    ping_every: int
    page_trades: int
    page_bars: int
    consecutive: frozenset[TapeKind]
    recent_trades_window: int | None = None


class Hosts(Struct, frozen=True):
    """Where a venue lives in one environment: base addresses without a slash at the end."""

    rest: str
    websocket: str
    archive: str | None


class Archive(Struct, frozen=True):
    """What an archive file holds, by its name."""

    symbol: str
    kind: TapeKind
    resolution: int = 1


class ArchiveRows(Struct):
    """The rows of an archive file."""

    trades: list[Trade]
    bars: list[Bar]


class Streams(Protocol):
    """What a venue pushes: subscriptions and frames."""

    def stream(self, instrument: Instrument, kind: StreamKind) -> Stream:
        """Name the stream that carries a kind of event of an instrument."""

    def url(self, hosts: Hosts, group: str) -> str:
        """Give the address of a connection of a group."""

    def subscribe(self, names: Sequence[str], request: int) -> str:
        """Write the message that subscribes."""

    def unsubscribe(self, names: Sequence[str], request: int) -> str:
        """Write the message that unsubscribes."""

    def group(self, frames: Iterable[bytes]) -> Grouped:
        """Decode a batch of frames."""

    def trades(self, run: Sequence[Any], tape: Tape, received: int) -> list[Trade]:
        """Read a run of trade events; ids spent without a trade have price 0 and size 0."""

    def bars(self, run: Sequence[Any], tape: Tape) -> list[tuple[Bar, bool, int]]:
        """Read a run of bar events as (bar, closed, event time in ns)."""

    def ticker(self, event: Any, instrument: str) -> Ticker:
        """Read a ticker event."""

    def quote(self, event: Any, instrument: str) -> Quote:
        """Read a best bid and ask."""

    def depth(self, event: Any, tape: Tape) -> DepthDiff:
        """Read a change of the book."""


class History(Protocol):
    """What a venue answers by REST: requests with their price, and their replies."""

    @property
    def key_header(self) -> str:
        """The header that carries an API key."""

    @property
    def needs_key(self) -> bool:
        """Whether old single trades are refused without an API key."""

    def instruments_request(self, hosts: Hosts) -> Request:
        """Ask for all instruments."""

    def instruments(self, body: bytes) -> list[Instrument]:
        """Read all instruments."""

    def weight_limit(self, body: bytes) -> int | None:
        """Read the weight a minute that the venue announces among its instruments; None where it names none."""

    def time_request(self, hosts: Hosts) -> Request:
        """Ask for the venue's clock."""

    def time(self, body: bytes) -> int:
        """Read the venue's clock, ns UTC."""

    def trades_request(self, hosts: Hosts, tape: Tape, first: int, last: int, *, keyed: bool) -> Request:
        """Ask for trades from id `first` on; where the venue cannot page by id, for the newest."""

    def trades_page(self, body: bytes, tape: Tape, first: int | None, received: int) -> Page:
        """Read a page of trades that was asked for from id `first`, None where it was not asked for by id."""

    def trade_at_request(self, hosts: Hosts, tape: Tape, time: int) -> Request | None:
        """Ask for the first trade at or after a time, ns UTC; None where the venue cannot page by time."""

    def bars_request(self, hosts: Hosts, symbol: str, start: int, end: int) -> Request:
        """Ask for the bars that begin in [start, end), ns UTC, at most a page of them."""

    def bars(self, body: bytes, tape: Tape) -> list[Bar]:
        """Read a page of bars, ascending; the last may still be forming."""

    def newest_request(self, hosts: Hosts, symbol: str) -> Request:
        """Ask, as cheaply as can be, for the newest execution id of a symbol."""

    def newest(self, body: bytes) -> tuple[int, int]:
        """Read the newest execution id, and the venue's time of it in ns."""

    def tickers_request(self, hosts: Hosts) -> Request:
        """Ask for the 24 h tickers of everything that trades."""

    def tickers(self, body: bytes) -> list[Ticker]:
        """Read the 24 h tickers of everything that trades."""

    def depth_request(self, hosts: Hosts, symbol: str) -> Request:
        """Ask for a snapshot of the book."""

    def depth(self, body: bytes, tape: Tape) -> DepthSnapshot:
        """Read a snapshot of the book."""

    def used_weight(self, headers: dict[str, str]) -> int | None:
        """Read from a reply how much of the budget is used in the current window."""

    def refusal(self, status: int, headers: dict[str, str], body: bytes, venue_now: int) -> GaplessError | None:
        """Say what is wrong with a reply; None when it is an answer. `venue_now` is ns UTC by the venue's clock."""


class Archives(Protocol):
    """A venue's public files."""

    def url(self, hosts: Hosts, symbol: str, kind: TapeKind, day: int) -> str | None:
        """Give the address of the file of one UTC day (its start in ns); None where there is none."""

    def named(self, file: str) -> Archive | None:
        """Read what a file holds from its name; None when it is no archive file of this venue."""

    def instrument(self, symbol: str) -> Instrument:
        """Describe an instrument of which only the symbol is known; its digits are 0."""

    def fields(self, lines: Iterable[bytes], kind: TapeKind) -> list[list[str]]:
        """Split the lines of a file into fields, without its header; `BadFile` when a line has too few."""

    def digits(self, rows: Sequence[Sequence[str]], kind: TapeKind) -> tuple[int, int]:
        """Count the digits that the prices and sizes of a file need."""

    def read(self, rows: Sequence[Sequence[str]], tape: Tape, received: int) -> ArchiveRows:
        """Read rows, sorted by id or time."""


class Venue(Struct, frozen=True):
    """One exchange. `hosts` gives the addresses of an environment, from `sim_url` where that is simulated."""

    name: str
    limits: Limits
    hosts: Callable[[Environment, str | None], Hosts]
    streams: Streams
    history: History
    archives: Archives
