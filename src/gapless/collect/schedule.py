"""Jobs that run now and then: each remembered across restarts, never twice at a time, and none ends the engine."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from msgspec import Struct

from gapless.errors import StoreError, sentence_of
from gapless.model import MINUTE, SECOND
from gapless.model.times import iso
from gapless.ports import Clock, JobRow

_SOON = MINUTE  # a job that is due at the start lets the start be over first
_AGAIN = 30 * SECOND  # a job that failed is tried again after this, doubled each time, at most after its interval

Work = Callable[[], Awaitable[str]]
"""Does what is to be done, and says in a sentence what came of it."""


class Job(Struct):
    """One job. `last_run` is ns UTC of this machine, 0 before any; `due` and `every` are monotonic ns."""

    name: str
    every: int
    work: Work
    due: int
    last_run: int = 0
    result: str = ""
    running: bool = False
    failures: int = 0
    kept: bool = True

    def row(self) -> JobRow:
        """What is kept of it."""
        return JobRow(self.name, self.last_run, self.result)


class Schedule:
    """Runs jobs when they are due. `kept` is what is known of their last runs, `keep` keeps it."""

    def __init__(
        self, clock: Clock, kept: Iterable[JobRow], keep: Callable[[JobRow], Awaitable[None]], note: Callable[..., None]
    ) -> None:
        self._clock = clock
        self._kept = {row.name: row for row in kept}
        self._keep = keep
        self._note = note
        self._jobs: list[Job] = []

    def add(self, name: str, every: int, work: Work, *, done: str | None = None) -> None:
        """Add a job; `done` is the result of a run that is just over, so that the next is due after an interval."""
        mono, wall = self._clock.monotonic(), self._clock.wall()
        former = self._kept.get(name, JobRow(name, 0, ""))
        if done is not None:
            self._jobs.append(Job(name, every, work, mono + every, wall, done, kept=False))
            return
        wait = min(max(former.last_run + every - wall, _SOON), every)
        self._jobs.append(Job(name, every, work, mono + wait, former.last_run, former.result))

    async def run(self) -> None:
        """Run jobs for ever."""
        async with asyncio.TaskGroup() as group:
            for job in self._jobs:
                group.create_task(self._keep_up(job), name=f"job/{job.name}")

    async def _keep_up(self, job: Job) -> None:
        if not job.kept:
            await self._remember(job)
        while True:
            await self._clock.sleep(max(job.due - self._clock.monotonic(), 0))
            await self._once(job)

    async def _once(self, job: Job) -> None:
        began, wall, job.running = self._clock.monotonic(), self._clock.wall(), True
        try:
            job.result = await job.work()
            job.failures = 0
        except Exception as error:  # whatever a job meets, the engine goes on
            job.result = sentence_of(error)
            job.failures += 1
            self._note("job_failed", job.name, reason=job.result)
        finally:
            job.running = False
        job.last_run = wall
        now = self._clock.monotonic()
        if job.failures:
            job.due = now + min(_AGAIN * 2 ** min(job.failures - 1, 20), job.every)
        else:
            # What fell due while it ran is skipped.
            job.due = began + job.every * ((now - began) // job.every + 1)
        await self._remember(job)

    async def _remember(self, job: Job) -> None:
        try:
            await self._keep(job.row())
            job.kept = True
        except StoreError as trouble:
            self._note("job_not_kept", job.name, reason=str(trouble))

    def rows(self) -> list[dict[str, Any]]:
        """List the jobs: when each ran last, what came of it, and when it runs next."""
        ahead = self._clock.wall() - self._clock.monotonic()
        return [
            {
                "name": job.name,
                "last_run": iso(job.last_run) if job.last_run else None,
                "result": job.result or None,
                "next_run": iso(job.due + ahead),
                "running": job.running,
                "failures": job.failures,
            }
            for job in self._jobs
        ]
