"""One client of the stream: its requests, its streams, and the one task that sends to it."""

import asyncio
from asyncio import Queue, Task, TaskGroup
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from gapless.errors import BadInput, GaplessError
from gapless.query.events import Cursor
from gapless.query.feed import STEP, Stream, parse_cursor, parse_stream
from gapless.query.market import Market
from gapless.serve.faces import Faces
from gapless.serve.fast import FastTrades
from gapless.serve.newest import NewestStream, parse_newest
from gapless.serve.requests import Ping, Subscribe, Unsubscribe, done, failed, id_of, notice, read_request

AnyStream = Stream | NewestStream | FastTrades
_BREATH = 32  # messages after which the loop may do something else
_REQUESTS = 16  # that wait; a client that sends more is not read until some are obeyed


class Subscription(Struct):
    """A stream with a cursor, and the place up to which its client was given everything."""

    stream: Stream
    cursor: Cursor


class Session:
    """Serves one client. One task sends and obeys, so that a request takes effect between two messages.

    Streams with cursors are read from the client's own place in the log, from the ring or, behind it, from the
    store; there is no queue that could overflow. A client that was up to date and fell out of the ring is told
    `lagged` and goes on at the newest commit; one that resumes reads from the store at its own pace.
    """

    def __init__(self, faces: Faces, send: Callable[[str], Awaitable[None]], tasks: TaskGroup) -> None:
        self.woken = asyncio.Event()
        self._faces = faces
        self._write = send
        self._tasks = tasks
        self._requests: Queue[str] = Queue(_REQUESTS)
        self._logged: dict[str, Subscription] = {}
        self._newest: dict[str, NewestStream] = {}
        self._fast: dict[str, tuple[FastTrades, Task[None]]] = {}
        self._up_to_date = True
        self._look_at = 0.0
        self._sent = 0

    async def asked(self, text: str) -> None:
        """Take a request of the client."""
        await self._requests.put(text)
        self.woken.set()

    async def run(self) -> None:
        """Send, until cancelled or the client is gone."""
        while True:
            self.woken.clear()
            while not self._requests.empty():
                await self._obey(self._requests.get_nowait())
            await self._send_newest()
            more = await self._send_fast()
            if not await self._send_logged() and not more:
                await self._wait()

    async def _wait(self) -> None:
        delay = self._faces.settings.newest_every_ms / 1_000 if self._newest else None
        try:
            async with asyncio.timeout(delay):
                await self.woken.wait()
        except TimeoutError:
            return

    async def _send(self, lines: Sequence[str]) -> None:
        for line in lines:
            await self._write(line)
            self._sent += 1
            if self._sent % _BREATH == 0:
                await asyncio.sleep(0)
        self._faces.metrics.events.inc(len(lines))

    async def _obey(self, text: str) -> None:
        try:
            request = read_request(text)
            match request:
                case Ping():
                    answer = done(request.id)
                case Subscribe():
                    answer = done(request.id, streams=await self._subscribe(request))
                case Unsubscribe():
                    answer = done(request.id, streams=self._unsubscribe(request.streams))
        except GaplessError as error:
            answer = failed(id_of(text), str(error))
        await self._write(answer)

    async def _subscribe(self, request: Subscribe) -> dict[str, str | None]:
        """Begin streams, all or none of them; give the cursor that each begins at."""
        if stray := request.after.keys() - set(request.streams):
            raise BadInput(f"after: {min(stray)!r} is none of the streams of this request")
        after = {name: await self._placed(name, text) for name, text in request.after.items()}
        names = list(dict.fromkeys(request.streams))
        most = self._faces.settings.most_streams
        if len({*names, *self._logged, *self._newest, *self._fast}) > most:
            raise BadInput(f"a connection may have {most} streams; open another one")
        parsed = await self._faces.ask(_parse, names, fast=request.fast)
        cursors: dict[str, str | None] = {}
        for stream in parsed:
            self._end(stream.name)
            cursors[stream.name] = self._begin(stream, after.get(stream.name))
        return cursors

    async def _placed(self, name: str, text: str) -> Cursor:
        """Read the cursor that a stream is to begin at."""
        try:
            cursor = parse_cursor(text)
        except BadInput as error:
            raise BadInput(f"after: {name}: {error}") from error
        if cursor > self._faces.ring.head and cursor > await self._faces.ring.newest():
            raise BadInput(f"after: {name}: {text!r} lies beyond everything that this store holds")
        return cursor

    def _begin(self, stream: AnyStream, after: Cursor | None) -> str | None:
        match stream:
            case NewestStream():
                self._newest[stream.name] = stream
                self._look_at = 0.0
                return None
            case FastTrades():
                following = self._tasks.create_task(stream.follow(self._faces.system, self.woken.set))
                self._fast[stream.name] = (stream, following)
                return None
        cursor = self._faces.ring.head if after is None else after
        self._logged[stream.name] = Subscription(stream, cursor)
        self._up_to_date = self._up_to_date and cursor >= self._faces.ring.head
        return cursor.text

    def _unsubscribe(self, names: list[str]) -> dict[str, str | None]:
        unknown = [name for name in names if name not in self._logged | self._newest | self._fast]
        if unknown:
            raise BadInput(f"{unknown[0]!r} is not subscribed")
        return {name: self._end(name) for name in names}

    def _end(self, name: str) -> str | None:
        """End a stream; give the cursor at which it may be taken up again."""
        self._newest.pop(name, None)
        if name in self._fast:
            self._fast.pop(name)[1].cancel()
        known = self._logged.pop(name, None)
        return known.cursor.text if known else None

    async def _send_newest(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self._newest or now < self._look_at:
            return
        self._look_at = now + self._faces.settings.newest_every_ms / 1_000
        for stream in self._newest.values():
            await self._send(list(stream.changes(self._faces.system)))

    async def _send_fast(self) -> bool:
        sent = 0
        for stream, _ in list(self._fast.values()):
            lines = stream.taken(STEP)
            sent += len(lines)
            await self._send(lines)
        return sent > 0

    async def _send_logged(self) -> bool:
        """Send one step of the log; False when the client is up to date."""
        ring = self._faces.ring
        behind = [known for known in self._logged.values() if known.cursor < ring.head]
        if not behind:
            self._up_to_date = True
            return False
        place = min(known.cursor for known in behind)
        kept = ring.after(place)
        if kept is None and self._up_to_date:
            await self._lag(behind)
            return True
        if kept is None:
            self._faces.metrics.reads.inc()
            kept = await ring.read(place)
        if kept is None:
            return False
        step = kept.step
        mine = [known for known in behind if known.cursor < step.until]
        notices = [_expired(known, step.begin) for known in mine if known.cursor < step.begin]
        lines = await ring.lines(kept, [known.stream for known in mine])
        since = {known.stream.name: known.cursor for known in mine}
        for known in mine:
            known.cursor = step.until
        await self._send(notices)
        await self._send([line.text for line in lines if line.cursor > since[line.stream]])
        return True

    async def _lag(self, behind: list[Subscription]) -> None:
        head = self._faces.ring.head
        lines = [
            notice(known.stream.name, "lagged", **{"from": known.cursor.text, "to": head.text}) for known in behind
        ]
        for known in behind:
            known.cursor = head
        self._faces.metrics.lagged.inc()
        await self._send(lines)


def _expired(known: Subscription, oldest: Cursor) -> str:
    return notice(known.stream.name, "expired", **{"from": oldest.text})


def _parse(market: Market, names: list[str], *, fast: bool) -> list[AnyStream]:
    """Read the names of streams; with `fast` those of trades come on arrival."""
    parsed: list[AnyStream] = []
    for name in names:
        stream = parse_newest(name, market) or parse_stream(name, market)
        if fast and isinstance(stream, Stream) and stream.kind == "trades" and stream.instrument:
            parsed.append(FastTrades(name, market.instrument(stream.instrument)))
        else:
            parsed.append(stream)
    return parsed
