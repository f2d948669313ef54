"""Says what cannot be right about a page of history; a page that is right is never turned away."""

from collections.abc import Sequence
from itertools import pairwise

from gapless.model import MINUTE, Bar, Trade, iso
from gapless.tape.coverage import Range, cut

_SLACK = MINUTE  # times may run back a little from id to id; those of another symbol are hours or years away

Mark = tuple[int, int]
"""A row that is held: its id and its time, ns UTC."""


def wrong_trades(
    rows: Sequence[Trade], first: int, *, by_id: bool, before: Mark | None = None, after: Mark | None = None
) -> str | None:
    """Say why trades, sorted by id and asked for from id `first` on, are not of the tape; None where they may be.

    `before` and `after` are rows held on either side of the hole: ids and times must lie in order between them.
    """
    if not rows:
        return None
    if by_id and rows[0].seq < first:
        return f"asked from id {first} it begins with id {rows[0].seq}"
    for one, following in pairwise(rows):
        if following.seq == one.seq:
            return f"id {one.seq} comes twice"
        if following.time < one.time - _SLACK:
            return f"the time of id {following.seq} runs back to {iso(following.time)} from {iso(one.time)}"
    for mark in (before, after):
        if mark and (misfit := _misfit(rows, mark)):
            return misfit
    return None


def _misfit(rows: Sequence[Trade], mark: Mark) -> str | None:
    seq, time = mark
    row = next(
        (
            r
            for r in (rows[0], rows[-1])
            if (r.seq <= seq and r.time > time + _SLACK) or (r.seq >= seq and r.time < time - _SLACK)
        ),
        None,
    )
    if row is None:
        return None
    return f"the time of id {row.seq}, {iso(row.time)}, does not fit that of id {seq}, which is held, {iso(time)}"


def left_out(rows: Sequence[Trade], first: int) -> list[Range]:
    """List the ids from `first` to the last row that a page does not have."""
    return cut([(first, rows[-1].seq)], runs(rows)) if rows else []


def runs(rows: Sequence[Trade]) -> list[Range]:
    """List the runs of consecutive ids of a page."""
    found: list[Range] = []
    for row in rows:
        if found and row.seq == found[-1][1] + 1:
            found[-1] = (found[-1][0], row.seq)
        else:
            found.append((row.seq, row.seq))
    return found


def wrong_bars(bars: Sequence[Bar], start: int, end: int) -> str | None:
    """Say why bars asked for in [start, end), ns UTC, cannot be right; None where they may be."""
    for bar in bars:
        if not start <= bar.start < end:
            return f"asked from {iso(start)} to {iso(end)} it has a bar of {iso(bar.start)}"
        if bar.start % MINUTE:
            return f"a bar begins at {iso(bar.start)}, which is no minute"
        if bar.low > bar.high:
            return f"the bar of {iso(bar.start)} has its low above its high"
    for one, following in pairwise(bars):
        if following.start <= one.start:
            return f"after the bar of {iso(one.start)} comes that of {iso(following.start)}"
    return None


def bar_runs(bars: Sequence[Bar]) -> list[list[Bar]]:
    """Split bars where a minute is missing: a reply vouches for the minutes that it shows, and for no other."""
    found: list[list[Bar]] = []
    for bar in bars:
        if found and bar.start == found[-1][-1].start + MINUTE:
            found[-1].append(bar)
        else:
            found.append([bar])
    return found


def omitted(bars: Sequence[Bar], first: int, last: int) -> list[Range]:
    """List the minutes of `first` to `last` that a page of bars does not have."""
    shown = [(bar.start // MINUTE, bar.start // MINUTE) for bar in bars]
    return cut([(first, last)], shown) if first <= last else []
