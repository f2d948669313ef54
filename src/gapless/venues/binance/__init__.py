"""Binance: USD-M futures (`binance:`) and spot (`binance-spot:`), one folder with two tables."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from gapless.errors import GaplessError
from gapless.model import Bar, Environment, Instrument, Quote, Tape, TapeKind, Ticker, Trade
from gapless.model.book import DepthDiff, DepthSnapshot
from gapless.model.instrument import Status
from gapless.venues.addresses import hosts_of
from gapless.venues.binance import archive, history, parse, symbols
from gapless.venues.binance.limits import SPOT, USDM, Market
from gapless.venues.spec import (
    Archive,
    ArchiveRows,
    Beat,
    Grouped,
    Hosts,
    Ids,
    Mark,
    Page,
    Request,
    Stream,
    StreamKind,
    Token,
    Venue,
)


class BinanceStreams(Struct, frozen=True):
    """What one of the two markets pushes."""

    market: Market

    @property
    def kinds(self) -> frozenset[StreamKind]:
        """The kinds of events that are pushed at all."""
        return frozenset(symbols.SUFFIX)

    @property
    def ping(self) -> str | None:
        """Protocol pings keep a connection alive."""
        return None

    def standing(self, group: str) -> list[Stream]:
        """A connection carries what was asked for and nothing else."""
        return []

    def stream(self, instrument: Instrument, kind: StreamKind, channel: str = "") -> Stream:
        """Name the stream that carries a kind of event of an instrument."""
        return symbols.stream(instrument, kind, self.market)

    def url(self, hosts: Hosts, group: str) -> str:
        """Give the address of a connection of a group: the combined form, which names every frame's stream."""
        return hosts.websocket + self.market.routes[group]

    def subscribe(self, names: Sequence[str], request: int, token: Token) -> list[str]:
        """Write the message that subscribes."""
        return [_control("SUBSCRIBE", names, request)]

    def unsubscribe(self, names: Sequence[str], request: int, token: Token) -> list[str]:
        """Write the message that unsubscribes."""
        return [_control("UNSUBSCRIBE", names, request)]

    def group(self, frames: Iterable[bytes]) -> Grouped:
        """Decode a batch of frames."""
        return parse.group(frames)

    def trades(self, run: Sequence[Any], tape: Tape, received: int) -> list[Trade]:
        """Read a run of trade events."""
        return parse.trades(run, tape, received, self.market.padded)

    def bars(self, run: Sequence[Any], tape: Tape) -> list[tuple[Bar, bool, int]]:
        """Read a run of kline events."""
        return parse.bars(run, tape)

    def ticker(self, event: Any, instrument: str) -> Ticker:
        """Read a ticker event."""
        return parse.ticker(event, instrument)

    def quote(self, event: Any, tape: Tape) -> Quote:
        """Read a best bid and ask."""
        return parse.quote(event, tape.instrument)

    def depth(self, event: Any, tape: Tape) -> DepthDiff:
        """Read a change of the book."""
        return parse.depth(event, tape)

    def beat(self, event: Any) -> Beat:
        """There are no heartbeats."""
        raise TypeError(f"{event!r} is no event of {self.market.name}")

    def statuses(self, event: Any) -> dict[str, Status]:
        """There is no stream of them."""
        raise TypeError(f"{event!r} is no event of {self.market.name}")


