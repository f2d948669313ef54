"""Aggregates made from single executions by the venue's rule."""

from __future__ import annotations

import numpy as np

from gapless.sim.rows import OTHER, RPI, Rows, rows_from

WINDOW_MS = 100  # USD-M: fills of one price and side within this of the first
PUSH_LAG_MS = 3


def aggregate(fills: Rows, futures: bool, first_id: int) -> Rows:
    """Groups consecutive fills of the same price and side; ids run on from `first_id`.

    USD-M joins what lies within 100 ms of the first fill and leaves out fills that are neither MARKET nor RPI, though
    these use up ids; spot joins what shares one instant. An aggregate carries the time of its first fill and is pushed
    when it closes.
    """
    traded = fills.where(fills.flag < OTHER)
    groups = _group(traded, WINDOW_MS if futures else 0)
    if not groups:
        return rows_from({name: [] for name in ("ids", "price", "qty", "time", "push")}, [])
    start = np.array(groups, dtype=np.int64)
    stop = np.append(start[1:], len(traded))
    net = np.where(traded.flag == RPI, 0, traded.qty)
    time = traded.time[start]
    last_push = traded.push[stop - 1]
    if futures:
        following = np.append(time[1:], time[-1] + WINDOW_MS)
        push = np.maximum(np.minimum(time + WINDOW_MS, following), last_push) + PUSH_LAG_MS
    else:
        push = last_push + 1
    return Rows(
        ids=np.arange(first_id, first_id + len(start), dtype=np.int64),
        price=traded.price[start],
        qty=np.add.reduceat(traded.qty, start),
        net=np.add.reduceat(net, start),
        first=traded.ids[start],
        last=traded.ids[stop - 1],
        time=time,
        push=np.maximum.accumulate(push),
        maker=traded.maker[start],
        flag=np.zeros(len(start), dtype=np.int64),
    )


def _group(rows: Rows, window: int) -> list[int]:
    """Returns the position of the first fill of every aggregate."""
    starts: list[int] = []
    price, maker, began = None, None, 0
    triples = zip(rows.price.tolist(), rows.maker.tolist(), rows.time.tolist(), strict=True)
    for position, (p, m, t) in enumerate(triples):
        if p != price or m != maker or t - began > window:
            starts.append(position)
            price, maker, began = p, m, t
    return starts
