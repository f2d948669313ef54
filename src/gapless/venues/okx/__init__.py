"""OKX: spot, swaps and dated futures, one venue."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from gapless.errors import GaplessError
from gapless.model import Bar, Environment, Instrument, Quote, Tape, Ticker, Trade
from gapless.model.book import DepthDiff, DepthSnapshot
from gapless.model.instrument import Status
from gapless.venues.addresses import hosts_of
from gapless.venues.okx import history, parse, symbols
from gapless.venues.okx.limits import CHANNELS, HOSTS, LIMITS, PATHS, TYPES
from gapless.venues.spec import Beat, Grouped, Hosts, Ids, Mark, Page, Request, Stream, StreamKind, Token, Venue
from gapless.venues.unarchived import Unarchived


class OkxStreams(Struct, frozen=True):
    """What OKX pushes."""

    @property
    def kinds(self) -> frozenset[StreamKind]:
        """The kinds of events that are pushed at all."""
        return frozenset(CHANNELS)

    @property
    def ping(self) -> str | None:
        """The text that keeps a connection alive: half a minute without a word ends it."""
        return "ping"

    def standing(self, group: str) -> list[Stream]:
        """A connection carries what was asked for and nothing else."""
        return []

    def stream(self, instrument: Instrument, kind: StreamKind, channel: str = "") -> Stream:
        """Name the stream that carries a kind of event of an instrument."""
        return symbols.stream(instrument, kind, channel)

    def url(self, hosts: Hosts, group: str) -> str:
        """Give the address of a connection of a group."""
        return hosts.websocket + PATHS[group]

    def subscribe(self, names: Sequence[str], request: int, token: Token) -> list[str]:
        """Write the message that subscribes."""
        return [_operation("subscribe", names, request)]

    def unsubscribe(self, names: Sequence[str], request: int, token: Token) -> list[str]:
        """Write the message that unsubscribes."""
        return [_operation("unsubscribe", names, request)]

    def group(self, frames: Iterable[bytes]) -> Grouped:
        """Decode a batch of frames."""
        return parse.group(frames)

    def trades(self, run: Sequence[Any], tape: Tape, received: int) -> list[Trade]:
        """Read a run of trade events."""
        return parse.trades(run, tape, received)

    def bars(self, run: Sequence[Any], tape: Tape) -> list[tuple[Bar, bool, int]]:
        """Read a run of candles."""
        return parse.bars(run, tape)

    def ticker(self, event: Any, instrument: str) -> Ticker:
        """Read a ticker event."""
        return parse.ticker(event, instrument)

    def quote(self, event: Any, tape: Tape) -> Quote:
        """Read a best bid and ask."""
        return parse.quote(event, tape)

    def depth(self, event: Any, tape: Tape) -> DepthDiff | DepthSnapshot:
        """Read a change of the book, or the whole of it."""
        return parse.depth(event, tape)

    def beat(self, event: Any) -> Beat:
        """There are no heartbeats."""
        raise TypeError(f"{event!r} is no event of {symbols.NAME}")

    def statuses(self, event: Any) -> dict[str, Status]:
        """Read the state of an instrument."""
        return parse.statuses(event)


class OkxHistory(Struct, frozen=True):
    """What OKX answers by REST."""

    @property
    def key_header(self) -> str:
        """No key is ever asked for."""
        return ""

    @property
    def needs_key(self) -> bool:
        """Old trades are given to anybody."""
        return False

    def instruments_requests(self, hosts: Hosts) -> list[Request]:
        """Ask for all instruments, type by type."""
        return [history.request(hosts, "public/instruments", instType=kind) for kind in TYPES]

    def instruments(self, body: bytes) -> list[Instrument]:
        """Read the instruments of a type."""
        return symbols.instruments(body)

    def weight_limit(self, body: bytes) -> int | None:
        """No limit is announced."""
        return None

    def time_request(self, hosts: Hosts) -> Request:
        """Ask for the venue's clock."""
        return history.request(hosts, "public/time")

    def time(self, body: bytes) -> int:
        """Read the venue's clock."""
        return history.server_time(body)

    def trades_request(self, hosts: Hosts, tape: Tape, ids: Ids, *, keyed: bool) -> Request:
        """Ask for a page of trades that holds the first of some ids."""
        return history.trades_request(hosts, tape, ids)

    def trades_page(self, body: bytes, tape: Tape, first: int | None, received: int) -> Page:
        """Read a page of trades."""
        return history.trades_page(body, tape, first, received)

    def trade_at_request(self, hosts: Hosts, tape: Tape, time: int) -> Request | None:
        """Ask for the last trade before a time."""
        return history.trade_at_request(hosts, tape, time)

    def trade_at(self, body: bytes, tape: Tape, time: int) -> Mark | None:
        """Read which id follows the last trade before a time."""
        return history.trade_at(body, time)

    def bars_request(self, hosts: Hosts, symbol: str, start: int, end: int, now: int) -> Request:
        """Ask for 1m bars."""
        return history.bars_request(hosts, symbol, start, end, now)

    def bars(self, body: bytes, tape: Tape) -> list[Bar]:
        """Read a page of closed bars."""
        return history.bars(body, tape)

    def newest_request(self, hosts: Hosts, symbol: str) -> Request:
        """Ask for the newest trade."""
        return history.newest_request(hosts, symbol)

    def newest(self, body: bytes) -> tuple[int, int]:
        """Read the newest execution id and its time."""
        return history.newest(body)

    def tickers_requests(self, hosts: Hosts) -> list[Request]:
        """Ask for all 24 h tickers, type by type."""
        return [history.request(hosts, "market/tickers", instType=kind) for kind in TYPES]

    def tickers(self, body: bytes) -> list[Ticker]:
        """Read the 24 h tickers of a type."""
        return history.tickers(body)

    def used_weight(self, headers: dict[str, str]) -> int | None:
        """Nothing tells what of the limits is used."""
        return None

    def refusal(self, status: int, headers: dict[str, str], body: bytes, venue_now: int) -> GaplessError | None:
        """Say what is wrong with a reply."""
        return history.refusal(status, body)


def _operation(operation: str, names: Sequence[str], request: int) -> str:
    message = {"id": str(request), "op": operation, "args": [symbols.argument(name) for name in names]}
    return msgspec.json.encode(message).decode()


def _hosts(environment: Environment, sim_url: str | None) -> Hosts:
    return hosts_of(symbols.NAME, HOSTS, environment, sim_url, archive=False)


VENUES = (
    Venue(
        name=symbols.NAME, limits=LIMITS, tapes={"trades-all": "trade", "trades": "span"}, books=("books", "books5"),
        hosts=_hosts, streams=OkxStreams(), history=OkxHistory(), archives=Unarchived(symbols.NAME),
        at_large=symbols.LISTED,
    ),
)  # fmt: skip
