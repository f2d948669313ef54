"""Listens to streams on the route of each family, and keeps what the checks need."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from gapless.errors import BadNumber
from gapless.model import MS, SECOND, Instrument, Tape, TapeKind, Ticker, Trade
from gapless.ports import Clock, Socket, Sockets
from gapless.protocol.session import TRADES
from gapless.venues.spec import Hosts, Stream, StreamKind, Venue

_FAMILIES: tuple[StreamKind, ...] = ("agg", "trade", "span", "bars", "ticker", "quote", "depth")
_NAMES = 100  # of one message
_LOOK = 50 * MS


def families(venue: Venue) -> list[StreamKind]:
    """List the kinds of streams of instruments that a venue pushes."""
    return [kind for kind in _FAMILIES if kind in venue.streams.kinds]


def tape_kind(venue: Venue) -> TapeKind:
    """Give the kind of the tape that a venue's trades usually make."""
    return next(iter(venue.tapes.values()))


class Ear(Struct):
    """What was heard of one stream; `asked_at`, `at` and `newest_at` are monotonic ns, `venue_time` is ns UTC."""

    stream: Stream
    tape: Tape
    asked_at: int
    events: int = 0
    at: int | None = None
    venue_time: int = 0
    newest_at: int = 0
    malformed: int = 0
    acknowledged: bool = False
    rejected: str = ""
    trades: list[Trade] = field(default_factory=list)
    ticker: Ticker | None = None

    def take(self, venue: Venue, run: Sequence[Any], received: int, mono: int) -> None:
        """Read a run of events."""
        try:
            times = self._read(venue, run, received)
        except (BadNumber, TypeError, ValueError, AttributeError, msgspec.DecodeError):
            self.malformed += len(run)
            return
        self.events += len(run)
        self.at = self.at or mono
        if times and max(times) > self.venue_time:
            self.venue_time, self.newest_at = max(times), mono

    def _read(self, venue: Venue, run: Sequence[Any], received: int) -> list[int]:
        streams, kind = venue.streams, self.stream.kind
        if kind in TRADES:
            rows = streams.trades(run, self.tape, received)
            self.trades += rows
            return [row.time for row in rows]
        if kind == "bars":
            return [at for _, _, at in streams.bars(run, self.tape)]
        if kind == "ticker":
            self.ticker = streams.ticker(run[-1], self.stream.instrument)
            return [self.ticker.time]
        if kind == "quote":
            return [streams.quote(event, self.tape).time for event in run]
        return [streams.depth(event, self.tape).time for event in run]


class _Wire:
    """One connection: its socket and the ears on it."""

    def __init__(self, venue: Venue, clock: Clock) -> None:
        self.ears: dict[str, Ear] = {}
        self.asked: dict[int, list[str]] = {}
        self.socket: Socket | None = None
        self.closed_with: tuple[int, str] | None = None
        self.malformed = 0
        self._venue = venue
        self._clock = clock

    def batch(self, frames: list[bytes], received: int) -> None:
        """Take the frames of one wake-up."""
        mono = self._clock.monotonic()
        grouped = self._venue.streams.group(frames)
        self.malformed += len(grouped.malformed)
        for control in grouped.controls:
            for name in control.names or self.asked.get(control.id or 0, ()):
                if name not in self.ears:
                    continue
                self.ears[name].acknowledged = control.error is None
                self.ears[name].rejected = control.error or ""
        for name, run in grouped.runs.items():
            if name in self.ears:
                self.ears[name].take(self._venue, run, received, mono)

    def closed(self, code: int, reason: str) -> None:
        """Learn that the connection is over."""
        self.closed_with = (code, reason)

    def pinged(self) -> None:
        """Nothing hangs on pings here."""

    def ponged(self) -> None:
        """Nothing hangs on pongs here."""


class Listening:
    """Connections for listening alone, one a route; leave it to close them."""

    def __init__(self, venue: Venue, hosts: Hosts, sockets: Sockets, clock: Clock) -> None:
        self.venue = venue
        self._hosts = hosts
        self._sockets = sockets
        self._clock = clock
        self._wires: dict[str, _Wire] = {}
        self._requests = 0

    async def __aenter__(self) -> "Listening":
        return self

    async def __aexit__(self, *error: object) -> None:
        for wire in self._wires.values():
            if wire.socket is not None and wire.closed_with is None:
                wire.socket.close(1000, "")

    def url(self, group: str) -> str:
        """Give the address of a group."""
        return self.venue.streams.url(self._hosts, group)

    async def subscribe(self, instruments: Sequence[Instrument], kinds: Sequence[StreamKind]) -> list[Ear]:
        """Subscribe families of instruments, each on its own route and with its own message."""
        made = []
        for kind in kinds:
            made += await self.add([self.venue.streams.stream(one, kind) for one in instruments], instruments)
        return made

    async def add(self, streams: Sequence[Stream], instruments: Sequence[Instrument]) -> list[Ear]:
        """Subscribe streams of one kind, one of each instrument, on the route that they name."""
        ears = []
        for stream, one in zip(streams, instruments, strict=True):
            kind: Any = stream.kind if stream.kind in (*TRADES, "bars") else tape_kind(self.venue)
            ears.append(Ear(stream, one.scale(kind), 0))
        wire = await self._wire(streams[0].group)
        assert wire.socket is not None
        for at in range(0, len(ears), _NAMES):
            some = ears[at : at + _NAMES]
            names = [ear.stream.name for ear in some]
            self._requests += 1
            wire.ears |= dict(zip(names, some, strict=True))
            wire.asked[self._requests] = names
            for ear in some:
                ear.asked_at = self._clock.monotonic()
            for text in self.venue.streams.subscribe(names, self._requests, lambda: None):
                wire.socket.send(text)
            await self._clock.sleep(int(SECOND / self.venue.limits.messages_per_second))
        return ears

    async def elsewhere(self, ear: Ear, instrument: Instrument, group: str) -> Ear:
        """Subscribe a stream on the route of another group."""
        return (await self.add([replace(ear.stream, group=group)], [instrument]))[0]

    async def _wire(self, group: str) -> _Wire:
        wire = self._wires.get(group)
        if wire is None:
            wire = self._wires[group] = _Wire(self.venue, self._clock)
            wire.socket = await self._sockets.connect(self.url(group), wire, self.venue.streams.ping)
        return wire

    def broken(self) -> dict[str, str]:
        """Say which connections the venue has ended, and how."""
        said = {group: wire.closed_with for group, wire in self._wires.items()}
        return {group: f"{end[0]} {end[1]}".strip() for group, end in said.items() if end}

    @property
    def malformed(self) -> int:
        """How many frames could not be read."""
        return sum(wire.malformed + sum(ear.malformed for ear in wire.ears.values()) for wire in self._wires.values())

    async def hear(self, ears: Sequence[Ear], seconds: float) -> bool:
        """Wait until every one of some streams has spoken, at most so long."""
        end = self._clock.monotonic() + int(seconds * SECOND)
        while not all(ear.events for ear in ears):
            if self._clock.monotonic() >= end or len(self.broken()) == len(self._wires):
                return False
            await self._clock.sleep(_LOOK)
        return True
