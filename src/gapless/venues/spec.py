"""The description that every venue fills in; the shell knows venues by this alone."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from gapless.errors import GaplessError
from gapless.model import Bar, Environment, Instrument, Quote, Tape, TapeKind, Ticker, Trade
from gapless.model.book import DepthDiff, DepthSnapshot
from gapless.model.instrument import Status

StreamKind = Literal["agg", "span", "trade", "bars", "ticker", "quote", "depth", "heartbeat", "status"]

Headers = tuple[tuple[str, str], ...]
"""Headers of HTTP as (name, value)."""

Mark = tuple[int, int]
"""A row that is held: its id and its time, ns UTC."""

Token = Callable[[], str | None]
"""Makes a token that counts once; None where nothing is signed."""


class Stream(Struct, frozen=True):
    """One subscription: its name, what it carries, and the group of connections it must be on.

    `instrument` is empty where it speaks of no single one: heartbeats of a whole connection, the state of all products.
    """

    name: str
    instrument: str
    kind: StreamKind
    group: str


class Control(Struct, frozen=True):
    """A reply to something we sent: `error` is None where it was accepted.

    It speaks of the streams `names` where the venue names them (those that were not asked for are passed over), else
    of all that the message `id` asked for.
    """

    id: int | None
    error: str | None
    names: tuple[str, ...] = ()


class Grouped(Struct):
    """The frames of a batch, decoded and laid out by stream name, each run in the order received.

    `numbers` are those that the venue gives the frames of a connection, in the order received; none where it does not.
    """

    runs: dict[str, list[Any]]
    controls: list[Control]
    notices: list[str]
    malformed: list[bytes]
    numbers: list[int] = []


class Beat(Struct, frozen=True, gc=False):
    """A heartbeat: the venue's time (ns UTC) and the newest execution id of its instrument, -1 where it tells none."""

    time: int
    last_id: int = -1


class Request(Struct, frozen=True):
    """A REST request with its price in the venue's currency; `keyed` asks for the API key header.

    `by_id` says that the reply holds the ids asked for, and where `backward` perhaps others before them and none after
    (of bars, others on either side); else it is the newest that there is, within the times of the rows held on either
    side. `headers` are sent with it.
    """

    url: str
    weight: int
    keyed: bool = False
    by_id: bool = True
    backward: bool = False
    headers: Headers = ()


class Ids(Struct, frozen=True, kw_only=True):
    """Ids of a tape that are asked for, with the rows that are held on either side, None where none is."""

    first: int
    last: int
    before: Mark | None = None
    after: Mark | None = None


class Page(Struct, frozen=True):
    """Trades of one REST answer. The venue vouches for ids `first` to `last` (None when it gave nothing)."""

    rows: list[Trade]
    first: int | None
    last: int | None


class Limits(Struct, frozen=True, kw_only=True):
    """What a venue allows. Times are ns of real time.

    Where it does not say how much one connection may carry, `products_per_connection` is what is usual.

    Of `weight_per_minute` at most `burst` leaves at once where that is set, and the rest evenly: as a bucket that
    fills. `connects_per_second` counts beside `connects_per_5m`. Ids of a kind in `consecutive` have no holes.
    `heartbeat` is how long a heartbeat may fail to come. Of a connection, at most `messages_per_hour` are taken. Bars
    of minutes in which nothing traded are left out where `empty_omitted`; history shows none but closed ones where
    `closed_bars`.
    """

    weight_per_minute: int
    burst: int | None = None
    streams_per_connection: int
    products_per_connection: int | None = None
    connects_per_5m: int
    connects_per_second: int | None = None
    messages_per_second: float
    messages_per_hour: int | None = None
    connection_life: int
    ping_every: int
    page_trades: int
    page_bars: int
    consecutive: frozenset[TapeKind]
    names_per_message: int = 100
    heartbeat: int = 5_000_000_000
    empty_omitted: bool = False
    closed_bars: bool = False
    recent_trades_window: int | None = None


