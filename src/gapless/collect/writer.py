"""Commits what is pending: grouped, in a thread, with backpressure."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from gapless.collect.pending import Pending
from gapless.derive.deriver import Deriver
from gapless.derive.settle import Commit, Settled, judge, settle
from gapless.errors import GaplessError, StoreBusy, sentence_of
from gapless.model import MS, SECOND
from gapless.ports import Clock, TapeStore, Transaction

T = TypeVar("T")
_GROUP = 20 * MS  # a commit waits this long for company
_OTHERS = SECOND  # how often it is looked whether another writer has left something to be judged
_JUDGED = 40  # instruments that are judged at once
_ROWS = 5_000  # and not longer once it has this many rows
HIGH, LOW = 40_000, 20_000  # above HIGH reading pauses, below LOW it goes on


class Writer:
    """The one writer of a store. `take` gives what is pending as commits; `written` hears of each.

    `judging_failed` says what went wrong once a rule has failed: then nothing is judged until the next start.
    """

    def __init__(
        self,
        store: TapeStore,
        clock: Clock,
        pending: list[Pending],
        take: Callable[[], list[Commit]],
        written: Callable[[Settled], None],
        pressure: Callable[[bool], None],
        deriver: Deriver | None = None,
        note: Callable[..., None] = lambda name, subject, **fields: None,
        *,
        every: int = _GROUP,
    ) -> None:
        self._store = store
        self._clock = clock
        self._pending = pending
        self._take = take
        self._written = written
        self._pressure = pressure
        self._deriver = deriver or Deriver()
        self._note = note
        self._every = every
        self._unjudged = True  # an earlier run may have left something
        self._looked = 0
        self._began = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._paused = False
        self.failed = False
        self.judging_failed: str | None = None
        self.held_up = 0
        self.commits = 0
        self.rows = 0

    @property
    def backlog(self) -> int:
        """Rows that wait."""
        return sum(pending.rows for pending in self._pending)

    def arrived(self) -> None:
        """Look at the backlog after a batch: too much pauses reading."""
        if not self._paused and self.backlog > HIGH:
            self._paused = True
            self._pressure(True)

    async def run(self) -> None:
        """Commit for ever."""
        while True:
            await self.flush()
            urgent = not self.judging_failed and self._unjudged and self._deriver.closed_just_now
            if self.backlog < _ROWS and not urgent:
                await self._company()

    async def _company(self) -> None:
        """Let rows wait for company as long as is set; what closes a minute makes them wait no longer than ever."""
        until = self._clock.monotonic() + self._every
        while True:
            await self._clock.sleep(_GROUP)
            closing = any(pending.closing for pending in self._pending)
            if closing or self.backlog >= _ROWS or self._clock.monotonic() >= until:
                return

    async def flush(self) -> None:
        """Commit what is pending now; after a commit that failed, nothing: the ledger knows what is not held."""
        if self.failed:
            return
        # What was taken is no longer pending: all of it is handed to the thread at once, whoever cancels us then.
        commits = self._take()
        begun = [asyncio.ensure_future(self._commit(commit)) for commit in commits]
        done = await asyncio.shield(asyncio.gather(*begun, return_exceptions=True))
        for commit, settled in zip(commits, done, strict=True):
            if isinstance(settled, BaseException):
                self.failed = True
                raise settled
            self.commits += 1
            self.rows += sum(len(rows) for _, rows in commit.trades)
            self._unjudged |= bool(settled.bars)
            self._began = self._began or (settled.began if settled.bars else 0)
            self._written(settled)
        await self._judge()
        if self._paused and self.backlog < LOW:
            self._paused = False
            self._pressure(False)

    async def after(self, work: Callable[[Transaction], T]) -> T:
        """Commit something of its own, after everything that is pending now."""
        await self.flush()
        done, number = await asyncio.shield(self._in_thread(lambda tx: (work(tx), tx.log_span()[1])))
        self._written(Settled(number=number))
        return done

    async def _judge(self) -> None:
        """Judge some of what waits for it, in a commit of its own: rows and bars are not held up by it for long."""
        mono = self._clock.monotonic()
        if self.judging_failed or not (self._unjudged or mono - self._looked >= _OTHERS):
            return
        self._unjudged, self._looked = False, mono
        # The store may be held by another process while a job waits for it: the loop must not wait, too.
        if not await asyncio.get_running_loop().run_in_executor(self._pool, self._store.unjudged):
            self._began = 0
            return
        self._unjudged = True
        known_at = self._clock.wall()
        work = partial(judge, deriver=self._deriver, known_at=known_at, began=self._began, most=_JUDGED)
        try:
            settled = await asyncio.shield(self._in_thread(work))
        except GaplessError:
            raise
        except Exception as error:  # a rule that fails costs signals and no data; the store knows what is not judged
            self.judging_failed = sentence_of(error)
            self._note("judging_failed", "signals", error=self.judging_failed)
            return
        self._written(settled)

    async def _commit(self, commit: Commit) -> Settled:
        return await self._in_thread(partial(settle, commit=commit, deriver=self._deriver, judge=False))

    async def _in_thread(self, work: Callable[[Transaction], T]) -> T:
        """Commit in the thread, however long another writer holds the store."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return await loop.run_in_executor(self._pool, self._store.commit, work)
            except BaseException as error:
                self._deriver.forget()  # what it remembers was not committed
                if not isinstance(error, StoreBusy):
                    raise
                self.held_up += 1

    def close(self) -> None:
        """Wait for the thread."""
        self._pool.shutdown()
