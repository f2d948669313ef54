"""Collects some minutes with the engine itself and compares them with the venue's own bars, fetched afresh."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from gapless.config import Settings
from gapless.derive.border import Verdict
from gapless.derive.judge import Held, bar_of, verdict_of
from gapless.doctor.asking import Asking
from gapless.doctor.check import Check
from gapless.engine import Engine
from gapless.errors import CouldNot
from gapless.log import Log
from gapless.model import MINUTE, VALUES, Bar, Instrument, MinuteFold, Tape, iso
from gapless.model.candle import UNTOLD
from gapless.query.audit import audit
from gapless.store.sqlite import SqliteStore
from gapless.venues.spec import Hosts, Venue

Progress = Callable[[str, float, float], None]

_READY_WITHIN = 60.0
_SETTLE_WITHIN = 90.0
_STOP_WITHIN = 20.0
_POLL = 0.1
_TRIES = 8
_PAUSE = 2.0
_SHOWN = 20


class Minutes(Struct, frozen=True):
    """What was collected: the store's file, and the whole minutes [start, end) in it, ns UTC."""

    file: str
    start: int
    end: int
    settled: bool


class Tally(Struct):
    """How the minutes of all instruments compare.

    Of the folds that are not equal, `folds_counted` differ in the count of executions alone, because aggregates span
    ids that were spent without one, and `folds_border` by an aggregate across the border of the minute.
    """

    minutes: int = 0
    folds_equal: int = 0
    folds_counted: int = 0
    folds_border: int = 0
    bars_equal: int = 0
    proofs: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)


def settings_for(settings: Settings, folder: Path) -> Settings:
    """Give the user's settings with a store in a folder of its own, no port and no history."""
    return replace(
        settings,
        store=replace(settings.store, url=f"sqlite:///{folder / 'doctor.db'}"),
        collect=replace(settings.collect, instruments=[], books=[], history="0m", tickers=False, quotes=False),
        serve=replace(settings.serve, listen=[]),
    )


@asynccontextmanager
async def _running(engine: Engine) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(engine.run(signals=False))
    try:
        ready = asyncio.create_task(engine.ready.wait())
        await asyncio.wait({task, ready}, timeout=_READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if task.done():
            task.result()
        if not engine.ready.is_set():
            raise CouldNot(f"the engine was not ready within {_READY_WITHIN:.0f} s")
        yield task
    finally:
        engine.stop()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(task), _STOP_WITHIN)