class Hosts(Struct, frozen=True):
    """Where a venue lives in one environment: base addresses without a slash at the end.

    Every request to `rest` carries `headers`.
    """

    rest: str
    websocket: str
    archive: str | None
    headers: Headers = ()


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

    @property
    def kinds(self) -> frozenset[StreamKind]:
        """The kinds of events that are pushed of one instrument."""

    @property
    def ping(self) -> str | None:
        """The text that keeps a connection alive, answered by "pong"; None where protocol pings do."""

    def stream(self, instrument: Instrument, kind: StreamKind, channel: str = "") -> Stream:
        """Name the stream that carries a kind of event of an instrument; of several, the one that `channel` names."""

    def standing(self, group: str) -> list[Stream]:
        """List the streams that every connection of a group carries beside those of its instruments."""

    def url(self, hosts: Hosts, group: str) -> str:
        """Give the address of a connection of a group."""

    def subscribe(self, names: Sequence[str], request: int, token: Token) -> list[str]:
        """Write the messages that subscribe; where a venue takes tokens, each message is signed with one of its own."""

    def unsubscribe(self, names: Sequence[str], request: int, token: Token) -> list[str]:
        """Write the messages that unsubscribe."""

    def group(self, frames: Iterable[bytes]) -> Grouped:
        """Decode a batch of frames."""

    def trades(self, run: Sequence[Any], tape: Tape, received: int) -> list[Trade]:
        """Read a run of trade events; ids spent without a trade have price 0 and size 0."""

    def bars(self, run: Sequence[Any], tape: Tape) -> list[tuple[Bar, bool, int]]:
        """Read a run of bar events as (bar, closed, event time in ns)."""

    def ticker(self, event: Any, instrument: str) -> Ticker:
        """Read a ticker event."""

    def quote(self, event: Any, tape: Tape) -> Quote:
        """Read a best bid and ask of the instrument of a tape, with its unit of sizes."""

    def depth(self, event: Any, tape: Tape) -> DepthDiff | DepthSnapshot:
        """Read a change of the book, or the whole of it."""

    def beat(self, event: Any) -> Beat:
        """Read a heartbeat."""

    def statuses(self, event: Any) -> dict[str, Status]:
        """Read the state of products, by symbol."""


class History(Protocol):
    """What a venue answers by REST: requests with their price, and their replies."""

    @property
    def key_header(self) -> str:
        """The header that carries an API key."""

    @property
    def needs_key(self) -> bool:
        """Whether old single trades are refused without an API key."""

    def instruments_requests(self, hosts: Hosts) -> list[Request]:
        """Ask for all instruments."""

    def instruments(self, body: bytes) -> list[Instrument]:
        """Read the instruments of one reply."""

    def weight_limit(self, body: bytes) -> int | None:
        """Read the weight a minute that the venue announces among its instruments; None where it names none."""

    def time_request(self, hosts: Hosts) -> Request:
        """Ask for the venue's clock."""

    def time(self, body: bytes) -> int:
        """Read the venue's clock, ns UTC."""

    def trades_request(self, hosts: Hosts, tape: Tape, ids: Ids, *, keyed: bool) -> Request:
        """Ask for a page of trades that holds the first of some ids, or where the venue pages by time, the last."""

    def trades_page(self, body: bytes, tape: Tape, first: int | None, received: int) -> Page:
        """Read a page of trades that was asked for from id `first`, None where it was not asked for by id."""

    def trade_at_request(self, hosts: Hosts, tape: Tape, time: int) -> Request | None:
        """Ask where the first trade at or after a time lies, ns UTC; None where the venue cannot find by time."""

    def trade_at(self, body: bytes, tape: Tape, time: int) -> Mark | None:
        """Read the first trade at or after the time asked for: its id, and its time or, untold, the one asked for."""

    def bars_request(self, hosts: Hosts, symbol: str, start: int, end: int, now: int) -> Request:
        """Ask for the bars that begin in [start, end), ns UTC, at most a page; `now` is the venue's time, or 0."""

    def bars(self, body: bytes, tape: Tape) -> list[Bar]:
        """Read a page of bars, ascending; the last may still be forming, unless the limits say that all are closed."""

    def newest_request(self, hosts: Hosts, symbol: str) -> Request:
        """Ask, as cheaply as can be, for the newest execution id of a symbol."""

    def newest(self, body: bytes) -> tuple[int, int]:
        """Read the newest execution id, and the venue's time of it in ns."""

    def tickers_requests(self, hosts: Hosts) -> list[Request]:
        """Ask for the 24 h tickers of everything that trades."""

    def tickers(self, body: bytes) -> list[Ticker]:
        """Read the 24 h tickers of one reply."""

    def used_weight(self, headers: dict[str, str]) -> int | None:
        """Read from a reply how much of the budget is used in the current window."""

    def refusal(self, status: int, headers: dict[str, str], body: bytes, venue_now: int) -> GaplessError | None:
        """Say what is wrong with a reply; None when it is an answer. `venue_now` is ns UTC by the venue's clock."""


