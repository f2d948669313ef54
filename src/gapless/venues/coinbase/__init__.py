"""Coinbase: the Exchange (`coinbase:`) and Advanced Trade (`coinbase-advanced:`), one folder with two tables."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from gapless.errors import GaplessError
from gapless.model import Bar, Instrument, Quote, Tape, Ticker, Trade
from gapless.model.book import DepthDiff, DepthSnapshot
from gapless.model.instrument import Status
from gapless.venues.addresses import hosts_of
from gapless.venues.coinbase import history, parse, symbols
from gapless.venues.coinbase.limits import SIDES, TOKEN_LIFE
from gapless.venues.coinbase.surfaces import EXCHANGE_SURFACE, Surface, advanced_surface
from gapless.venues.coinbase.token import sign
from gapless.venues.spec import Beat, Grouped, Hosts, Ids, Mark, Page, Request, Stream, StreamKind, Token, Venue
from gapless.venues.unarchived import Unarchived


class CoinbaseStreams(Struct, frozen=True):
    """What one of the two surfaces pushes."""

    surface: Surface

    @property
    def kinds(self) -> frozenset[StreamKind]:
        """The kinds of events that are pushed of one product; best bid and ask come with the tickers."""
        return frozenset(self.surface.channels) - {"status", *self.surface.standing}

    @property
    def ping(self) -> str | None:
        """Protocol pings keep a connection alive."""
        return None

    def standing(self, group: str) -> list[Stream]:
        """List the streams that every connection of a group carries beside those of its instruments."""
        return [symbols.at_large(kind, group, self.surface.channels) for kind in self.surface.standing]

    def stream(self, instrument: Instrument, kind: StreamKind, channel: str = "") -> Stream:
        """Name the stream that carries a kind of event of an instrument."""
        return symbols.stream(instrument, kind, self.surface.channels)

    def url(self, hosts: Hosts, group: str) -> str:
        """Give the address, which is the same for all."""
        return hosts.websocket

    def subscribe(self, names: Sequence[str], request: int, token: Token) -> list[str]:
        """Write the messages that subscribe."""
        return self.surface.write("subscribe", names, token)

    def unsubscribe(self, names: Sequence[str], request: int, token: Token) -> list[str]:
        """Write the messages that unsubscribe."""
        return self.surface.write("unsubscribe", names, token)

    def group(self, frames: Iterable[bytes]) -> Grouped:
        """Decode a batch of frames."""
        return self.surface.group(frames)

    def trades(self, run: Sequence[Any], tape: Tape, received: int) -> list[Trade]:
        """Read a run of trades."""
        return self.surface.trades(run, tape, received)

    def bars(self, run: Sequence[Any], tape: Tape) -> list[tuple[Bar, bool, int]]:
        """There is no stream of one minute's bars."""
        raise TypeError(f"{self.surface.name} pushes no bars of {tape.name}")

    def ticker(self, event: Any, instrument: str) -> Ticker:
        """Read a ticker event."""
        return self.surface.ticker(event, instrument)

    def quote(self, event: Any, tape: Tape) -> Quote:
        """There is no stream of best bids and asks alone."""
        raise TypeError(f"{self.surface.name} pushes no quotes of {tape.instrument}")

    def depth(self, event: Any, tape: Tape) -> DepthDiff | DepthSnapshot:
        """Read a change of the book, or the whole of it."""
        return self.surface.depth(event, tape)

    def beat(self, event: Any) -> Beat:
        """Read a heartbeat."""
        return parse.beat(event)

    def statuses(self, event: Any) -> dict[str, Status]:
        """Read the state of products."""
        return parse.statuses(event)


class CoinbaseHistory(Struct, frozen=True):
    """What one of the two surfaces answers by REST."""

    surface: Surface

    @property
    def key_header(self) -> str:
        """No request takes a key."""
        return ""

    @property
    def needs_key(self) -> bool:
        """Old trades are given to anybody."""
        return False

    def instruments_requests(self, hosts: Hosts) -> list[Request]:
        """Ask for all products."""
        return [history.request(hosts, self.surface.products)]

    def instruments(self, body: bytes) -> list[Instrument]:
        """Read all products."""
        return self.surface.read_products(body, self.surface.name)

    def weight_limit(self, body: bytes) -> int | None:
        """Nothing is announced."""
        return None

    def time_request(self, hosts: Hosts) -> Request:
        """Ask for the venue's clock."""
        return history.request(hosts, self.surface.time)

    def time(self, body: bytes) -> int:
        """Read the venue's clock."""
        return self.surface.read_time(body)

    def trades_request(self, hosts: Hosts, tape: Tape, ids: Ids, *, keyed: bool) -> Request:
        """Ask for a page of trades: by id on the Exchange, by time on Advanced Trade."""
        return self.surface.trades_request(hosts, tape, ids)

    def trades_page(self, body: bytes, tape: Tape, first: int | None, received: int) -> Page:
        """Read a page of trades."""
        return self.surface.page(body, tape, first, received)

    def trade_at_request(self, hosts: Hosts, tape: Tape, time: int) -> Request | None:
        """No one request finds a trade by its time."""
        return None

    def trade_at(self, body: bytes, tape: Tape, time: int) -> Mark | None:
        """No one request finds a trade by its time."""
        return None

    def bars_request(self, hosts: Hosts, symbol: str, start: int, end: int, now: int) -> Request:
        """Ask for 1m bars."""
        return self.surface.bars_request(hosts, symbol, start, end)

    def bars(self, body: bytes, tape: Tape) -> list[Bar]:
        """Read a page of bars."""
        return self.surface.bars(body, tape)

    def newest_request(self, hosts: Hosts, symbol: str) -> Request:
        """Ask for the newest trade."""
        return history.request(hosts, self.surface.newest.format(symbol))

    def newest(self, body: bytes) -> tuple[int, int]:
        """Read the newest trade's id and time."""
        return self.surface.read_newest(body)

    def tickers_requests(self, hosts: Hosts) -> list[Request]:
        """Ask for the day of all products."""
        return [history.request(hosts, self.surface.tickers)]

    def tickers(self, body: bytes) -> list[Ticker]:
        """Read the day of all products."""
        return self.surface.read_tickers(body, self.surface.name)

    def used_weight(self, headers: dict[str, str]) -> int | None:
        """Nothing is told that counts by the minute."""
        return None

    def refusal(self, status: int, headers: dict[str, str], body: bytes, venue_now: int) -> GaplessError | None:
        """Say what is wrong with a reply."""
        return history.refusal(status, body)


def _venue(surface: Surface, **more: Any) -> Venue:
    return Venue(
        name=surface.name, limits=surface.limits, tapes=surface.tapes,
        hosts=partial(hosts_of, surface.name, surface.hosts, archive=False), streams=CoinbaseStreams(surface),
        history=CoinbaseHistory(surface), archives=Unarchived(surface.name),
        at_large=(symbols.at_large("status", "market", surface.channels),), **more,
    )  # fmt: skip


def _advanced(sides: str) -> Venue:
    return _venue(advanced_surface(sides), sign=sign, token_life=TOKEN_LIFE, sides=SIDES, telling=_advanced)


VENUES = (_venue(EXCHANGE_SURFACE), _advanced(SIDES[0]))
