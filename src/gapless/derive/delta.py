"""Cumulative delta over bars, and where it disagrees with the price."""

from collections.abc import Sequence

from msgspec import Struct

from gapless.derive.footprint_settings import DEFAULTS


def cumulative_delta(bars: Sequence["DeltaBar"]) -> list[int]:
    """Sum the deltas of bars in time order, from 0 again wherever the session changes."""
    sums: list[int] = []
    session, running = None, 0
    for bar in bars:
        running = running + bar.delta if bar.session == session else bar.delta
        session = bar.session
        sums.append(running)
    return sums


def divergences(bars: Sequence["DeltaBar"], *, window: int = DEFAULTS.divergence_bars) -> list["Divergence"]:
    """Find new highs with a lower cumulative delta than at the high before, and the mirror at lows.

    A high is new when it is above those of the `window` bars before, all of one session (cumulative deltas of
    two sessions do not compare). Of equal highs before, the latest counts.
    """
    sums = cumulative_delta(bars)
    found = []
    for now in range(window, len(bars)):
        bar, before = bars[now], range(now - window, now)
        if any(bars[i].session != bar.session for i in before):
            continue
        top = max(before, key=lambda i: (bars[i].high, i))
        bottom = min(before, key=lambda i: (bars[i].low, -i))
        if bar.high > bars[top].high and sums[now] < sums[top]:
            found.append(Divergence(now, top, -1, sums[now], sums[top]))
        if bar.low < bars[bottom].low and sums[now] > sums[bottom]:
            found.append(Divergence(now, bottom, 1, sums[now], sums[bottom]))
    return found


class DeltaBar(Struct, frozen=True, gc=False):
    """A bar's range and delta; `session` is any number that changes where cumulative delta starts anew."""

    high: int
    low: int
    delta: int
    session: int = 0


class Divergence(Struct, frozen=True, gc=False):
    """A new extreme at bar `index` that the cumulative delta does not confirm, against bar `before`.

    `side` is -1 at a high (buyers are missing) and 1 at a low. `cvd` is the cumulative delta at each.
    """

    index: int
    before: int
    side: int
    cvd: int
    cvd_before: int
