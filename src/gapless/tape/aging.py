"""How long what was collected stays, and what of a ledger is left when ids of it go."""

from collections.abc import Iterable

from msgspec import Struct

from gapless.errors import BadInput
from gapless.model import DAY, HOUR, Span
from gapless.model.times import parse_duration
from gapless.tape.coverage import Range, cut, without

_LEAST = HOUR  # what repair and restarts look back to must still be there


class Ages(Struct, frozen=True, kw_only=True):
    """How old things may grow, ns; None: they stay for ever. Candles always do."""

    trades: int | None = 7 * DAY
    ladders: int | None = 30 * DAY
    events: int | None = 90 * DAY
    log: int | None = 7 * DAY
    signals: int | None = None

    @property
    def ladders_at_least(self) -> int | None:
        """The age of ladders: none goes before the trades that it is made of."""
        return None if self.trades is None or self.ladders is None else max(self.trades, self.ladders)

    @property
    def log_at_most(self) -> int | None:
        """The age of the log: its cursors promise rows, and the trades that it names must still be there."""
        return min((age for age in (self.trades, self.log) if age is not None), default=None)


def read_age(key: str, text: str) -> int | None:
    """Read how long something stays: a duration from 1h on, or nothing for ever."""
    if not text.strip():
        return None
    try:
        age = parse_duration(text)
    except BadInput as error:
        raise BadInput(f"{key}: {error}") from error
    if age < _LEAST:
        raise BadInput(f'{key}: {text!r} is not allowed; allowed are 1h and more, as in 7d, and "" for ever')
    return age


def left(spans: Iterable[Span], gone: Range) -> list[Span]:
    """Take ids out of vouched spans; what is left keeps its evidence."""
    return [Span(a, b, span.evidence) for span in spans for a, b in cut([(span.first, span.last)], [gone])]


def within(ranges: Iterable[Range], bounds: Range) -> list[Range]:
    """Give what of ranges, ascending, lies within bounds."""
    return cut([bounds], cut([bounds], ranges))


def missing(wanted: Iterable[Range], held: Iterable[Span], bounds: Range) -> list[Range]:
    """Give what within bounds is wanted and not held; all ascending."""
    spans = list(held)
    return [hole for part in within(wanted, bounds) for hole in without(part, spans)]