class Snapshots(Protocol):
    """Books that are begun by REST."""

    def depth_request(self, hosts: Hosts, symbol: str) -> Request:
        """Ask for a snapshot of the book."""

    def depth(self, body: bytes, tape: Tape) -> DepthSnapshot:
        """Read a snapshot of the book."""


class Archives(Protocol):
    """A venue's public files."""

    def url(self, hosts: Hosts, symbol: str, kind: TapeKind, day: int) -> str | None:
        """Give the address of the file of one UTC day (its start in ns); None where there is none."""

    def named(self, file: str) -> Archive | None:
        """Read what a file holds from its name; None when it is no archive file of this venue."""

    def instrument(self, symbol: str) -> Instrument:
        """Describe an instrument of which only the symbol is known, as people write it; its digits are 0."""

    def fields(self, lines: Iterable[bytes], kind: TapeKind) -> list[list[str]]:
        """Split the lines of a file into fields, without its header; `BadFile` when a line has too few."""

    def digits(self, rows: Sequence[Sequence[str]], kind: TapeKind) -> tuple[int, int]:
        """Count the digits that the prices and sizes of a file need."""

    def read(self, rows: Sequence[Sequence[str]], tape: Tape, received: int) -> ArchiveRows:
        """Read rows, sorted by id or time."""


class Key(Struct, frozen=True):
    """What signs for us at a venue: the name of a key, and the key itself."""

    name: str
    secret: str

    def __repr__(self) -> str:
        return f"Key({self.name!r})"


class Venue(Struct, frozen=True, kw_only=True):
    """One exchange. `hosts` gives the addresses of an environment, from `sim_url` where that is simulated.

    `tapes` are the names that the venue gives its streams of trades, with the kind of tape that each makes, the usual
    one first; `books` those of its streams of books, where there are several. `sign` makes a token at a time (ns UTC
    of this machine) that lives for `token_life` ns and counts once (`nonce`); None where the venue takes none. A venue
    without `snapshots` brings those of its books by stream. Each stream in `at_large` is carried by one connection: it
    speaks of all instruments. Where nobody knows whose side the venue's trades tell, `sides` are what can be set, the
    usual one first, and `telling` gives the venue that reads them so.
    """

    name: str
    limits: Limits
    tapes: dict[str, TapeKind]
    books: tuple[str, ...] = ()
    hosts: Callable[[Environment, str | None], Hosts]
    streams: Streams
    history: History
    archives: Archives
    snapshots: Snapshots | None = None
    sign: Callable[[Key, int, str], str] | None = None
    token_life: int = 0
    at_large: tuple[Stream, ...] = ()
    sides: tuple[str, ...] = ()
    telling: Callable[[str], "Venue"] | None = None
