"""Footprints: a ladder formed into price rows, with everything that is read from them.

Rows are integers: the row of a price is floor(price / (tick * ticks_per_row)), and no float is a key or a sum.
"""

from collections.abc import Sequence
from itertools import count

from msgspec.structs import asdict

from gapless.derive.footprint_settings import DEFAULTS, FootprintSettings
from gapless.derive.orderflow import findings, imbalances, stacked, unfinished
from gapless.derive.profile import median_twice, nodes, value_area
from gapless.errors import BadInput
from gapless.model.footprint import Footprint, Ladder, Row


def footprint_of(
    ladder: Ladder,
    *,
    tick: int,
    ticks_per_row: int,
    close: int | None = None,
    profile: bool = False,
    settings: FootprintSettings = DEFAULTS,
) -> Footprint:
    """Form the footprint of a span, or its volume profile, whose value area grows by two rows whatever their number.

    `tick` is in price units. `close` is the bar's last price; without it absorption is not judged. Raises
    `BadInput` when the range needs more than `settings.most_rows` rows.
    """
    height = tick * ticks_per_row
    thresholds = {name: int(value) for name, value in asdict(settings).items()}
    rows = rows_of(ladder, height=height, most_rows=settings.most_rows)
    step = 1 if len(rows) <= settings.single_step_rows and not profile else 2
    if not rows:
        return Footprint(tick=tick, ticks_per_row=ticks_per_row, rows_per_step=step, thresholds=thresholds)
    totals = [row.total for row in rows]
    area = value_area(totals, percent=settings.value_area_percent, rows_per_step=step)
    diagonal = imbalances(rows, settings=settings)
    high_nodes, low_nodes = nodes(
        totals, high_percent=settings.high_node_percent, low_percent=settings.low_node_percent
    )
    extremes = ladder.prices[0], ladder.prices[-1]
    return Footprint(
        tick=tick,
        ticks_per_row=ticks_per_row,
        rows=tuple(rows),
        volume=sum(totals),
        delta=ladder.delta,
        min_delta=ladder.min_delta,
        max_delta=ladder.max_delta,
        poc=rows[area.poc].price,
        val=rows[area.low].price,
        vah=rows[area.high].price,
        value_volume=area.volume,
        rows_per_step=step,
        imbalances=tuple(diagonal),
        stacked=tuple(stacked(diagonal, height=height, rows=settings.stacked_rows)),
        unfinished=unfinished(rows) if ticks_per_row == 1 else None,
        high_nodes=tuple(rows[i].price for i in high_nodes),
        low_nodes=tuple(rows[i].price for i in low_nodes),
        findings=findings(rows, extremes=extremes, close=close, settings=settings),
        thresholds=thresholds,
    )


def rows_of(ladder: Ladder, *, height: int, most_rows: int = DEFAULTS.most_rows) -> list[Row]:
    """Form the rows of a ladder, low to high, each `height` price units high, zero rows included.

    Raises `BadInput` when there would be more than `most_rows`.
    """
    if not ladder.prices:
        return []
    lowest = ladder.prices[0] // height
    size = ladder.prices[-1] // height - lowest + 1
    if size > most_rows:
        raise BadInput(f"this footprint would have {size} rows; {most_rows} are allowed, so choose more ticks a row")
    bids, asks, unknowns, trades = [0] * size, [0] * size, [0] * size, [0] * size
    columns = zip(ladder.prices, ladder.bids, ladder.asks, ladder.unknowns, ladder.trades, strict=True)
    for price, bid, ask, unknown, executions in columns:
        row = price // height - lowest
        bids[row] += bid
        asks[row] += ask
        unknowns[row] += unknown
        trades[row] += executions
    return list(map(Row, count(lowest * height, height), bids, asks, unknowns, trades))


def automatic_ticks_per_row(ranges: Sequence[int], *, tick: int, settings: FootprintSettings = DEFAULTS) -> int:
    """Give the smallest of 1, 2, 5 x 10^k ticks that shows a typical bar in at most `rows_per_bar` rows.

    `ranges` are high - low of bars in price units, newest last; the typical one is the median of the newest
    `typical_bars`. A range fits when it does so wherever on the grid it begins. Without bars it is 1.
    """
    if not ranges:
        return 1
    typical_twice = median_twice(ranges[-settings.typical_bars :])
    scale = 1
    while True:
        for mantissa in (1, 2, 5):
            step = mantissa * scale
            # A range of r ticks touches at most ceil(r / step) + 1 rows.
            if typical_twice <= 2 * tick * step * (settings.rows_per_bar - 1):
                return step
        scale *= 10
