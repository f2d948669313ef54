"""What a footprint's rows say: imbalances, unfinished auctions, absorption, exhaustion.

Rows come low to high without a hole, as in `Footprint.rows`. A row beyond an end, or one where nothing traded,
is a zero row.
"""

from collections.abc import Sequence
from itertools import accumulate, groupby, pairwise

from gapless.derive.footprint_settings import FootprintSettings
from gapless.derive.profile import median_twice
from gapless.model.footprint import Extreme, Finding, Imbalance, Row, Zone


def median_row_twice(rows: Sequence[Row]) -> int:
    """Give twice the median volume of the rows that traded; a median over empty rows would let anything pass."""
    traded = [row.total for row in rows if row.total]
    return median_twice(traded) if traded else 0


def imbalances(rows: Sequence[Row], *, settings: FootprintSettings) -> list[Imbalance]:
    """Give the diagonal imbalances, low to high: asks against the bid below, bids against the ask above."""
    minimum = median_row_twice(rows)
    bids_below = [0, *(row.bid for row in rows)]
    asks_above = [*(row.ask for row in rows[1:]), 0]
    found = []
    for row, bid_below, ask_above in zip(rows, bids_below, asks_above, strict=False):
        for side, volume, opposite in ((1, row.ask, bid_below), (-1, row.bid, ask_above)):
            outweighs = 100 * volume >= settings.imbalance_percent * opposite
            if 2 * volume >= minimum and outweighs and (opposite or settings.imbalance_zero_opposite):
                found.append(Imbalance(row.price, side, volume, opposite))
    return found


def stacked(found: Sequence[Imbalance], *, height: int, rows: int = 3) -> list[Zone]:
    """Give the zones of at least `rows` adjacent imbalances of one side, low to high, buys first.

    `height` is the height of a row in price units.
    """
    zones = []
    for side in (1, -1):
        prices = [imbalance.price for imbalance in found if imbalance.side == side]
        # Adjacent prices rise by the height like their index does, so the difference is the same within a zone.
        for _, run in groupby(enumerate(prices), key=lambda pair: pair[1] - height * pair[0]):
            zone = [price for _, price in run]
            if len(zone) >= rows:
                zones.append(Zone(side, zone[0], zone[-1], len(zone)))
    return zones


def unfinished(rows: Sequence[Row]) -> tuple[Extreme, ...]:
    """Name the extremes where both sides traded; means something for rows of one tick only."""
    ends: tuple[tuple[Extreme, Row], ...] = (("high", rows[-1]), ("low", rows[0]))
    return tuple(name for name, row in ends if row.bid and row.ask)


def findings(
    rows: Sequence[Row], *, extremes: tuple[int, int], close: int | None, settings: FootprintSettings
) -> tuple[Finding, ...]:
    """Give every heuristic that fires; `extremes` are the bar's low and high. Absorption needs its close."""
    low, high = extremes
    absorbed = [] if close is None else absorptions(rows, low=low, high=high, close=close, settings=settings)
    return *absorbed, *exhaustions(rows, settings=settings)


def absorptions(rows: Sequence[Row], *, low: int, high: int, close: int, settings: FootprintSettings) -> list[Finding]:
    """Find the extremes where much was bought (or sold) and which did not hold.

    The attacking volume of the outer rows, at most `absorption_rows` and never beyond the middle, is at least
    `absorption_percent` of the median row, and the close is back inside by `absorption_return_percent` of the
    range. The finding names the fewest rows that suffice.
    """
    minimum = settings.absorption_percent * median_row_twice(rows)
    way_back = {"high": high - close, "low": close - low}
    found = []
    for end, attack in _attacks(rows):
        returned = 100 * way_back[end] >= settings.absorption_return_percent * (high - low)
        outer = attack[: min(settings.absorption_rows, len(rows) // 2)]
        for count, volume in enumerate(accumulate(outer), start=1):
            if returned and 200 * volume >= minimum:  # 200: per cent of twice the median
                found.append(Finding("absorption", end, count, volume))
                break
    return found


def exhaustions(rows: Sequence[Row], *, settings: FootprintSettings) -> list[Finding]:
    """Find the extremes towards which the attacking volume died away.

    It falls from row to row over the last `exhaustion_rows` rows, to at most `exhaustion_percent` of the median.
    """
    count = settings.exhaustion_rows
    limit = settings.exhaustion_percent * median_row_twice(rows)
    found = []
    for end, attack in _attacks(rows):
        last = attack[:count]
        falls = all(outer < inner for outer, inner in pairwise(last))
        if len(last) == count and falls and 200 * last[0] <= limit:
            found.append(Finding("exhaustion", end, count, last[0]))
    return found


def _attacks(rows: Sequence[Row]) -> tuple[tuple[Extreme, list[int]], ...]:
    """Give, for each extreme, the volume that drove the price there, from the extreme row inwards."""
    return ("high", [row.ask for row in reversed(rows)]), ("low", [row.bid for row in rows])
