"""Asks one source for what is missing, and turns away what cannot be right."""

from collections.abc import Callable

from msgspec import Struct, field
from msgspec.structs import replace

from gapless.budget.priority import Priority
from gapless.collect.archives import PUBLISHED_AFTER, fetch_day
from gapless.collect.rest import RestClient, Spent
from gapless.errors import UNREADABLE, BadNumber, CouldNot, GaplessError, Refused
from gapless.model import DAY, MINUTE, SECOND, Bar, Tape, Trade, iso
from gapless.ports import Clock, Http
from gapless.tape.coverage import Range, cut
from gapless.tape.page import Mark, left_out, runs, wrong_bars, wrong_trades
from gapless.tape.search import Search
from gapless.venues.spec import ArchiveRows, Hosts, Ids, Page, Request, Venue

FINAL_AFTER = 90 * SECOND  # a bar that ended this long ago no longer changes, whatever else a reply holds
_GONE = 410
_MOST_PAGES = 40  # for the first trade of a time, where only ids can be asked for
_BEFORE = 5 * MINUTE  # a page of bars that lies further back than this before those asked for is another one
_OVERDUE = 3 * DAY  # a file that is not there so long after it should be will not come


class Wrong(GaplessError):
    """An answer that cannot be right; what it says is not stored."""


class Later(CouldNot):
    """A source that may well have it, but not yet."""


class Ask(Struct, frozen=True, kw_only=True):
    """What is asked of a source: ids `first` to `last` of a tape, with the rows held on either side.

    `joint` is the id to begin at: `first`, or that of a held row before it where ids may be spent without a trade.
    `newest` is the newest id held, by which it shows whether a source that does not have them is only late.
    """

    tape: Tape
    first: int
    last: int
    joint: int
    before: Mark | None = None
    after: Mark | None = None
    newest: int | None = None


class Found(Struct):
    """What a source gave: rows, the ranges that it vouches for, ids that it should have had and left out, its price.

    `empty` are minutes that it shows to be empty by leaving them out.
    """

    trades: list[Trade] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    vouched: list[Range] = field(default_factory=list)
    lacks: list[Range] = field(default_factory=list)
    empty: list[Range] = field(default_factory=list)
    weight: int = 0


