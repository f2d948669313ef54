"""Executions and aggregates as a pure function of (seed, instrument, time).

A day has a fixed number of aggregates. A binary tree of hashes splits it down to 8,192 slots of about 10.5 s, so that
the number of an aggregate gives its slot and a time gives its numbers without anything before them. Trade ids come in
blocks: 64 aggregates share 96 ids, of which hashes say who takes more than one; some ids are spent without a trade.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from gapless.sim.bars import DAY, MINUTE
from gapless.sim.rows import MARKET, RPI, VOID, Bools, Ints, Rows
from gapless.sim.synthetic.hashes import Words, below, hashed, key_of, uniform
from gapless.sim.synthetic.listing import BLOCK_AGGS, BLOCK_IDS, Listing
from gapless.sim.synthetic.path import Path

LEVELS = 13
SLOTS = 1 << LEVELS
CHUNK_SLOTS = ((4_000, 64), (400, 256), (0, 1024))  # (at least so many blocks a day, slots of a chunk)
BORDER_LEAD_MS = 20  # an aggregate that crosses a minute border begins this long before it
BORDER_SPREAD_MS = 90
WINDOW_MS = 100
FILL_LAG_MS = 3
AGG_LAG_MS = 5
KEEP_CHUNKS = 28
KEEP_DAYS = 12
EXTRA = BLOCK_IDS - BLOCK_AGGS
SLOT_EDGES = np.arange(SLOTS + 1, dtype=np.int64) * DAY // SLOTS  # ms of the day


@dataclass(frozen=True, slots=True)
class Day:
    """One day's plan: aggregates before each slot, and where every chunk begins in aggregates and in ids."""

    number: int
    before: Ints
    agg_bounds: Ints
    id_bounds: Ints


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of slots of one instrument: eleven minutes of a busy one, up to three hours of a thin one."""

    fills: Rows
    aggs: Rows


class Generator:
    """Makes days and chunks of one instrument and keeps the newest used ones."""

    def __init__(self, seed: int, index: int, item: Listing, *, futures: bool) -> None:
        """Derives all keys from seed, rank and market."""
        self.item = item
        self.futures = futures
        self.key = key_of(seed, index, 1 if futures else 2)
        way = self.key if item.rank is None else key_of(seed, item.rank, 1)
        self.path = Path(key_of(way, 3), item.middle)
        self.chunk_slots = next(slots for least, slots in CHUNK_SLOTS if item.blocks >= least)
        self.chunks = SLOTS // self.chunk_slots
        self.edges: list[int] = SLOT_EDGES[:: self.chunk_slots].tolist()
        self.day_aggs = item.blocks * BLOCK_AGGS
        self.day_ids = item.blocks * BLOCK_IDS
        self._days: OrderedDict[int, Day] = OrderedDict()
        self._chunks: OrderedDict[int, Chunk] = OrderedDict()

    def day(self, number: int) -> Day:
        """Returns the plan of a day, counted from 1970."""
        found = self._days.get(number)
        if found is None:
            found = self._days[number] = self._plan(number)
            if len(self._days) > KEEP_DAYS:
                self._days.popitem(last=False)
        return found

    def _plan(self, number: int) -> Day:
        counts = np.array([self.day_aggs], dtype=np.int64)
        for level in range(LEVELS):
            word = hashed(key_of(self.key, number, level), np.arange(len(counts), dtype=np.int64))
            share = 0.5 + 0.24 * (uniform(word) - 0.5)
            left = np.floor(counts * share + uniform(word << np.uint64(21))).astype(np.int64)
            left = np.minimum(left, counts)
            counts = np.stack((left, counts - left), axis=1).reshape(-1)
        before = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))
        bounds = before[:: self.chunk_slots]
        blocks = np.minimum(bounds // BLOCK_AGGS, self.item.blocks - 1)
        starts = self._starts(number, blocks)
        within = bounds - blocks * BLOCK_AGGS
        ids = blocks * BLOCK_IDS + starts[np.arange(len(blocks)), within]
        return Day(number, before, bounds, ids)

    def _starts(self, day: int, blocks: Ints) -> Ints:
        """Returns for each block where its aggregates' ids begin, and its end, counted from the block's first id."""
        draws = (blocks[:, None] * EXTRA + np.arange(EXTRA, dtype=np.int64)[None, :]).reshape(-1)
        owner = below(hashed(key_of(self.key, day, 101), draws), BLOCK_AGGS)
        flat = np.repeat(np.arange(len(blocks), dtype=np.int64), EXTRA) * BLOCK_AGGS + owner
        counts = 1 + np.bincount(flat, minlength=len(blocks) * BLOCK_AGGS).reshape(len(blocks), BLOCK_AGGS)
        return np.concatenate((np.zeros((len(blocks), 1), dtype=np.int64), np.cumsum(counts, axis=1)), axis=1)

    def chunk(self, number: int) -> Chunk:
        """Returns a chunk; its number is day x chunks of a day + part."""
        found = self._chunks.get(number)
        if found is None:
            found = self._chunks[number] = self._make(*divmod(number, self.chunks))
            if len(self._chunks) > KEEP_CHUNKS:
                self._chunks.popitem(last=False)
        else:
            self._chunks.move_to_end(number)
        return found

    def _make(self, number: int, part: int) -> Chunk:
        day = self.day(number)
        first, last = int(day.agg_bounds[part]), int(day.agg_bounds[part + 1])
        index = np.arange(first, last, dtype=np.int64)
        slots = slice(part * self.chunk_slots, (part + 1) * self.chunk_slots + 1)
        time, end = self._times(day, index, slots)
        blocks = np.arange(
            first // BLOCK_AGGS, (last - 1) // BLOCK_AGGS + 1 if last > first else first // BLOCK_AGGS, dtype=np.int64
        )
        starts = self._starts(number, blocks)
        begin = (starts[:, :-1] + blocks[:, None] * BLOCK_IDS).reshape(-1)
        width = np.diff(starts, axis=1).reshape(-1)
        inside = (
            slice(first - int(blocks[0]) * BLOCK_AGGS, last - int(blocks[0]) * BLOCK_AGGS)
            if len(blocks)
            else slice(0, 0)
        )
        fills, owner = self._fills(number, index, time, end, begin[inside], width[inside])
        return Chunk(fills, self._aggs(number, index, time, end, fills, owner))

    def _times(self, day: Day, index: Ints, slots: slice) -> tuple[Ints, Ints]:
        """Returns when each aggregate begins and the end of its slot, ms UTC."""
        edges = SLOT_EDGES[slots] + day.number * DAY
        counts = np.diff(day.before[slots])
        start, end = np.repeat(edges[:-1], counts), np.repeat(edges[1:], counts)
        word = hashed(key_of(self.key, day.number, 7), index)
        offset = np.floor(uniform(word) * (end - start)).astype(np.int64)
        bursts = (word & np.uint64(3)) == 0  # a quarter shares instants: several aggregates in one millisecond
        offset = np.where(bursts, offset // 80 * 80, offset)
        time = np.sort(start + offset)
        return (self._crossed(time, end) if self.futures else time), end

    def _crossed(self, time: Ints, end: Ints) -> Ints:
        """Moves the last aggregate before every other minute border close to it: its later fills lie behind it."""
        if not len(time):
            return time
        borders = np.arange(int(time[0]) // MINUTE + 1, int(time[-1]) // MINUTE + 1, dtype=np.int64) * MINUTE
        last = np.searchsorted(time, borders) - 1
        chosen = (hashed(key_of(self.key, 23), borders) & np.uint64(1)) == 0
        chosen &= (
            (borders - time[last] < 2_000)
            & (time[last] <= borders - BORDER_LEAD_MS)
            & (end[last] > borders + WINDOW_MS)
        )
        time[last[chosen]] = borders[chosen] - BORDER_LEAD_MS
        return time

    def _fills(self, day: int, index: Ints, time: Ints, end: Ints, begin: Ints, width: Ints) -> tuple[Rows, Ints]:
        """Returns the executions and, for each, the position of its aggregate."""
        owner = np.repeat(np.arange(len(index), dtype=np.int64), width)
        place = np.arange(len(owner), dtype=np.int64) - np.repeat(np.cumsum(width) - width, width)
        ids = day * self.day_ids + begin[owner] + place
        word = hashed(key_of(self.key, 11), ids)
        flag = np.full(len(ids), MARKET, dtype=np.int64)
        when = time[owner]
        if self.futures:
            flag[(word & np.uint64(31)) == 1] = RPI
            flag[(place > 0) & ((word & np.uint64(15)) == 0)] = VOID
            spread = below(hashed(key_of(self.key, day, 13), index), 2 * WINDOW_MS) - WINDOW_MS
            spread[time % MINUTE == MINUTE - BORDER_LEAD_MS] = BORDER_SPREAD_MS
            following = np.append(time[1:], end[-1:])[: len(time)]
            limit = np.minimum(following, end - 1)
            shift = np.maximum(spread, 0)[owner] * place // np.maximum(width[owner], 1)
            when = np.minimum(when + shift, np.maximum(limit, time)[owner])
        price, maker = self._prices(day, index, time)
        qty = self._sizes(word)
        void = flag == VOID
        fills = Rows(
            ids=ids,
            price=np.where(void, 0, price[owner]),
            qty=np.where(void, 0, qty),
            net=np.where(void | (flag == RPI), 0, qty),
            first=ids,
            last=ids,
            time=when,
            push=when + FILL_LAG_MS,
            maker=maker[owner],
            flag=flag,
        )
        return fills, owner

    def _prices(self, day: int, index: Ints, time: Ints) -> tuple[Ints, Bools]:
        """Returns price in units and side; neighbours differ in parity, so that no two could have been one."""
        word = hashed(key_of(self.key, day, 17), index)
        level = self.path.ticks(time) // 2 * 2
        jitter = (below(word, 3) - 1) * 2
        price = (level + jitter + (index & 1)) * self.item.tick
        return price, (word & np.uint64(1)) == 1

    def _sizes(self, word: Words) -> Ints:
        """Returns sizes in steps: many small ones, few large ones."""
        share = uniform(word << np.uint64(9))
        return 1 + np.floor(self.item.lot * (1.0 / np.sqrt(share) - 1.0)).astype(np.int64)

    def _aggs(self, day: int, index: Ints, time: Ints, end: Ints, fills: Rows, owner: Ints) -> Rows:
        count = len(index)
        if not count:
            return fills.cut(0, 0)
        start = np.searchsorted(owner, np.arange(count), side="left")
        live = fills.flag != VOID
        last = np.maximum.reduceat(np.where(live, fills.ids, 0), start)
        if self.futures:
            following = np.append(time[1:], end[-1])
            push = np.minimum(np.minimum(time + WINDOW_MS, following), end) + AGG_LAG_MS
        else:
            push = time + FILL_LAG_MS + 1
        return Rows(
            ids=day * self.day_aggs + index,
            price=fills.price[start],
            qty=np.add.reduceat(fills.qty, start),
            net=np.add.reduceat(fills.net, start),
            first=fills.ids[start],
            last=last,
            time=time,
            push=push,
            maker=fills.maker[start],
            flag=np.zeros(count, dtype=np.int64),
        )