class BinanceHistory(Struct, frozen=True):
    """What one of the two markets answers by REST."""

    market: Market

    @property
    def key_header(self) -> str:
        """The header that carries an API key."""
        return "X-MBX-APIKEY"

    @property
    def needs_key(self) -> bool:
        """Whether old single trades are refused without an API key: on USD-M, not on spot."""
        return not self.market.recent_keyless

    def instruments_requests(self, hosts: Hosts) -> list[Request]:
        """Ask for all instruments."""
        return [history.request(hosts, self.market, "exchangeInfo", self.market.info_weight)]

    def instruments(self, body: bytes) -> list[Instrument]:
        """Read all instruments."""
        return symbols.instruments(body, self.market)

    def weight_limit(self, body: bytes) -> int | None:
        """Read the weight a minute that exchangeInfo announces."""
        return history.weight_limit(body)

    def time_request(self, hosts: Hosts) -> Request:
        """Ask for the venue's clock."""
        return history.request(hosts, self.market, "time", 1)

    def time(self, body: bytes) -> int:
        """Read the venue's clock."""
        return history.server_time(body)

    def trades_request(self, hosts: Hosts, tape: Tape, ids: Ids, *, keyed: bool) -> Request:
        """Ask for trades from id `ids.first` on."""
        return history.trades_request(hosts, self.market, tape, ids.first, ids.last, keyed=keyed)

    def trades_page(self, body: bytes, tape: Tape, first: int | None, received: int) -> Page:
        """Read a page of trades."""
        return history.trades_page(body, tape, first, received)

    def trade_at_request(self, hosts: Hosts, tape: Tape, time: int) -> Request | None:
        """Ask for the first aggregate at or after a time."""
        return history.trade_at_request(hosts, self.market, tape, time)

    def trade_at(self, body: bytes, tape: Tape, time: int) -> Mark | None:
        """Read the first aggregate at or after a time."""
        return history.trade_at(body)

    def bars_request(self, hosts: Hosts, symbol: str, start: int, end: int, now: int) -> Request:
        """Ask for 1m bars."""
        return history.bars_request(hosts, self.market, symbol, start, end)

    def bars(self, body: bytes, tape: Tape) -> list[Bar]:
        """Read a page of bars."""
        return history.bars(body, tape)

    def newest_request(self, hosts: Hosts, symbol: str) -> Request:
        """Ask for the newest execution id."""
        return history.newest_request(hosts, self.market, symbol)

    def newest(self, body: bytes) -> tuple[int, int]:
        """Read the newest execution id and its time."""
        return history.newest(body)

    def tickers_requests(self, hosts: Hosts) -> list[Request]:
        """Ask for all 24 h tickers."""
        return [history.request(hosts, self.market, "ticker/24hr", self.market.tickers_weight)]

    def tickers(self, body: bytes) -> list[Ticker]:
        """Read all 24 h tickers."""
        return history.tickers(body, self.market)

    def depth_request(self, hosts: Hosts, symbol: str) -> Request:
        """Ask for a snapshot of the book."""
        return history.depth_request(hosts, self.market, symbol)

    def depth(self, body: bytes, tape: Tape) -> DepthSnapshot:
        """Read a snapshot of the book."""
        return history.depth_snapshot(body, tape, self.market)

    def used_weight(self, headers: dict[str, str]) -> int | None:
        """Read the weight used in the current UTC minute."""
        return history.used_weight(headers)

    def refusal(self, status: int, headers: dict[str, str], body: bytes, venue_now: int) -> GaplessError | None:
        """Say what is wrong with a reply."""
        return history.refusal(status, headers, body, venue_now)


class BinanceArchives(Struct, frozen=True):
    """The public daily files of one of the two markets."""

    market: Market

    def url(self, hosts: Hosts, symbol: str, kind: TapeKind, day: int) -> str | None:
        """Give the address of the file of one UTC day."""
        return archive.url(hosts, self.market, symbol, kind, day)

    def named(self, file: str) -> Archive | None:
        """Read what a file holds from its name."""
        return archive.named(file)

    def instrument(self, symbol: str) -> Instrument:
        """Describe an instrument of which only the symbol is known."""
        return symbols.bare(symbol, self.market)

    def fields(self, lines: Iterable[bytes], kind: TapeKind) -> list[list[str]]:
        """Split the lines of a file into fields."""
        return archive.fields(lines, kind)

    def digits(self, rows: Sequence[Sequence[str]], kind: TapeKind) -> tuple[int, int]:
        """Count the digits of a file."""
        return archive.digits(rows, kind)

    def read(self, rows: Sequence[Sequence[str]], tape: Tape, received: int) -> ArchiveRows:
        """Read rows."""
        return archive.read(rows, tape, received)


def _control(method: str, names: Sequence[str], request: int) -> str:
    return msgspec.json.encode({"method": method, "params": list(names), "id": request}).decode()


def _venue(market: Market) -> Venue:
    def hosts(environment: Environment, sim_url: str | None) -> Hosts:
        return hosts_of(market.name, market.hosts, environment, sim_url, archive=True)

    answers = BinanceHistory(market)
    return Venue(
        name=market.name, limits=market.limits, tapes={"aggTrade": "agg", "trade": "trade"}, hosts=hosts,
        streams=BinanceStreams(market), history=answers, archives=BinanceArchives(market), snapshots=answers,
    )  # fmt: skip


VENUES = (_venue(USDM), _venue(SPOT))
