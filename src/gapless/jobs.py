"""Composition of the jobs of a running gapless: movers, cleanup, monitoring."""

import asyncio
from typing import TYPE_CHECKING

from gapless.collect.retention import Retention
from gapless.collect.schedule import Schedule
from gapless.model import HOUR, MINUTE
from gapless.model.times import parse_duration
from gapless.ports import JobRow

if TYPE_CHECKING:
    from gapless.engine import Engine

_CLEANUP = 6 * HOUR
_MONITORING = 10 * MINUTE


def jobs_of(engine: "Engine") -> Schedule:
    """Make the schedule of an engine that is prepared."""

    async def keep(row: JobRow) -> None:
        await asyncio.to_thread(engine.store.commit, lambda tx: tx.put_job(row))

    async def clean_up() -> str:
        done = await Retention(engine.store, engine.settings.store.ages(), engine.clock).run()
        return done.sentence

    async def monitor() -> str:
        for name, frame, emitted, folded in await asyncio.to_thread(engine.status.derived.check, engine.checking):
            engine.note("derived_differs", name, timeframe=str(frame), emitted=repr(emitted), folded=repr(folded))
        return _told(engine)

    schedule = Schedule(engine.clock, engine.store.jobs(), keep, engine.note)
    if movers := engine.movers:
        every = parse_duration(engine.settings.movers.every)
        schedule.add("movers", every, movers.refresh, done=f"{len(movers.chosen)} movers chosen at the start")
    schedule.add("cleanup", _CLEANUP, clean_up)
    schedule.add("monitoring", _MONITORING, monitor)
    return schedule


def _told(engine: "Engine") -> str:
    """Say in one line of the log how everything stands, and in a sentence what matters of it."""
    report = engine.status.report()
    spent = max((row["share"] for row in report["budgets"]), default=0.0)
    instruments = sum(len(collector.pipeline.lines) for collector in engine.collectors)
    engine.note(
        "health", "gapless", status=report["status"], instruments=instruments,
        connections=engine.status.health()["connections"],
        **report["rates"], gaps=report["gaps"]["open"], repaired=report["gaps"]["repaired"], budget=spent,
        backlog=engine.writer.backlog, **report["process"],
        derived_accuracy=engine.status.derived.accuracy, signal_latency_ms=engine.status.derived.latency_ms(),
    )  # fmt: skip
    return (
        f"{report['status']}: {instruments} instruments, {report['gaps']['open']} gaps open, "
        f"{report['rates']['messages']} messages/s, {100 * spent:.0f} % of the budget, "
        f"{report['process']['rss_mb']} MB"
    )
