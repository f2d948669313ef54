"""Ports made by hand: a clock that only tests move, REST that answers what a test says, sockets that say it."""

import asyncio
import heapq
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gapless.errors import Unavailable
from gapless.model import SECOND
from gapless.ports import Reply, SocketEvents

EPOCH = 1_767_787_200 * SECOND  # 2026-01-07T12:00Z


class ManualClock:
    """Time that passes when a test says so: `pass_by` wakes sleepers in their order."""

    def __init__(self, wall: int = EPOCH) -> None:
        self.offset = wall
        self.mono = 1_000 * SECOND
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0

    def wall(self) -> int:
        return self.offset + self.mono

    def monotonic(self) -> int:
        return self.mono

    async def sleep(self, ns: int) -> None:
        self._count += 1
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.mono + ns, self._count, waiting))
        await waiting

    async def pass_by(self, ns: int) -> None:
        """Let time pass; whoever sleeps wakes when its time has come, and does what it does then."""
        end = self.mono + ns
        await settled()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, waiting = heapq.heappop(self._sleepers)
            self.mono = max(self.mono, at)
            if not waiting.done():
                waiting.set_result(None)
            await settled()
        self.mono = end


class Impatient(ManualClock):
    """A clock that moves itself: whoever sleeps is woken at once, and the time is what it would be."""

    async def sleep(self, ns: int) -> None:
        self.mono += ns
        await asyncio.sleep(0)


async def settled() -> None:
    """Let every task go on until it waits."""
    for _ in range(50):
        await asyncio.sleep(0)


class Asked:
    """One request as a test sees it."""

    def __init__(self, url: str, headers: dict[str, str], at: int) -> None:
        parts = urlsplit(url)
        self.url = url
        self.path = parts.path.rpartition("/")[2] if "/data/" not in parts.path else parts.path
        self.query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.headers = headers
        self.at = at

    def number(self, name: str) -> int:
        return int(self.query[name])


Answer = Reply | Exception | Awaitable[Reply]


class HandHttp:
    """REST that answers through one function; it keeps what was asked."""

    def __init__(self, clock: ManualClock, answer: Callable[[Asked], Answer]) -> None:
        self.asked: list[Asked] = []
        self.answer = answer
        self._clock = clock

    async def get(self, url: str, headers: dict[str, str]) -> Reply:
        asked = Asked(url, headers, self._clock.mono)
        self.asked.append(asked)
        answer = self.answer(asked)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reply) else await answer

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


def reply(body: Any = None, status: int = 200, **headers: str) -> Reply:
    """A reply with a JSON body, or the bytes given; `_` in header names stands for `-`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


class HandSocket:
    """One socket of a test's own: what was sent, and a way to speak."""

    def __init__(self, url: str, events: SocketEvents, *, agree: bool) -> None:
        self.url = url
        self.agree = agree
        self.events = events
        self.sent: list[dict[str, Any]] = []
        self.paused = False
        self.left: tuple[int, str] | None = None

    def send(self, text: str) -> None:
        message = json.loads(text)
        self.sent.append(message)
        if self.agree:
            self.say({"result": None, "id": message["id"]})

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def close(self, code: int, reason: str) -> None:
        self.left = (code, reason)

    def say(self, *frames: Any, received: int = EPOCH) -> None:
        """Send frames, objects as JSON, in one batch."""
        raw = [frame if isinstance(frame, bytes) else json.dumps(frame).encode() for frame in frames]
        self.events.batch(raw, received)


class HandSockets:
    """Opens sockets of a test's own; `refuse` of the next connects fail, `agree` acknowledges every message."""

    def __init__(self, *, agree: bool = False) -> None:
        self.agree = agree
        self.opened: list[HandSocket] = []
        self.refuse = 0

    async def connect(self, url: str, events: SocketEvents, ping: str | None = None) -> HandSocket:
        await asyncio.sleep(0)
        if self.refuse:
            self.refuse -= 1
            raise Unavailable(f"{url} does not take a connection: refused")
        socket = HandSocket(url, events, agree=self.agree)
        self.opened.append(socket)
        return socket
