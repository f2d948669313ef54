"""Goes back through the trades of a time, page by page, where nothing but time can be asked for."""

from collections.abc import AsyncIterator, Awaitable, Callable

from msgspec import Struct

from gapless.collect.sources import Ask, Found
from gapless.model import SECOND, Tape, Trade
from gapless.ports import TapeReader
from gapless.tape.page import Mark

_BEYOND = 2**62  # an id after all others
_STEPS = 3  # seconds of which a page shows nothing new, one after the other, before they count as its last


class Walk(Struct):
    """Trades of `tape` from the newest of a time to those before it, those that `store` holds left out.

    `oldest` is the newest id that was seen to lie before that time, None while none was.
    """

    tape: Tape
    store: TapeReader
    page: Callable[[Ask], Awaitable[Found]]
    oldest: int | None = None

    async def back(self, start: int, end: int) -> AsyncIterator[list[Trade]]:
        """Give the trades up to a time `end`, a page at a time, each ascending, until one lies before `start`.

        Pages are read over the instant at which the one before ended, because only part of it may have been on that.
        """
        at: Mark = (_BEYOND, end)
        back = 0
        while at[1] >= start and back < _STEPS:
            ask = Ask(tape=self.tape, first=0, last=_BEYOND, joint=0, after=(_BEYOND, at[1] - back * SECOND))
            rows = (await self.page(ask)).trades
            if not rows:
                return
            fresh = [row for row in rows if row.seq < at[0]]
            back = 0 if fresh else back + 1
            if fresh:
                at = self._held((fresh[0].seq, fresh[0].time))
                self.oldest = max((row.seq for row in rows if row.time < start), default=None)
                yield fresh
        if at[1] < start and self.oldest is None:
            self.oldest = at[0]

    def _held(self, at: Mark) -> Mark:
        """Go on where what is held right before an id begins."""
        before = at[0] - 1
        span = next((one for one in self.store.spans(self.tape.id, before, before) if one.first <= before), None)
        if span is None or span.last < before:
            return at
        row = self.store.trade_after(self.tape.id, span.first - 1)
        return (row.seq, row.time) if row and row.seq < at[0] else at


def beside(rows: list[Trade], start: int, end: int, *, neighbours: bool) -> list[Trade]:
    """Take of some trades, ascending, those of [start, end), and of `neighbours` the one before and the one after."""
    first = next((index for index, row in enumerate(rows) if row.time >= start), len(rows))
    stop = next((index for index, row in enumerate(rows) if row.time >= end), len(rows))
    return rows[max(first - neighbours, 0) : stop + neighbours]