async def collect(
    settings: Settings, instruments: list[Instrument], minutes: int, folder: Path, progress: Progress
) -> Minutes:
    """Run the engine until every instrument has been collected for so many whole minutes, and settle."""
    mine = settings_for(settings, folder)
    engine = Engine(mine, [one.id for one in instruments], log=Log(quiet=True))
    async with _running(engine) as task:
        clock = engine.collectors[0].pipeline.clock
        start = end = 0
        while not end or clock.now(engine.clock.monotonic()) < end + MINUTE // 12:
            if task.done():
                task.result()
                raise CouldNot("the engine ended by itself")
            await asyncio.sleep(_POLL)
            now = clock.now(engine.clock.monotonic())
            heard = [line.trades for line in engine.collectors[0].pipeline.lines.values()]
            if not end and all(track and track.newest is not None for track in heard):
                # The minute in which a tape begins is not whole.
                start = (now // MINUTE + 1) * MINUTE
                end = start + minutes * MINUTE
            if end:
                progress("collecting", max(now - start, 0) / MINUTE, minutes)
            else:
                progress("collecting", 0, minutes)
        settled = True
        try:
            async with asyncio.timeout(_SETTLE_WITHIN):
                await engine.settle()
        except TimeoutError:
            settled = False
    return Minutes(mine.store.url.removeprefix("sqlite:///"), start, end, settled)


async def compared(asking: Asking, hosts: Hosts, settings: Settings, done: Minutes) -> list[Check]:
    """Audit the store, and compare each minute's own fold and stored bar with the venue's bar by REST."""
    own = settings.venue(asking.venue.name)
    store = SqliteStore(done.file, environment=own.environment, readonly=True)
    try:
        tally = Tally()
        for one in store.instruments():
            official = await _official(asking, hosts, store, one, done)
            _compare(store, asking.venue, one, official, done, tally)
        return [_audited(store, done), _bars(tally)]
    finally:
        store.close()


async def _official(asking: Asking, hosts: Hosts, store: SqliteStore, one: Instrument, done: Minutes) -> dict[int, Bar]:
    """Fetch the venue's bars; where the last one of a reply may still be forming, a later one must follow."""
    history, limits = asking.venue.history, asking.venue.limits
    after = 0 if limits.closed_bars else MINUTE
    tape = next(tape for tape in store.tapes(one.id) if tape.kind == "bars")
    bars: dict[int, Bar] = {}
    for at in range(done.start, done.end, limits.page_bars * MINUTE - after):
        until = min(at + limits.page_bars * MINUTE, done.end + after)
        request = history.bars_request(hosts, one.symbol, at, until, done.end)
        for _ in range(_TRIES):
            rows = history.bars(await asking.get(request), tape)
            if limits.empty_omitted or (rows and rows[-1].start == until - MINUTE):
                break
            await asyncio.sleep(_PAUSE)
        bars |= {bar.start: bar for bar in rows if bar.start < until - after}
    return bars


def _compare(
    store: SqliteStore, venue: Venue, one: Instrument, official: dict[int, Bar], done: Minutes, tally: Tally
) -> None:
    tape = next(tape for tape in store.tapes(one.id) if tape.kind != "bars")
    folds = {fold.bar.start: fold for fold in store.folds(tape.id, done.start, done.end)}
    candles = {candle.start: candle for candle in store.candles(one.id, done.start, done.end)}
    for start in range(done.start, done.end, MINUTE):
        tally.minutes += 1
        where = f"{one.id} {iso(start)}"
        bar, candle, fold = official.get(start), candles.get(start), folds.get(start)
        proof = candle.proof.text if candle else "missing"
        tally.proofs[proof] = tally.proofs.get(proof, 0) + 1
        if bar is None:
            if not venue.limits.empty_omitted or fold:
                tally.differences.append(f"{where}: the venue gives no bar by REST")
            continue
        stored = bar_of(candle)
        if stored and _values(stored) == _values(bar):
            tally.bars_equal += 1
        elif stored or "bars" in venue.streams.kinds:
            tally.differences.append(f"{where}: bar {_difference(stored, bar)}")
        same = fold is not None and _values(fold.bar) == _values(bar)
        if same or (fold is None and bar.trades <= 0 and not bar.volume):
            tally.folds_equal += 1
        elif fold and (why := _explained(store, tape, _named(bar, stored), fold)) is not Verdict.DIFFERENT:
            tally.folds_border += why is Verdict.BORDER
            tally.folds_counted += why is Verdict.EQUAL and bar.trades != UNTOLD
            tally.folds_equal += why is Verdict.EQUAL and bar.trades == UNTOLD
        else:
            tally.differences.append(f"{where}: fold {_difference(fold.bar if fold else None, bar)}")


def _named(bar: Bar, stored: Bar | None) -> Bar:
    """Give a bar of REST, which names no executions, those that the stream's named."""
    return replace(bar, first_id=stored.first_id, last_id=stored.last_id) if stored else bar


def _explained(store: SqliteStore, tape: Tape, bar: Bar, fold: MinuteFold) -> Verdict:
    """Say whether a difference is an aggregate on the border of the minute, ids spent within aggregates, or rounded."""
    before = store.trade_before(tape.id, fold.first_seq)
    last = store.trade_before(tape.id, fold.last_seq + 1)
    return verdict_of(bar, fold, tape, Held(before=before, last=last))


def _values(bar: Any) -> tuple[Any, ...]:
    return tuple(getattr(bar, name) for name in VALUES)


def _difference(mine: Any, official: Bar) -> str:
    if mine is None:
        return "is not held"
    wrong = [
        f"{name} {own} and not {theirs}"
        for name, own, theirs in zip(VALUES, _values(mine), _values(official), strict=True)
        if theirs not in (own, UNTOLD)
    ]
    return "has " + ", ".join(wrong)


def _audited(store: SqliteStore, done: Minutes) -> Check:
    found = audit(store)
    holes = sum(len(tape.holes) for tape in found)
    held, wanted = sum(tape.held for tape in found), sum(tape.wanted for tape in found)
    figures = {
        "tapes": len(found), "wanted": wanted, "held": held, "rows": sum(tape.rows for tape in found),
        "voids": sum(tape.voids for tape in found), "holes": holes, "settled": done.settled,
        "repaired": {tape.tape.name: round(tape.repaired, 6) for tape in found if tape.repaired},
    }  # fmt: skip
    sentence = f"{held:,} of {wanted:,} ids held on {len(found)} tapes, {holes} holes"
    fine = not holes and done.settled and held == wanted
    return Check("audit", "ok" if fine else "differs", sentence, figures)


def _bars(tally: Tally) -> Check:
    figures = {
        "minutes": tally.minutes, "bars_equal": tally.bars_equal, "folds_equal": tally.folds_equal,
        "folds_counted": tally.folds_counted, "folds_border": tally.folds_border,
        "proofs": tally.proofs, "differences": tally.differences[:_SHOWN],
    }  # fmt: skip
    proofs = ", ".join(f"{count} {name}" for name, count in tally.proofs.items())
    sentence = (
        f"of {tally.minutes} minutes the stored bar equals the venue's in {tally.bars_equal}, our own fold in "
        f"{tally.folds_equal}, in {tally.folds_counted} but for the count where ids were spent without a trade, in "
        f"{tally.folds_border} but for an aggregate on their border; {proofs}"
    )
    return Check("candles", "differs" if tally.differences or not tally.minutes else "ok", sentence, figures)
