"""The newest stretch of the log, read once after each commit and rendered once a stream, for all clients."""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from gapless.query.events import Cursor, Event
from gapless.query.feed import Step, Stream, events_of, now, step_after
from gapless.serve.settings import ServeSettings
from gapless.serve.system import System
from gapless.serve.thread import ReadingThread

_ENCODE = msgspec.json.Encoder().encode
_LOGGED = {
    "trades": "trades", "candles": "candle", "footprints": "candle", "signals": "signal", "gaps": "gap",
}  # fmt: skip


_MIXED = {"consolidated": ("trades", "candle"), "switches": ()}  # of several sources, whichever they are


def _line(stream: Stream, event: Event) -> "Line":
    shown = {
        "stream": stream.name,
        "cursor": event.cursor.text,
        "type": event.type,
        "late": event.late,
        "data": event.data,
    }
    return Line(stream.name, event.cursor, _ENCODE(shown).decode())


class Line(Struct, frozen=True, gc=False):
    """An event as it is sent; `cursor` is the place after it."""

    stream: str
    cursor: Cursor
    text: str


class RingStep:
    """A step of the log with what was rendered of it so far, by the name of the stream."""

    __slots__ = ("bytes", "in_ring", "lines", "step", "subjects")

    def __init__(self, step: Step) -> None:
        self.step = step
        self.lines: dict[str, Sequence[Line]] = {}
        self.subjects = {(entry.kind, entry.instrument) for entry in step.entries}
        self.bytes = 0
        self.in_ring = False

    def touches(self, stream: Stream) -> bool:
        """Say whether something in the step may concern a stream."""
        if stream.kind in _MIXED:
            return any(subject[0] == "switch" or subject[0] in _MIXED[stream.kind] for subject in self.subjects)
        kind = _LOGGED[stream.kind]
        if stream.instrument is None:
            return any(subject[0] == kind for subject in self.subjects)
        return (kind, stream.instrument) in self.subjects


class Ring:
    """Keeps the newest steps of the log, at most `ring_events` and `ring_bytes` of them, oldest dropped first.

    What has left it is read again from the store, for the one client that asks.
    """

    def __init__(self, system: System, settings: ServeSettings) -> None:
        self.clients: set[asyncio.Event] = set()
        self.head = Cursor(0, 0)
        self._system = system
        self._settings = settings
        self._thread = ReadingThread("streams")
        self._steps: deque[RingStep] = deque()
        self._events = self._bytes = 0

    async def newest(self) -> Cursor:
        """Give the cursor after everything that is committed by now."""
        return await self._thread.run(now, self._system.reader)

    async def begin(self) -> None:
        """Begin after everything that is committed; nobody is served before."""
        self.head = await self.newest()

    async def follow(self) -> None:
        """Read the log after each commit, for ever, and wake the clients."""
        known = self.head.number - 1
        while True:
            known = await self._system.wait_for_commit(known)
            while step := await self._thread.run(step_after, self._system.reader, self.head):
                self._append(RingStep(step))
                for client in self.clients:
                    client.set()

    def after(self, cursor: Cursor) -> RingStep | None:
        """Give the step that goes on from a cursor; None where it has left the ring, or nothing came since."""
        steps = self._steps
        if not steps or cursor < steps[0].step.begin or cursor >= self.head:
            return None
        return steps[bisect_right(steps, cursor, key=lambda kept: kept.step.until)]

    async def read(self, cursor: Cursor) -> RingStep | None:
        """Read the step that goes on from a cursor for one client, from the store."""
        step = await self._thread.run(step_after, self._system.reader, cursor)
        return RingStep(step) if step else None

    async def lines(self, kept: RingStep, streams: Sequence[Stream]) -> Sequence[Line]:
        """Give the events of a step for some streams, in commit order; each stream is rendered once for all."""
        mine = [stream for stream in streams if kept.touches(stream)]
        absent = [stream for stream in mine if stream.name not in kept.lines]
        if absent:
            self._keep(kept, await self._thread.run(self._render, kept.step, absent))
        found = [kept.lines[stream.name] for stream in mine]
        if len(found) == 1:
            return found[0]
        return sorted((line for lines in found for line in lines), key=lambda line: line.cursor)

    def _render(self, step: Step, streams: Iterable[Stream]) -> dict[str, list[Line]]:
        reader, emitted = self._system.reader, self._system.emitted
        return {
            stream.name: [_line(stream, event) for event in events_of(reader, step, stream, emitted=emitted)]
            for stream in streams
        }

    def _keep(self, kept: RingStep, rendered: dict[str, list[Line]]) -> None:
        fresh = {name: lines for name, lines in rendered.items() if name not in kept.lines}
        size = sum(len(line.text) for lines in fresh.values() for line in lines)
        kept.lines.update(fresh)
        kept.bytes += size
        if kept.in_ring:
            self._bytes += size
            self._trim()

    def _append(self, kept: RingStep) -> None:
        kept.in_ring = True
        self._steps.append(kept)
        self._events += kept.step.items
        self.head = kept.step.until
        self._trim()

    def _trim(self) -> None:
        settings = self._settings
        while len(self._steps) > 1 and (self._events > settings.ring_events or self._bytes > settings.ring_bytes):
            old = self._steps.popleft()
            old.in_ring = False
            self._events -= old.step.items
            self._bytes -= old.bytes

    def close(self) -> None:
        """Let the thread end."""
        self._thread.close()
