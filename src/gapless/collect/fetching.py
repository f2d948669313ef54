"""Fetches what a backfill planned: part by part, committed as it comes, never what is held."""

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from functools import partial

from msgspec import Struct, field

from gapless.budget.priority import Priority
from gapless.collect.backfill import BACKFILLED, BackfillPlan, Share, Work
from gapless.collect.sources import FINAL_AFTER, Ask, Found, Later, Sources, Wrong
from gapless.collect.walking import Walk, beside
from gapless.derive.settle import Commit, Vouched, settle
from gapless.errors import BadFile, Refused, Unavailable
from gapless.model import DAY, MINUTE, SECOND, Evidence, Tape, Trade, iso
from gapless.ports import Clock, TapeStore
from gapless.tape.coverage import Range, without
from gapless.tape.page import Mark, bar_runs, omitted, runs
from gapless.tape.wanted import joined_ranges
from gapless.venues.spec import Venue

_CHUNK = 2_000  # rows a commit: about 50 ms, so that a collector beside us does not wait
_TRIES = 3  # wrong pages in a row, or empty ones
_AGAIN = SECOND
_END = 2**62

Progress = Callable[[float, float], None]
"""Takes what is done and what is to be done, both in seconds of the plan."""


class Fetched(Struct):
    """What came: minutes of bars, trades, and how many rows each source gave.

    `missing` counts minutes that could not be had, and `troubles` says why.
    """

    minutes: int = 0
    trades: int = 0
    sources: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    missing: int = 0
    troubles: list[str] = field(default_factory=list)


def stay(store: TapeStore, work: Work) -> None:
    """Let what is held of the trades that were asked for stay, however old they grow."""
    tape = next((t for t in store.tapes(work.instrument) if t.kind == work.kind), None)
    if tape is None or tape.kind == "bars":
        return
    inner, after = store.minute_from(tape.id, work.start), store.minute_from(tape.id, work.end)
    last = after.first_seq - 1 if after else max((span.last for span in store.all_spans(tape.id)), default=-1)
    if inner and inner.start < work.end and inner.first_seq <= last:
        asked = Commit(now=work.end, known_at=0, kept=[(tape, inner.first_seq, last)])
        store.commit(partial(settle, commit=asked))


