"""The Python push client: events of a running gapless, each once and in order, across cuts and restarts.

client = gapless.connect("http://127.0.0.1:8787")
async for event in client.stream("candles:binance:BTCUSDT:5m", "trades:binance:BTCUSDT"):
    print(event.data, event.cursor)  # keep the cursor, and `after={event.stream: event.cursor}` goes on there
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from datetime import datetime
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct, field

from gapless.errors import BadInput, CouldNot, Unavailable, UnknownName
from gapless.results import Signal, SourceSpan, Switch
from gapless.volumes import Footprint

log = logging.getLogger("gapless.client")
HEARTBEAT_S = 20.0
LONGEST_WAIT_S = 15.0
_ENCODE = msgspec.json.Encoder().encode
_WHY = {401: "a token is required", 403: "this origin is not allowed", 404: "there is no stream"}


def connect(url: str, *, token: str | None = None) -> "Client":
    """Give a client of the gapless that serves `url`; nothing is sent before something is asked."""
    if not url.startswith(("http://", "https://")):
        raise BadInput(f"{url!r} is no address of a gapless; allowed is http://HOST:PORT, as in http://127.0.0.1:8787")
    return Client(url.rstrip("/"), token)


def _wait(failures: int) -> float:
    """Give how long to wait: not at all after the first failure, then a random part of a growing, capped time."""
    if failures < 2:
        return 0.0
    return random.uniform(0, min(LONGEST_WAIT_S, 0.25 * 2.0 ** min(failures, 10)))  # noqa: S311


class TradeRow(Struct, frozen=True, omit_defaults=True):
    """A trade: `side` is the aggressor's (buy, sell, unknown), `fills` the executions that it stands for.

    One of a consolidated tape names its `source`, whose `seq` it has.
    """

    seq: int
    time: datetime
    price: Decimal
    size: Decimal
    side: str
    fills: int
    first_fill: int
    source: str | None = None


class CandleRow(Struct, frozen=True, omit_defaults=True):
    """A closed bar, as it stood at one revision; `proof` says how well it is proven.

    A consolidated one names its `source` where all of it came from one, and `sources` minute by minute.
    """

    start: datetime
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    volume: Decimal | None
    quote_volume: Decimal | None
    trades: int | None
    taker_buy_volume: Decimal | None
    taker_buy_quote_volume: Decimal | None
    state: str
    short: bool
    origin: str | None
    proof: str
    revision: int
    polled: bool = False
    source: str | None = None
    sources: tuple[SourceSpan, ...] = ()


class GapRow(Struct, frozen=True):
    """Ids of a tape that are not held: `state` is open, repaired or permanent."""

    instrument: str
    tape: str
    first: int
    last: int
    ids: int
    state: str
    cause: str
    reason: str
    opened: datetime
    closed: datetime | None


class TradeEvent(Struct, frozen=True, tag="trade"):
    """A trade; `late` when it was repaired after later ones. On arrival (`fast`) it has no cursor."""

    stream: str
    cursor: str | None
    data: TradeRow
    late: bool = False


class CandleEvent(Struct, frozen=True, tag="candle"):
    """A bar that closed, or (`late`) a closed one that was revised; its key is (start, revision).

    It has no cursor in a replay.
    """

    stream: str
    cursor: str | None
    data: CandleRow
    late: bool = False


class FootprintEvent(Struct, frozen=True, tag="footprint"):
    """The footprint of a bar whose trades are held whole; `late` when one came after that, or was repaired."""

    stream: str
    cursor: str
    data: Footprint
    late: bool = False


class SignalEvent(Struct, frozen=True, tag="signal"):
    """A signal that was found, or (`late`) confirmed or withdrawn when its data changed.

    It has no cursor in a replay.
    """

    stream: str
    cursor: str | None
    data: Signal
    late: bool = False


class GapEvent(Struct, frozen=True, tag="gap"):
    """A gap that was named, repaired or given up. It has no cursor as an event of an engine in this process."""

    stream: str
    cursor: str | None
    data: GapRow
    late: bool = False


class SwitchEvent(Struct, frozen=True, tag="switch"):
    """Another source of a consolidated instrument became active."""

    stream: str
    cursor: str
    data: Switch
    late: bool = False


class TickerEvent(Struct, frozen=True, tag="ticker"):
    """The newest 24 h ticker of an instrument; values between may have been left out."""

    stream: str
    data: dict[str, Any]


class QuoteEvent(Struct, frozen=True, tag="quote"):
    """The newest best bid and ask of an instrument; values between may have been left out."""

    stream: str
    data: dict[str, Any]


class BookEvent(Struct, frozen=True, tag="book"):
    """The newest order book of an instrument, best first; values between may have been left out."""

    stream: str
    data: dict[str, Any]


class Expired(Struct, frozen=True, tag="expired"):
    """The store no longer reaches back to the cursor: the stream goes on at `since`, and what lay before is lost."""

    stream: str
    since: str = field(name="from")


class Lagged(Struct, frozen=True, tag="lagged"):
    """Trades on arrival with the ids `since` to `until` were left out; streams with cursors resume by themselves."""

    stream: str
    since: str | int = field(name="from")
    until: str | int = field(name="to")


StreamEvent = (
    TradeEvent | CandleEvent | FootprintEvent | SignalEvent | GapEvent | SwitchEvent
    | TickerEvent | QuoteEvent | BookEvent | Expired | Lagged
)  # fmt: skip


class _Reply(Struct):
    id: int | str | None = None
    error: str | None = None
    streams: dict[str, str | None] = {}


_EVENTS = msgspec.json.Decoder(StreamEvent)
_REPLIES = msgspec.json.Decoder(_Reply)


class Client:
    """Asks and listens to a running gapless."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def stream(
        self, *streams: str, after: Mapping[str, str] | None = None, fast: bool = False, attempts: int | None = None
    ) -> AsyncGenerator[StreamEvent, None]:
        """Go through the events of streams, each after its cursor in `after` or from now on, for ever.

        A broken connection is opened again, the first time at once, then with growing random waits up to 15 s, and
        goes on where it was. `attempts` failures in a row raise `Unavailable` (None: never); a stream or cursor that
        is none raises `BadInput`. `fast` gives trades on arrival: sooner, but what a cut loses is lost.
        """
        place = _Place(streams, dict(after or {}), fast=fast)
        failures = 0
        async with aiohttp.ClientSession(headers=self._headers) as http:
            while True:
                try:
                    async with (
                        http.ws_connect(f"{self.url}/api/v1/stream", heartbeat=HEARTBEAT_S, max_msg_size=0) as socket,
                        aclosing(place.events(socket)) as events,
                    ):
                        async for event in events:
                            failures = 0
                            yield event
                    trouble = f"closed with code {socket.close_code}"
                except aiohttp.WSServerHandshakeError as error:
                    if error.status < 500:
                        why = _WHY.get(error.status, error.message)
                        raise BadInput(f"{self.url} refused the stream with HTTP {error.status}: {why}") from None
                    trouble = f"HTTP {error.status}"
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    trouble = str(error) or type(error).__name__
                failures += 1
                if attempts is not None and failures >= attempts:
                    raise Unavailable(
                        f"the stream of {self.url} cannot be reached after {failures} attempts: {trouble}"
                    )
                pause = _wait(failures)
                log.warning("the stream of %s is interrupted (%s); again in %.1f s", self.url, trouble, pause)
                await asyncio.sleep(pause)

    async def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """Ask a route of `/api/v1/`, such as `candles`, and give its answer; a mistake raises `BadInput`."""
        asked = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in parameters.items()
            if value is not None
        }
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers) as http,
                http.get(f"{self.url}/api/v1/{path}", params=asked) as reply,
            ):
                body: dict[str, Any] = msgspec.json.decode(await reply.read())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable(f"{self.url} cannot be reached: {error}") from error
        except msgspec.DecodeError as error:
            raise CouldNot(f"{self.url} did not answer as a gapless does") from error
        if reply.status != 200:
            kind = UnknownName if reply.status == 404 else BadInput if reply.status < 500 else CouldNot
            raise kind(str(body.get("error", f"HTTP {reply.status}")))
        return body

    async def candles(self, id: str, timeframe: str, **parameters: Any) -> dict[str, Any]:
        """Ask for candles: `last`, or `start` and `end`; `basis`, `live`, `grid`, `epoch`."""
        return await self.get("candles", id=id, timeframe=timeframe, **parameters)

    async def trades(self, id: str, **parameters: Any) -> dict[str, Any]:
        """Ask for trades: `start` and `end`, or `first`; `limit`, `received`, `epoch`."""
        return await self.get("trades", id=id, **parameters)


