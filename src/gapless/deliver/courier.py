"""One receiver's courier: from its own place in the log on, one signal after the other, each until it is taken."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from msgspec import Struct

from gapless.deliver.plan import LONGEST, Letter, Outcome, letter, pause
from gapless.deliver.receivers import Receiver
from gapless.errors import StoreBusy, sentence_of
from gapless.model import MINUTE, SECOND
from gapless.model.signal import SignalFilter
from gapless.model.times import iso
from gapless.ports import Clock, TapeReader, Transaction
from gapless.query.events import Cursor
from gapless.query.feed import now

_MOST = 1_000  # judgements that are read at once
_KEEP_EVERY = 10 * MINUTE  # a place that moved without a delivery
_ELSEWHERE = 10 * SECOND  # how often it is looked whether another process still delivers


class Post(Struct, kw_only=True):
    """What couriers share: the store, read in one thread and written like every other, time and chance.

    `hold` takes a receiver for this process, or raises `StoreBusy`.
    """

    reader: TapeReader
    read: Callable[[Callable[[], Any]], Awaitable[Any]]
    commit: Callable[[Callable[[Transaction], None]], Awaitable[None]]
    wait_for_commit: Callable[[int], Awaitable[int]]
    hold: Callable[[str], None]
    note: Callable[..., None]
    clock: Clock
    chance: Callable[[], float]
    timeout: int
    give_up_after: int


class Batch(Struct):
    """The next letters of a receiver, from `begin` up to `until`; it begins later than asked where the log does."""

    letters: list[Letter]
    begin: Cursor
    until: Cursor


def batch_after(reader: TapeReader, cursor: Cursor, which: SignalFilter) -> Batch:
    """Read the next judgements that a receiver is given."""
    head = now(reader)
    begin = max(cursor, Cursor(reader.log_span()[0], 0))
    entries = reader.log_after(cursor.number, cursor.item - 1, _MOST + 1, kind="signal")  # it may leave out the first
    letters = []
    for entry in entries:
        judged = reader.signal(entry.first)
        if judged and which.takes(judged):
            letters.append(letter(judged, Cursor(entry.number, entry.item + 1), late=entry.late))
    read = Cursor(entries[-1].number, entries[-1].item + 1) if entries else cursor
    return Batch(letters, begin, read if len(entries) >= _MOST else max(head, read))


class Courier:
    """Delivers to one receiver, in order; it holds up nobody else, and its place outlives the process.

    The place is committed after each delivery: only what was under way when the process died can come again, with
    the same id. A receiver that fails is tried again, and what has waited for too long while it failed is given up.
    """

    def __init__(self, receiver: Receiver, post: Post, count: Callable[[str, int], None]) -> None:
        self.receiver = receiver
        self.delivered = self.failed = self.pending = 0
        self.last_error: str | None = None
        self.last_delivered: int | None = None
        self._post = post
        self._count = count
        self._cursor = self._kept = Cursor(0, 0)
        self._kept_at = 0
        self._failures = 0
        self._failing_since = 0
        self._skipped = 0
        self._told_at: int | None = None
        self._under_way: asyncio.Future[Outcome] | None = None

    async def run(self) -> None:
        """Deliver for ever; whatever goes wrong, nobody else hears of it but by the log."""
        begun = False
        while True:
            try:
                if not begun:
                    await self._begin()
                    begun = True
                await self._go_on()
            except Exception as error:  # a fault of ours, or of the store, ends no delivery
                self.last_error = sentence_of(error)
                self._post.note("delivery_troubled", self.receiver.name, reason=self.last_error)
                await self._post.clock.sleep(LONGEST)

    async def _begin(self) -> None:
        """Take up the receiver where it was left, or a new one from now on; wait while another process has it."""
        post, told = self._post, False
        while True:
            try:
                post.hold(self.receiver.key)
                break
            except StoreBusy:
                if not told:
                    told = True
                    post.note("delivery_elsewhere", self.receiver.name, reason="another gapless run delivers to it")
                await post.clock.sleep(_ELSEWHERE)
        found = await post.read(partial(post.reader.delivery, self.receiver.key))
        if found:
            self._cursor = self._kept = Cursor(*found)
        else:
            self._cursor = await post.read(partial(now, post.reader))
            await self._keep()

    async def _go_on(self) -> None:
        """Read what is next, and deliver it or wait."""
        post = self._post
        batch = await post.read(partial(batch_after, post.reader, self._cursor, self.receiver.which))
        self.pending = len(batch.letters)
        if batch.begin > self._cursor:
            self._cursor = batch.begin
            await self._say("delivery_behind", reason="the log no longer reaches back to its place (store.keep_log)")
        for one in batch.letters:
            self._under_way = asyncio.ensure_future(self._deliver(one))
            outcome = await asyncio.shield(self._under_way)
            if outcome.state == "failed":
                await self._failed(batch.letters, one, outcome.why)
                return
            self.pending -= 1
        waits = not batch.letters and batch.until <= self._cursor
        self._cursor = max(self._cursor, batch.until)
        if self._cursor > self._kept and post.clock.monotonic() - self._kept_at >= _KEEP_EVERY:
            await self._keep()
        if waits:
            await post.wait_for_commit(self._cursor.number - 1)

    async def _deliver(self, one: Letter) -> Outcome:
        """Try once; where it need not be tried again, the place is behind it, on disk, when this returns."""
        outcome = await self._tried(one)
        self._count(outcome.state, 1)
        if outcome.state == "failed":
            return outcome
        self._cursor = one.after
        if self._failures > 1:
            self._post.note("delivery_resumed", self.receiver.name, failures=self._failures)
        self._failures = 0
        if self._skipped:
            await self._tell_skipped()
        self._told_at = None
        if outcome.state == "refused":
            self.failed += 1
            self.last_error = outcome.why
            await self._say("delivery_refused", id=one.id, reason=outcome.why)
            return outcome
        self.delivered += 1
        self.last_delivered = self._post.clock.wall()
        await self._keep()
        return outcome

    async def _tried(self, one: Letter) -> Outcome:
        post = self._post
        asked = asyncio.ensure_future(self.receiver.give(one))
        limit = asyncio.ensure_future(post.clock.sleep(post.timeout))
        try:
            await asyncio.wait({asked, limit}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                error = asked.exception()  # a fault of ours is tried again and given up like any other
                return Outcome("failed", type(error).__name__) if error else asked.result()
            return Outcome("failed", f"no answer within {post.timeout / SECOND:g} s")
        finally:
            asked.cancel()
            limit.cancel()
            await asyncio.wait({asked, limit})

    async def _failed(self, letters: list[Letter], one: Letter, why: str) -> None:
        """Take note of a failure, give up what has waited for too long, and wait before the next try."""
        post, now_ns = self._post, self._post.clock.monotonic()
        self.last_error = why
        self._failures += 1
        if self._failures == 1:
            self._failing_since = now_ns
        elif self._failures == 2:
            post.note("delivery_failing", self.receiver.name, reason=why)
        if now_ns - self._failing_since >= post.give_up_after:
            await self._give_up(letters[letters.index(one) :], now_ns)
        if wait := pause(self._failures, post.chance()):
            await post.clock.sleep(wait)

    async def _give_up(self, waiting: list[Letter], now_ns: int) -> None:
        """Skip what has waited for too long; it is told at first and then once in that time, not at each try."""
        oldest = self._post.clock.wall() - self._post.give_up_after
        skipped = next((at for at, one in enumerate(waiting) if one.known_at > oldest), len(waiting))
        if not skipped:
            return
        self._cursor = waiting[skipped - 1].after
        self._count("given_up", skipped)
        self._skipped += skipped
        self.failed += skipped
        self.pending -= skipped
        if self._told_at is None or now_ns - self._told_at >= self._post.give_up_after:
            self._told_at = now_ns
            await self._tell_skipped()
        else:
            await self._keep()

    async def _tell_skipped(self) -> None:
        """Name how many were given up since it was last told."""
        skipped, self._skipped = self._skipped, 0
        await self._say("delivery_failed", skipped=skipped, reason=self.last_error)

    async def _say(self, kind: str, **detail: Any) -> None:
        """Write an event to the log and, with the place, to the store."""
        self._post.note(kind, self.receiver.name, **detail)
        await self._keep((kind, detail))

    async def _keep(self, event: tuple[str, dict[str, Any]] | None = None) -> None:
        cursor, at, receiver = self._cursor, self._post.clock.wall(), self.receiver

        def work(tx: Transaction) -> None:
            tx.put_delivery(receiver.key, cursor.number, cursor.item)
            if event:
                tx.put_event(event[0], receiver.name, event[1], at)

        await self._post.commit(work)
        self._kept, self._kept_at = cursor, self._post.clock.monotonic()

    async def close(self, grace: int) -> None:
        """Finish what is under way within `grace` ns, and keep the place; `run` has been cancelled."""
        if self._under_way and not self._under_way.done():
            limit = asyncio.ensure_future(self._post.clock.sleep(grace))
            both: set[asyncio.Future[Any]] = {self._under_way, limit}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            limit.cancel()
            self._under_way.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        if self._skipped:
            await self._tell_skipped()
        elif self._cursor > self._kept:
            await self._keep()

    def row(self) -> dict[str, Any]:
        """Say how it stands; `failed` counts what was refused or given up, `pending` what is known to wait."""
        return {
            "target": self.receiver.name,
            "delivered": self.delivered,
            "failed": self.failed,
            "pending": self.pending,
            "last_error": self.last_error,
            "last_delivered": None if self.last_delivered is None else iso(self.last_delivered),
        }