class Fetching:
    """Spends a plan. `now` is the venue's time, ns UTC. Commits run in a thread, so that nobody waits for them.

    With `neighbours` the trade before and the one after each time are fetched too, where ids are consecutive: they
    prove its first and last minute whole, and REST's bars name no ids.
    """

    def __init__(
        self, store: TapeStore, venue: Venue, sources: Sources, clock: Clock, *,
        now: int, progress: Progress, priority: Priority = Priority.BACKFILL, neighbours: bool = False,
    ) -> None:  # fmt: skip
        self.done = Fetched()
        self._store = store
        self._venue = venue
        self._sources = sources
        self._clock = clock
        self._now = now
        self._progress = progress
        self._priority = priority
        self._neighbours = neighbours
        self._beyond: list[tuple[int, int]] = []  # ids that lie beside a file, and the day (its start) of their own
        self._passed = 0.0
        self._total = 0.0

    async def run(self, planned: BackfillPlan) -> Fetched:
        """Fetch what was planned. What was committed stays when this is cancelled, or REST answers no more."""
        self._total = sum(share.seconds for work in planned.work for share in work.shares)
        for work in planned.work:
            tape = self._store.open_tape(work.instrument, work.kind)
            await asyncio.to_thread(stay, self._store, work)
            for share in work.shares:
                try:
                    await (self._bars(tape, share) if work.kind == "bars" else self._trades(tape, share))
                except (Refused, BadFile, Later, Wrong) as trouble:
                    self.done.troubles.append(f"{work.instrument} {work.kind}: {trouble}")
                    if work.kind != "bars":
                        self.done.missing += (share.end - share.start) // MINUTE
                self._passed += share.seconds
                self._progress(self._passed, self._total)
            await self._beside_files(tape)
        return self.done

    def _count(self, source: str, rows: int) -> None:
        self.done.sources[source] = self.done.sources.get(source, 0) + rows

    def _commit(self, tape: Tape) -> Commit:
        primary = next((t for t in self._store.tapes(tape.instrument) if t.kind != "bars"), None)
        return Commit(
            now=self._now,
            known_at=self._clock.wall(),
            cause="backfill",
            primary={tape.instrument: primary} if primary else {},
        )

    async def _write(self, commit: Commit) -> None:
        writing = asyncio.ensure_future(asyncio.to_thread(self._store.commit, partial(settle, commit=commit)))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait({writing})  # whoever cancels us closes the store next
            raise

    # Bars

    async def _bars(self, tape: Tape, share: Share) -> None:
        """Fetch the bars of a part; a file that is not to be had is made up for by REST."""
        evidence, source = Evidence.REST, "rest"
        if share.source == "archive":
            try:
                pages = [await self._sources.archive_bars(tape, *ids) for ids in share.ids or ()]
                evidence, source = Evidence.ARCHIVE, "archive"
            except (Later, Unavailable, BadFile, Wrong):
                pages = await self._rest_bars(tape, share)
        else:
            pages = await self._rest_bars(tape, share)
        for page in pages:
            bars = [bar for bar in page.bars if bar.start + MINUTE + FINAL_AFTER <= self._now]
            shown = [(run[0].start // MINUTE, run[-1].start // MINUTE) for run in bar_runs(bars)]
            for ids in joined_ranges([*shown, *page.empty]):
                commit = self._commit(tape)
                commit.bars = [(tape.instrument, [bar for bar in bars if ids[0] <= bar.start // MINUTE <= ids[1]])]
                commit.vouched = [Vouched(tape, *ids, evidence)]
                commit.wanted = [(tape, *ids)]
                await self._write(commit)
            minutes = len(bars) + sum(last - first + 1 for first, last in page.empty)
            self.done.minutes += minutes
            self._count(source, minutes)

    async def _rest_bars(self, tape: Tape, share: Share) -> list[Found]:
        size = self._venue.limits.page_bars
        return [
            await self._bar_page(tape, at, min(at + size - 1, last))
            for first, last in share.ids or ()
            for at in range(first, last + 1, size)
        ]

    async def _bar_page(self, tape: Tape, first: int, last: int) -> Found:
        """Ask for a page of bars; where minutes without trades are left out, one without any bar is asked for again."""
        ask = partial(self._sources.rest_bars, tape, first * MINUTE, (last + 1) * MINUTE, self._priority)
        page = await self._surely(ask)
        if not self._venue.limits.empty_omitted:
            return page
        for _ in range(_TRIES):
            if page.bars:
                break
            await self._clock.sleep(_AGAIN)
            page = await self._surely(ask)
        over = (self._now - FINAL_AFTER) // MINUTE - 1
        page.empty = omitted(page.bars, first, min(last, over))
        return page

    async def _surely(self, ask: Callable[[], Awaitable[Found]]) -> Found:
        """Ask again where a page cannot be right."""
        for turn in range(1, _TRIES + 1):
            try:
                return await ask()
            except Wrong:
                self.done.rejected += 1
                if turn == _TRIES:
                    raise
        raise AssertionError

    # Trades

    async def _trades(self, tape: Tape, share: Share) -> None:
        if share.source is None:
            raise Later(f"nobody has the trades from {iso(share.start)} to {iso(share.end)} (yet)")
        if share.source == "archive":
            try:
                await self._archive_trades(tape, share)
                return
            except (Later, Unavailable, BadFile, Wrong) as trouble:
                if not self._in_window(share.start):
                    raise Later(str(trouble)) from trouble
        await self._rest_trades(tape, share)

    def _in_window(self, start: int) -> bool:
        window = self._venue.limits.recent_trades_window
        return window is None or start >= self._now - window

    async def _archive_trades(self, tape: Tape, share: Share) -> None:
        day = share.start - share.start % DAY
        rows = await self._sources.day_of_trades(tape, day)
        inside = [index for index, row in enumerate(rows) if share.start <= row.time < share.end]
        if not inside:
            await self._whole(tape, share, (0, -1))
            return
        low, high = inside[0], inside[-1] + 1
        if self._neighbours and self._sources.strict(tape):
            low, high = low - 1, high + 1
            self._beyond += [(rows[0].seq - 1, day - DAY)] * (low < 0)
            self._beyond += [(rows[-1].seq + 1, day + DAY)] * (high > len(rows))
        rows = rows[max(low, 0) : high]
        vouched = runs(rows) if self._sources.strict(tape) else [(rows[0].seq, rows[-1].seq)]
        for ids in vouched:
            await self._keep(tape, rows, ids, Evidence.ARCHIVE)
        await self._close(tape, rows[0], rows[-1])
        if len(vouched) == 1:
            await self._whole(tape, share, vouched[0])

    async def _beside_files(self, tape: Tape) -> None:
        """Fetch the trade before and the one after files, where no other file brought it."""
        beyond, self._beyond = self._beyond, []
        for seq, day in beyond:
            if not without((seq, seq), self._store.spans(tape.id, seq, seq)):
                continue
            try:
                rows, evidence = await self._one(tape, seq, day)
                if rows:
                    await self._keep(tape, rows, (seq, seq), evidence)
            except (Refused, BadFile, Later, Wrong) as trouble:
                self.done.troubles.append(f"{tape.instrument} {tape.kind}: {trouble}")

    async def _one(self, tape: Tape, seq: int, day: int) -> tuple[list[Trade], Evidence]:
        """Ask for one trade: REST where it still has that day, else the file."""
        if self._in_window(day):
            return (await self._surely(partial(self._page, self._ask(tape, seq, seq)))).trades, Evidence.REST
        rows = await self._sources.day_of_trades(tape, day)
        return [row for row in rows if row.seq == seq], Evidence.ARCHIVE

    async def _whole(self, tape: Tape, share: Share, ids: Range) -> None:
        """Remember that these are all the ids of a time: rows alone do not tell that none lies before or after."""
        told: dict[str, object] = {
            "start": share.start,
            "end": min(share.end, self._now),
            "first": ids[0],
            "last": ids[1],
        }
        commit = self._commit(tape)
        commit.events = [(BACKFILLED, tape.name, told, self._clock.wall())]
        await self._write(commit)

    async def _keep(self, tape: Tape, rows: list[Trade], ids: Range, evidence: Evidence) -> None:
        """Commit what is not held of a range that rows vouch for."""
        spans = self._store.spans(tape.id, *ids)
        for first, last in without(ids, spans):
            low = bisect_left(rows, first, key=lambda row: row.seq)
            missing = rows[low : bisect_left(rows, last + 1, key=lambda row: row.seq)]
            begin = first
            for at in range(0, max(len(missing), 1), _CHUNK):
                chunk = missing[at : at + _CHUNK]
                until = last if at + _CHUNK >= len(missing) else chunk[-1].seq
                commit = self._commit(tape)
                commit.trades = [(tape, chunk)] if chunk else []
                commit.vouched = [Vouched(tape, begin, until, evidence)]
                commit.wanted = commit.kept = [(tape, begin, until)]
                await self._write(commit)
                begin = until + 1
            self.done.trades += len(missing)
            self._count("archive" if evidence is Evidence.ARCHIVE else "rest", len(missing))
        commit = self._commit(tape)
        commit.wanted = commit.kept = [(tape, *ids)]
        await self._write(commit)

    async def _close(self, tape: Tape, *ends: Trade) -> None:
        """Close the minutes at the ends, which nothing later completes."""
        commit = self._commit(tape)
        starts = sorted({row.time - row.time % MINUTE for row in ends})
        commit.due = [(tape.instrument, start) for start in starts if start + 2 * MINUTE <= self._now]
        await self._write(commit)

    async def _walk(self, tape: Tape, share: Share) -> None:
        """Page by time from the last trade of a time to its first, over what is held."""
        walk = Walk(
            tape, self._store, lambda ask: self._surely(partial(self._sources.rest_trades, ask, self._priority))
        )
        last = -1
        async for rows in walk.back(share.start, share.end + MINUTE * self._neighbours):
            last = max([last, *(row.seq for row in rows if row.time < share.end)])
            mine = beside(rows, share.start, share.end, neighbours=self._neighbours)
            for ids in runs(mine):
                await self._keep(tape, mine, ids, Evidence.REST)
            if mine:
                await self._close(tape, mine[0], mine[-1])
            self._went(share, share.start + share.end - rows[0].time)
        inner = self._store.minute_from(tape.id, share.start)
        held = inner if inner and inner.start < share.end else None
        if walk.oldest is None and (held is None or held.first_seq > 1):
            raise Later(f"REST shows no trade before {f'id {held.first_seq}' if held else iso(share.end)}")
        if held is None:
            await self._whole(tape, share, (0, -1))
            return
        first = held.first_seq if walk.oldest is None else min(walk.oldest + 1, held.first_seq)
        if lost := without((first, last), self._store.spans(tape.id, first, last)):
            raise Later(f"REST does not show ids {lost[0][0]} to {lost[-1][1]}")
        await self._whole(tape, share, (first, last))

    async def _rest_trades(self, tape: Tape, share: Share) -> None:
        """Page by id from the first trade of a time to its last, over what is held."""
        if self._sources.strict(tape) and not self._sources.by_id(tape):
            await self._walk(tape, share)
            return
        first = cursor = await self._first(tape, share)
        beside = self._neighbours and self._sources.strict(tape)
        if cursor and beside:
            cursor -= 1
        ends: list[Trade] = []
        last = -1
        while cursor is not None:
            cursor, until = without((cursor, _END), self._store.spans(tape.id, cursor, _END))[0]
            last = cursor - 1
            before = self._store.trade_before(tape.id, cursor)
            if before and before.time >= share.end:
                break
            ask = self._ask(tape, cursor, min(until, cursor + self._venue.limits.page_trades - 1))
            rows = (await self._surely(partial(self._page, ask))).trades
            if not rows:
                break
            inside = [row for row in rows if row.seq >= cursor and row.time < share.end]
            beyond = rows[-1].time >= share.end
            mine = inside + [row for row in rows if row.seq >= cursor and row.time >= share.end][: int(beside)]
            if not mine:
                break
            await self._keep(tape, mine, (cursor, mine[-1].seq), Evidence.REST)
            ends, last = [ends[0] if ends else mine[0], mine[-1]], mine[-1].seq
            whole = mine[-1] is rows[-1] and len(mine) >= ask.last - ask.first + 1
            onwards = not beyond and (whole or not self._sources.strict(tape))
            cursor = mine[-1].seq + 1 if onwards else None
            self._went(share, mine[-1].time)
        if ends:
            await self._close(tape, *ends)
        if not share.ids:
            await self._whole(tape, share, (first or 0, last))

    async def _page(self, ask: Ask) -> Found:
        found = await self._sources.rest_trades(ask, self._priority)
        if found.lacks:
            raise Wrong(f"REST has no ids {found.lacks[0][0]} to {found.lacks[0][1]}")
        if found.trades and self._sources.strict(ask.tape) and found.trades[0].seq > ask.first:
            raise Wrong(f"asked from id {ask.first} REST begins with id {found.trades[0].seq}")
        return found

    def _went(self, share: Share, time: int) -> None:
        """Tell how far a part is."""
        part = (time - share.start) / (share.end - share.start)
        self._progress(self._passed + share.seconds * min(max(part, 0.0), 1.0), self._total)

    async def _first(self, tape: Tape, share: Share) -> int | None:
        """Give the first id that is missing; where the store cannot tell, the venue is asked."""
        if share.ids:
            return share.ids[0][0]
        inner = self._store.minute_from(tape.id, share.start)
        row = self._store.trade_after(tape.id, inner.first_seq - 1) if inner else None
        after = (row.seq, row.time) if row and row.time >= share.start else None
        return await self._sources.first_trade(tape, share.start, share.end, self._priority, after=after)

    def _ask(self, tape: Tape, first: int, last: int) -> Ask:
        before, after = self._store.trade_before(tape.id, first), self._store.trade_after(tape.id, last)
        marks: list[Mark | None] = [(row.seq, row.time) if row else None for row in (before, after)]
        joint = before.seq if before and not self._sources.strict(tape) else first
        return Ask(tape=tape, first=first, last=last, joint=joint, before=marks[0], after=marks[1])
