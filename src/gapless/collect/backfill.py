"""Plans history that was asked for: what is missing, which source has it cheapest, and what that costs."""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from gapless.budget.priority import Priority, part
from gapless.budget.state import Ceiling
from gapless.collect.archives import PUBLISHED_AFTER
from gapless.model import DAY, HOUR, MINUTE, MS, SECOND, Instrument, Tape, TapeKind
from gapless.ports import TapeStore
from gapless.tape.coverage import Range, without
from gapless.tape.plan import pages
from gapless.tape.route import Offer, Routes
from gapless.venues.spec import Hosts, Ids, Venue

_SOUGHT = 5  # pages until the first trade of a time is found where only ids can be asked for, as measured
BACKFILLED = "backfilled"  # the event that remembers which ids all of a time has
_REST, _ARCHIVE = 250 * MS, 2 * SECOND  # an answer of each, until one was measured


class Share(Struct, frozen=True, kw_only=True):
    """What one source brings of a tape: [start, end), ns UTC.

    `ids` are the ids that are missing (minutes of bars), None where only asking tells which and how many: requests
    and weight are then what trades held of other times make likely, and else the least; `files` is what an archive is
    asked for. `source` is None where nobody has it. `seconds` is what it takes within the budget.
    """

    source: str | None
    start: int
    end: int
    ids: list[Range] | None = None
    requests: int = 0
    weight: int = 0
    files: int = 0
    seconds: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether requests and weight are known before asking."""
        return self.ids is not None or self.source != "rest"


class Work(Struct, frozen=True, kw_only=True):
    """A tape of an instrument, what of it is asked for and not held, and who brings it; `missing` counts minutes."""

    instrument: str
    kind: TapeKind
    start: int
    end: int
    minutes: int
    missing: int
    shares: list[Share]

    @property
    def requests(self) -> int:
        """How many requests of REST it needs."""
        return sum(share.requests for share in self.shares)

    @property
    def weight(self) -> int:
        """What they weigh."""
        return sum(share.weight for share in self.shares)


class BackfillPlan(Struct, frozen=True, kw_only=True):
    """What a backfill would ask for, and what that costs; spends nothing."""

    work: list[Work]
    weight_per_minute: int
    seconds: float

    @property
    def requests(self) -> int:
        """How many requests of REST it needs."""
        return sum(work.requests for work in self.work)

    @property
    def weight(self) -> int:
        """What they weigh."""
        return sum(work.weight for work in self.work)

    @property
    def exact(self) -> bool:
        """Whether all of it is known before asking."""
        return all(share.exact for work in self.work for share in work.shares)


class Planner:
    """Plans for one venue; `now` is the venue's time as far as it is known, `archive` whether its files are used."""

    def __init__(
        self, store: TapeStore, venue: Venue, hosts: Hosts, ceiling: Ceiling, *,
        now: int, archive: bool = True, priority: Priority = Priority.BACKFILL,
    ) -> None:  # fmt: skip
        self._store = store
        self._venue = venue
        self._hosts = hosts
        self._now = now
        self._archive = archive
        self._minute = max(part(ceiling.weight_per_minute - ceiling.reserve, priority), 1)
        self._hour = part(ceiling.requests_per_hour, priority)
        each = max(_REST, ceiling.min_interval_ms * MS, HOUR // self._hour if self._hour else 0)
        self._routes = Routes({"rest": each, "archive": _ARCHIVE}, weight_per_minute=self._minute)

    def plan(self, instruments: list[Instrument], start: int, end: int, kinds: list[TapeKind]) -> BackfillPlan:
        """Plan what of [start, end), ns UTC, is not held; the store need not know the instruments yet."""
        return self._priced([self._work(one, kind, start, end) for one in instruments for kind in kinds])

    def plan_parts(self, instrument: Instrument, spans: list[Range], kind: TapeKind) -> BackfillPlan:
        """Plan what of several spans of time is not held of one tape."""
        return self._priced([self._work(instrument, kind, *span) for span in spans])

    def _work(self, instrument: Instrument, kind: TapeKind, start: int, end: int) -> Work:
        first, stop = start // MINUTE, -(-end // MINUTE)
        return (self._bars if kind == "bars" else self._trades)(instrument, kind, first, stop)

    def _priced(self, work: list[Work]) -> BackfillPlan:
        requests, weight = sum(one.requests for one in work), sum(one.weight for one in work)
        files = sum(share.files for one in work for share in one.shares)
        seconds = self._seconds(requests, weight, files)
        return BackfillPlan(work=work, weight_per_minute=self._minute, seconds=seconds)

    def _seconds(self, requests: int, weight: int, files: int) -> float:
        """Estimate how long it takes: by the answers one after another, or by the budget, which comes by the minute."""
        answers = requests * self._routes.speeds["rest"].latency / SECOND
        windows = (weight - 1) // self._minute * 60.0 if weight else 0.0
        hours = (requests - 1) // self._hour * 3_600.0 if requests and self._hour else 0.0
        return round(max(answers, windows, hours) + files * _ARCHIVE / SECOND, 1)

    def _timed(self, share: Share) -> Share:
        return replace(share, seconds=max(self._seconds(share.requests, share.weight, share.files), 0.1))

    def _published(self, kind: TapeKind, instrument: Instrument, day: int) -> bool:
        """Say whether the archive has the file of a day (its start in ns)."""
        if not self._archive or day + DAY + PUBLISHED_AFTER > self._now:
            return False
        return self._venue.archives.url(self._hosts, instrument.symbol, kind, day) is not None

    # Bars

    def _bars(self, instrument: Instrument, kind: TapeKind, first: int, stop: int) -> Work:
        tape = next((t for t in self._store.tapes(instrument.id) if t.kind == "bars"), None)
        spans = self._store.spans(tape.id, first, stop - 1) if tape else []
        holes = without((first, stop - 1), spans)
        days: dict[str, list[Range]] = {"rest": [], "archive": []}
        for day, parts in _by_day(holes):
            days[self._of_day(instrument, day * DAY, parts)] += parts
        shares = self._bar_shares(instrument, days["rest"])
        shares += [
            self._timed(Share(source="archive", start=day * DAY, end=(day + 1) * DAY, ids=parts, files=1))
            for day, parts in _by_day(days["archive"])
        ]
        missing = sum(b - a + 1 for a, b in holes)
        return Work(
            instrument=instrument.id, kind=kind, start=first * MINUTE, end=stop * MINUTE,
            minutes=stop - first, missing=missing, shares=shares,
        )  # fmt: skip

    def _of_day(self, instrument: Instrument, day: int, parts: list[Range]) -> str:
        """Choose who brings the bars of a day."""
        if not self._published("bars", instrument, day):
            return "rest"
        rest = [self._bars_weight(instrument, step.first, step.last) for step in pages(parts, self._size)]
        offers = [Offer("rest", len(rest), sum(rest)), Offer("archive", 1, 0)]
        return min(offers, key=self._routes.cost).source

    @property
    def _size(self) -> int:
        return self._venue.limits.page_bars

    def _bars_weight(self, instrument: Instrument, first: int, last: int) -> int:
        span = first * MINUTE, (last + 1) * MINUTE
        return self._venue.history.bars_request(self._hosts, instrument.symbol, *span, self._now).weight

    def _bar_shares(self, instrument: Instrument, holes: list[Range]) -> list[Share]:
        """Lay pages over the minutes that REST brings."""
        return [
            self._timed(
                Share(
                    source="rest", start=step.first * MINUTE, end=(step.last + 1) * MINUTE,
                    ids=[(step.first, step.last)], requests=1,
                    weight=self._bars_weight(instrument, step.first, step.last),
                )
            )
            for step in pages(_joined(holes), self._size)
        ]  # fmt: skip

    # Trades

    def _trades(self, instrument: Instrument, kind: TapeKind, first: int, stop: int) -> Work:
        shares: list[Share] = []
        missing = 0
        for start, end in _days(first * MINUTE, stop * MINUTE):
            share = self._trades_of(instrument, kind, start, end)
            if share is None:
                continue
            missing += (end - start) // MINUTE
            last = shares[-1] if shares else None
            if last and last.source == share.source and share.source != "archive" and last.end == start:
                ids = last.ids + share.ids if last.ids is not None and share.ids is not None else None
                shares[-1] = replace(
                    last, end=end, ids=ids, requests=last.requests + share.requests, weight=last.weight + share.weight
                )
            else:
                shares.append(share)
        return Work(
            instrument=instrument.id, kind=kind, start=first * MINUTE, end=stop * MINUTE,
            minutes=stop - first, missing=missing, shares=[self._timed(share) for share in shares],
        )  # fmt: skip

    def _trades_of(self, instrument: Instrument, kind: TapeKind, start: int, end: int) -> Share | None:
        """Choose who brings the trades of a part of a day; None where all are held."""
        ids = missing_ids(self._store, instrument.id, kind, start, end)
        if ids == []:
            return None
        rest = self._rest_trades(instrument, kind, start, end, ids)
        if not self._published(kind, instrument, start - start % DAY):
            return rest or Share(source=None, start=start, end=end, ids=ids)
        archive = Share(source="archive", start=start, end=end, ids=ids, files=1)
        if rest is None or ids is None:
            return archive
        offers = [Offer("rest", rest.requests, rest.weight), Offer("archive", 1, 0)]
        return archive if min(offers, key=self._routes.cost).source == "archive" else rest

    def _rest_trades(
        self, instrument: Instrument, kind: TapeKind, start: int, end: int, ids: list[Range] | None
    ) -> Share | None:
        """Price REST; None where it no longer has that time, or cannot find it."""
        window, history = self._venue.limits.recent_trades_window, self._venue.history
        if window is not None and start < self._now - window:
            return None
        tape = instrument.scale(kind)
        at = history.trade_at_request(self._hosts, tape, start)
        sought = at is None and kind in self._venue.limits.consecutive  # page by page, by its id or back from the end
        if ids is None and at is None and not sought:
            return None
        if ids is None:
            rows = round((min(end, self._now) - start) * trades_a_ns(self._store, instrument.id, kind))
            steps = pages([(0, max(rows - 1, 0))], self._venue.limits.page_trades)
        else:
            steps = pages(ids, self._venue.limits.page_trades)
        weight = sum(
            history.trades_request(self._hosts, tape, Ids(first=step.first, last=step.last), keyed=True).weight
            for step in steps
        )
        extra = 0 if ids is not None else _SOUGHT if sought else 1
        first = extra * (at.weight if at else 1)
        return Share(source="rest", start=start, end=end, ids=ids, requests=len(steps) + extra, weight=weight + first)


def missing_ids(store: TapeStore, instrument: str, kind: TapeKind, start: int, end: int) -> list[Range] | None:
    """List the ids of [start, end), ns UTC, that are not held; None where the rows on either side do not tell."""
    tape = next((t for t in store.tapes(instrument) if t.kind == kind), None)
    if tape is None:
        return None
    if _fetched(store, tape, start, end):
        return []
    after, inner = store.minute_from(tape.id, end), store.minute_from(tape.id, start)
    if after is None or inner is None:
        return None
    before = store.trade_before(tape.id, inner.first_seq)
    if before is None or before.time < start - DAY:
        return None
    if _missing(store, tape, before.seq + 1, inner.first_seq - 1) and before.time < start - MINUTE:
        return None  # on which side of the start they lie, only asking tells
    return _missing(store, tape, before.seq + 1, after.first_seq - 1)


def trades_a_ns(store: TapeStore, instrument: str, kind: TapeKind) -> float:
    """Give how many trades there are a ns, by those that are held; 0 where none are."""
    tape = next((t for t in store.tapes(instrument) if t.kind == kind), None)
    spans = store.all_spans(tape.id) if tape else []
    if tape is None or not spans:
        return 0.0
    longest = max(spans, key=lambda span: span.last - span.first)
    first, last = store.trade_after(tape.id, longest.first - 1), store.trade_before(tape.id, longest.last + 1)
    if first is None or last is None or last.time <= first.time:
        return 0.0
    return (last.seq - first.seq) / (last.time - first.time)


def _fetched(store: TapeStore, tape: Tape, start: int, end: int) -> bool:
    """Say whether all of a time was fetched before, and is still held."""
    return any(
        told["start"] <= start and end <= told["end"] and not _missing(store, tape, told["first"], told["last"])
        for _, subject, told, _ in store.events((BACKFILLED,), 0)
        if subject == tape.name
    )


def _missing(store: TapeStore, tape: Tape, first: int, last: int) -> list[Range]:
    return without((first, last), store.spans(tape.id, first, last))


def _days(start: int, end: int) -> Iterator[Range]:
    """Cut a time into UTC days."""
    while start < end:
        stop = min(start - start % DAY + DAY, end)
        yield start, stop
        start = stop


def _by_day(minutes: list[Range]) -> Iterator[tuple[int, list[Range]]]:
    """Cut ranges of minutes by UTC day, counted since 1970."""
    found: dict[int, list[Range]] = {}
    for first, last in minutes:
        for start, stop in _days(first * MINUTE, (last + 1) * MINUTE):
            found.setdefault(start // DAY, []).append((start // MINUTE, stop // MINUTE - 1))
    yield from sorted(found.items())


def _joined(minutes: list[Range]) -> list[Range]:
    """Join what was cut at midnight."""
    result: list[Range] = []
    for first, last in minutes:
        if result and first == result[-1][1] + 1:
            result[-1] = (result[-1][0], last)
        else:
            result.append((first, last))
    return result