class _Place:
    """Where a client stands in its streams, across connections."""

    def __init__(self, streams: Iterable[str], cursors: dict[str, str], *, fast: bool) -> None:
        self._streams = list(streams)
        self._cursors = cursors
        self._fast = fast
        self._request = 0
        self._resuming: dict[str, int] = {}  # streams that lagged, with the request that takes them up again

    async def events(self, socket: aiohttp.ClientWebSocketResponse) -> AsyncGenerator[StreamEvent, None]:
        """Subscribe where we stand and give what comes, until the connection ends."""
        self._resuming.clear()
        await self._subscribe(socket, self._streams)
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            if message.data.startswith('{"id":'):
                self._answered(_REPLIES.decode(message.data))
                continue
            event = _EVENTS.decode(message.data)
            if event.stream in self._resuming:
                continue  # it comes again, in its place
            match event:
                case Lagged(since=str()):
                    self._resuming[event.stream] = await self._subscribe(socket, [event.stream])
                    continue
                case Expired():
                    self._cursors[event.stream] = event.since
                case (
                    TradeEvent(cursor=str() as cursor)
                    | CandleEvent(cursor=str() as cursor)
                    | FootprintEvent(cursor=cursor)
                    | SwitchEvent(cursor=cursor)
                    | SignalEvent(cursor=str() as cursor)
                    | GapEvent(cursor=str() as cursor)
                ):
                    self._cursors[event.stream] = cursor
            yield event

    async def _subscribe(self, socket: aiohttp.ClientWebSocketResponse, streams: list[str]) -> int:
        self._request += 1
        after = {name: self._cursors[name] for name in streams if name in self._cursors}
        request = {"op": "subscribe", "id": self._request, "streams": streams, "after": after, "fast": self._fast}
        await socket.send_str(_ENCODE(request).decode())
        return self._request

    def _answered(self, reply: _Reply) -> None:
        if reply.error is not None:
            raise BadInput(reply.error)
        for name, cursor in reply.streams.items():
            if self._resuming.get(name) == reply.id:
                del self._resuming[name]
            if cursor is not None:
                self._cursors.setdefault(name, cursor)