class Sources:
    """REST and the archive of one venue. `now` gives the venue's time, ns UTC, 0 while it is not known.

    `spent` is what was sent through it; unless it goes on `through_bans`, a ban is raised.
    """

    def __init__(
        self, venue: Venue, hosts: Hosts, rest: RestClient, http: Http, clock: Clock, *,
        now: Callable[[], int], archive: bool = True, through_bans: bool = True,
    ) -> None:  # fmt: skip
        self.requests = 0
        self.spent = Spent()
        self._through_bans = through_bans
        self._venue = venue
        self._hosts = hosts
        self._rest = rest
        self._http = http
        self._clock = clock
        self._now = now
        self._archive = archive

    async def get(self, request: Request, priority: Priority) -> bytes:
        """Send a request of any kind."""
        self.requests += 1
        return await self._rest.get(request, priority=priority, account=self.spent, through_bans=self._through_bans)

    def strict(self, tape: Tape) -> bool:
        """Say whether the ids of a tape are consecutive."""
        return tape.kind in self._venue.limits.consecutive

    # REST

    def by_id(self, tape: Tape) -> bool:
        """Say whether trades of a tape can be asked for by id."""
        return self.trades_request(Ask(tape=tape, first=0, last=0, joint=0)).by_id

    def trades_request(self, ask: Ask) -> Request:
        """Write the request of a page of trades."""
        ids = Ids(first=ask.joint, last=ask.last, before=ask.before, after=ask.after)
        return self._venue.history.trades_request(self._hosts, ask.tape, ids, keyed=self._rest.keyed)

    def bars_request(self, tape: Tape, start: int, end: int) -> Request:
        """Write the request of the bars of [start, end), ns UTC."""
        return self._venue.history.bars_request(self._hosts, _symbol(tape), start, end, self._now())

    async def rest_trades(self, ask: Ask, priority: Priority) -> Found:
        """Ask for one page of trades.

        Where only time can be asked for, and the last second alone is more than a page, once more without it.
        """
        found = await self._trades(ask, priority)
        after = ask.after
        if after is None or not found.trades or found.trades[0].seq < after[0] or self.trades_request(ask).by_id:
            return found
        earlier = await self._trades(replace(ask, after=(after[0], after[1] - SECOND)), priority)
        earlier.weight += found.weight
        return earlier

    async def _trades(self, ask: Ask, priority: Priority) -> Found:
        request = self.trades_request(ask)
        body = await self.get(request, priority)
        rows = self._page(body, ask.tape).rows
        ended: list[Range] = []
        if request.backward:
            if rows and rows[-1].seq > ask.last:
                raise Wrong(f"asked up to id {ask.last} it ends with id {rows[-1].seq}")
            older, rows = rows, [row for row in rows if row.seq >= ask.joint]
            ended = await self._ended_before(ask, rows, priority) if self.strict(ask.tape) else []
            if ended and not older:
                raise Refused(_GONE, 0, "nothing that old is known")
        if not rows:
            return Found(lacks=ended, weight=request.weight)
        if wrong := wrong_trades(rows, ask.joint, by_id=request.by_id, before=ask.before, after=ask.after):
            raise Wrong(wrong)
        if self.strict(ask.tape):
            first = ask.first if request.by_id else rows[0].seq
            lacks = left_out(rows, first) + ended
            return Found(trades=rows, vouched=runs(rows), lacks=lacks, weight=request.weight)
        begin, end = rows[0].seq, rows[-1].seq
        lacks = [(ask.first, begin - 1)] if begin > max(ask.joint, ask.first) else []
        if request.by_id and lacks and begin > ask.last + 1:
            raise Wrong(f"asked from id {ask.joint} it begins with id {begin}")
        begin = begin if begin > ask.joint else max(begin, ask.first)
        vouched = [(begin, end)] if begin <= end else []
        return Found(trades=rows, vouched=vouched, lacks=lacks, weight=request.weight)

    async def _ended_before(self, ask: Ask, rows: list[Trade], priority: Priority) -> list[Range]:
        """List the ids at the end of a page that goes backwards which it lacks, where the source knows later ones."""
        first = rows[-1].seq + 1 if rows else ask.first
        last = min(ask.last, ask.joint + self._venue.limits.page_trades - 1)
        if first > last or ask.newest is None or ask.newest <= last:
            return []
        later = await self.get(self.trades_request(replace(ask, joint=ask.newest, last=ask.newest)), priority)
        return [(first, last)] if any(row.seq > last for row in self._page(later, ask.tape).rows) else []

    def _page(self, body: bytes, tape: Tape) -> Page:
        try:
            return self._venue.history.trades_page(body, tape, None, self._clock.wall())
        except (*UNREADABLE, BadNumber) as error:
            raise Wrong(f"it cannot be read: {error}") from error

    async def first_trade(
        self, tape: Tape, start: int, end: int, priority: Priority, *, after: Mark | None = None
    ) -> int | None:
        """Ask for the id of the first trade in [start, end), ns UTC; None where there is none.

        `after` is a row held at or after `start`: where only ids can be asked for, the first one is looked for before.
        """
        request = self._venue.history.trade_at_request(self._hosts, tape, start)
        if request is None:
            return await self._sought(tape, start, end, priority, after)
        body = await self.get(request, priority)
        try:
            found = self._venue.history.trade_at(body, tape, start)
        except (*UNREADABLE, BadNumber) as error:
            raise Wrong(f"it cannot be read: {error}") from error
        if found and found[1] < start:
            raise Wrong(f"asked from {iso(start)} it begins at {iso(found[1])}")
        return found[0] if found and found[1] < end else None

    async def _sought(self, tape: Tape, start: int, end: int, priority: Priority, after: Mark | None) -> int | None:
        """Look for the first trade of a time by its id, page by page."""
        if not self.strict(tape):
            raise Later(f"the trades of {tape.name} cannot be found by time")
        search = Search(start, after or await self._newest(tape, priority), (0, 0), self._venue.limits.page_trades)
        while search.high[1] >= start and not search.found:
            if search.asked > _MOST_PAGES:
                raise Wrong(f"the first trade from {iso(start)} on was not found in {search.asked} pages")
            ids = search.page()
            ask = Ask(tape=tape, first=ids[0], last=ids[1], joint=ids[0])
            rows = (await self.rest_trades(ask, priority)).trades
            search.saw(ids, [row for row in rows if row.seq <= ids[1]])
        return search.high[0] if start <= search.high[1] < end else None

    async def _newest(self, tape: Tape, priority: Priority) -> Mark:
        body = await self.get(self._venue.history.newest_request(self._hosts, _symbol(tape)), priority)
        try:
            return self._venue.history.newest(body)
        except UNREADABLE as error:
            raise Wrong(f"it cannot be read: {error}") from error

    async def rest_bars(self, tape: Tape, start: int, end: int, priority: Priority) -> Found:
        """Ask for the bars that begin in [start, end), ns UTC; the last one may still be forming."""
        request = self.bars_request(tape, start, end)
        body = await self.get(request, priority)
        try:
            bars = self._venue.history.bars(body, tape)
        except (*UNREADABLE, BadNumber) as error:
            raise Wrong(f"it cannot be read: {error}") from error
        if request.backward:
            bars = _asked_for(bars, start, end)
        if wrong := wrong_bars(bars, start, end):
            raise Wrong(wrong)
        return Found(bars=bars, weight=request.weight)

    # Archive

    def has_archive(self, tape: Tape) -> bool:
        """Say whether there are public files of a tape at all."""
        return self._archive and self._venue.archives.url(self._hosts, _symbol(tape), tape.kind, 0) is not None

    def published(self, day: int) -> bool:
        """Say whether the file of a UTC day (its start in ns) is due."""
        return day + DAY + PUBLISHED_AFTER <= self._now()

    async def archive_trades(self, ask: Ask) -> Found:
        """Read the first file that reaches the hole: of the day of the trade before it, or of a later one."""
        if ask.before is None:
            raise Later(f"nothing is held before id {ask.first} that tells its day")
        day = _day(ask.before[1])
        until = _day(ask.after[1]) if ask.after else None
        skipped = False
        while until is None or day <= until:
            file = await self._file(ask.tape, day)
            skipped |= file is None
            rows = [row for row in file.trades if row.seq >= ask.first] if file else []
            if rows:
                return self._of_file(ask, rows, skipped=skipped)
            day += DAY
        return Found(lacks=[(ask.first, ask.last)])

    def _of_file(self, ask: Ask, rows: list[Trade], *, skipped: bool) -> Found:
        rows = _once(rows)
        if wrong := wrong_trades(rows, ask.first, by_id=True, before=ask.before, after=ask.after):
            raise Wrong(wrong)
        if self.strict(ask.tape):
            return Found(trades=rows, vouched=runs(rows), lacks=left_out(rows, ask.first))
        # Where the file of a day in between is missing, its ids are not known to have been spent.
        begin = rows[0].seq if skipped else ask.first
        lacks = [(ask.first, begin - 1)] if begin > ask.first else []
        return Found(trades=rows, vouched=[(begin, rows[-1].seq)], lacks=lacks)

    async def day_of_trades(self, tape: Tape, day: int) -> list[Trade]:
        """Read the file of a UTC day (its start in ns)."""
        file = await self._file(tape, day)
        if file is None:
            raise Later(f"there is no file of {iso(day)[:10]}")
        rows = _once(file.trades)
        if wrong := wrong_trades(rows, 0, by_id=False):
            raise Wrong(wrong)
        return rows

    async def archive_bars(self, tape: Tape, first: int, last: int) -> Found:
        """Read from the file of the day that minute `first` lies in what it has up to minute `last`."""
        day = _day(first * MINUTE)
        last = min(last, (day + DAY) // MINUTE - 1)
        file = await self._file(tape, day)
        days = {bar.start: bar for bar in file.bars} if file else {}
        bars = [bar for bar in days.values() if first <= bar.start // MINUTE <= last]
        if wrong := wrong_bars(bars, day, day + DAY):
            raise Wrong(wrong)
        shown = [(bar.start // MINUTE, bar.start // MINUTE) for bar in bars]
        return Found(bars=bars, lacks=cut([(first, last)], shown))

    async def _file(self, tape: Tape, day: int) -> ArchiveRows | None:
        """Read the file of a day; None where it was never published."""
        if not self.published(day):
            raise Later(f"the file of {iso(day)[:10]} is not published yet; the hole waits for it")
        received = self._clock.wall()
        file = await fetch_day(self._http, self._venue, self._hosts, tape, day, received=received)
        if file is None and day + DAY + PUBLISHED_AFTER + _OVERDUE > self._now():
            raise Later(f"the file of {iso(day)[:10]} is overdue; the hole waits for it")
        return file


def _asked_for(bars: list[Bar], start: int, end: int) -> list[Bar]:
    """Leave out what a reply holds beside the bars of [start, end), ns UTC; where it has no others it may be wrong."""
    inside = [bar for bar in bars if start <= bar.start < end]
    return inside if inside or all(start - _BEFORE <= bar.start <= end for bar in bars) else bars


def _symbol(tape: Tape) -> str:
    return tape.instrument.partition(":")[2]


def _day(time: int) -> int:
    return time - time % DAY


def _once(rows: list[Trade]) -> list[Trade]:
    """Take what comes again out: the venue's files are known to repeat rows."""
    return list({row.seq: row for row in rows}.values())
