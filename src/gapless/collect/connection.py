"""One connection to a venue, kept up: connect, subscribe, read, reconnect."""

import asyncio
import random
from collections.abc import Callable

from msgspec import Struct

from gapless.collect.pipeline import Pipeline
from gapless.errors import Unavailable
from gapless.model import SECOND
from gapless.ports import Clock, Socket, Sockets
from gapless.protocol.phases import Phase, Subscribed
from gapless.protocol.session import Action, Close, Probe, Send, Session, Watch
from gapless.venues.spec import Hosts, Stream

_FIRST_PAUSE = SECOND // 4
_LONGEST_PAUSE = 30 * SECOND
_TICK = SECOND // 4


class Hooks(Struct, frozen=True):
    """Whom a connection tells: of frames (for a recorder), of streams that may be silent, of noteworthy events."""

    record: Callable[[str, list[bytes], int], None]
    probe: Callable[["Connection", Stream], None]
    note: Callable[..., None]
    arrived: Callable[[], None]


class _Attempt:
    """What one socket tells; a socket that was left may still speak, and must not be taken for its successor."""

    def __init__(self, connection: "Connection", session: Session) -> None:
        self.over = asyncio.Event()
        self.session = session
        self._connection = connection

    def batch(self, frames: list[bytes], received: int) -> None:
        """Take the text frames of one wake-up."""
        self._connection.batch(frames, received, self.session)

    def closed(self, code: int, reason: str) -> None:
        """Learn that the socket is gone."""
        if not self.over.is_set():
            self._connection.closed(code, reason)
            self.over.set()


class Connection:
    """A group of streams on one socket. It reconnects at once, then with capped backoff and full jitter."""

    def __init__(
        self, name: str, group: str, streams: list[Stream], *, pipeline: Pipeline, hosts: Hosts, sockets: Sockets,
        clock: Clock, hooks: Hooks, watch: Watch,
    ) -> None:  # fmt: skip
        self.name = name
        self.group = group
        self.streams = streams
        self.connects = 0
        self.frames = 0
        self.malformed = 0
        self.rejected: dict[str, str] = {}
        self.last_close: tuple[int, str] | None = None
        self.opened_at = 0
        self._pipeline = pipeline
        self._venue = pipeline.venue
        self._url = self._venue.streams.url(hosts, group)
        self._sockets = sockets
        self._clock = clock
        self._hooks = hooks
        self._watch = watch
        self._socket: Socket | None = None
        self._paused = False
        self._attempt = self._new_attempt()

    def _new_attempt(self) -> _Attempt:
        streams = self._venue.streams
        session = Session(
            self.streams, subscribe=streams.subscribe, unsubscribe=streams.unsubscribe, watch=self._watch,
            flowed=self._pipeline.flowed,
        )  # fmt: skip
        return _Attempt(self, session)

    @property
    def session(self) -> Session:
        """The subscriptions of the socket that stands, or stood last."""
        return self._attempt.session

    @property
    def up(self) -> bool:
        """Whether the socket stands."""
        return self.session.phase is Phase.OPEN

    @property
    def live(self) -> int:
        """How many of its streams have delivered."""
        return sum(s.phase is Subscribed.LIVE for s in self.session.subscriptions.values())

    async def run(self) -> None:
        """Keep the connection up for ever."""
        failures = 0
        while True:
            began = self._clock.monotonic()
            try:
                await self._once()
            except Unavailable as error:
                self._hooks.note("connect_failed", self.name, error=str(error))
            failures = 0 if self._clock.monotonic() - began > 10 * SECOND else failures + 1
            if failures > 1:
                top = min(_FIRST_PAUSE * 2**failures, _LONGEST_PAUSE)
                # Jitter only spreads reconnects; nothing secret hangs on it.
                await self._clock.sleep(int(random.uniform(0, top)))  # noqa: S311

    async def _once(self) -> None:
        self._attempt = attempt = self._new_attempt()
        session, over = attempt.session, attempt.over
        try:
            socket = await self._sockets.connect(self._url, attempt)
            self._socket = socket
            self.connects += 1
            self.opened_at = self._clock.monotonic()
            self._hooks.note("connected", self.name, streams=len(self.streams))
            if self._paused:
                socket.pause()
            if not over.is_set():
                self._act(session.opened(self._clock.monotonic()))
            async with asyncio.TaskGroup() as group:
                ticking = group.create_task(self._tick(session))
                await over.wait()
                ticking.cancel()
        finally:
            session.closed()
            over.set()
            if self._socket is not None:
                leaving, self._socket = self._socket, None
                leaving.close(1000, "")

    async def _tick(self, session: Session) -> None:
        while True:
            await self._clock.sleep(_TICK)
            self._act(session.ticked(self._clock.monotonic()))

    def batch(self, frames: list[bytes], received: int, session: Session) -> None:
        """Take the frames of one wake-up of a socket with its session."""
        mono = self._clock.monotonic()
        self.frames += len(frames)
        self._hooks.record(self.name, frames, received)
        grouped = self._venue.streams.group(frames)
        if grouped.controls:
            for stream in session.replied(grouped.controls, mono):
                self.rejected[stream.name] = session.subscriptions[stream.name].reason
                self._hooks.note("rejected", self.name, stream=stream.name, reason=self.rejected[stream.name])
        for name, run in grouped.runs.items():
            session.delivered(name, len(run), mono)
        for raw in (*grouped.malformed, *self._pipeline.batch(grouped.runs, received, mono)):
            self.malformed += 1
            self._hooks.note("malformed", self.name, frame=raw[:2_000].decode(errors="replace"))
        self._hooks.arrived()

    def closed(self, code: int, reason: str) -> None:
        """Learn that the socket is gone."""
        self.last_close = (code, reason)
        self._hooks.note("disconnected", self.name, code=code, reason=reason)

    def silent(self, stream: Stream) -> None:
        """Learn from a probe that a stream is acknowledged and silent."""
        self._hooks.note("silent", self.name, stream=stream.name)
        self._act(self.session.silent(stream.name, self._clock.monotonic()))

    def pressed(self, *, pause: bool) -> None:
        """Pause or resume reading while the writer is behind."""
        self._paused = pause
        if self._socket is not None:
            (self._socket.pause if pause else self._socket.resume)()

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                if self._socket is not None:
                    self._socket.send(action.text)
            elif isinstance(action, Probe):
                self._hooks.probe(self, action.stream)
            elif isinstance(action, Close):
                self.last_close = (action.code, action.reason)
                self._hooks.note("closing", self.name, reason=action.reason)
                self._attempt.over.set()
