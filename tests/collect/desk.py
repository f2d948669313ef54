"""A pipeline over a store in memory, fed by hand."""

from functools import partial
from typing import Any

import msgspec
from manual import EPOCH
from tiny_market import BTC, ID

from gapless.collect.line import load_line
from gapless.collect.pending import Pending
from gapless.collect.pipeline import Pipeline
from gapless.derive.settle import Commit, settle
from gapless.model import DAY, SECOND, TapeKind
from gapless.store.sqlite import SqliteStore
from gapless.venues.registry import venue
from gapless.venues.spec import StreamKind

BINANCE = venue("binance")
WEEK = 7 * DAY


class Desk:
    """A pipeline over a store in memory: `hear` takes frames, `commit` writes what is pending."""

    def __init__(
        self, *, kind: TapeKind = "agg", history: int = 0, store: SqliteStore | None = None, within: int = WEEK
    ) -> None:
        self.store = store or SqliteStore(":memory:", environment="sim")
        self.store.put_instrument(BTC)
        self.fast: list[int] = []
        self.pending = Pending()
        self.pipeline = Pipeline(
            BINANCE, self.pending, resume_within=within,
            fast=lambda name, rows: self.fast.extend(row.seq for row in rows),
        )  # fmt: skip
        self.line = load_line(self.store, BTC, self.store.open_tape(ID, kind), self.store.open_tape(ID, "bars"))
        assert self.line.trades
        assert self.line.bars
        self.trades, self.bars = self.line.trades, self.line.bars
        self.bars.history = history
        self.pipeline.lines[ID] = self.line
        kinds: list[StreamKind] = [kind, "bars", "ticker", "quote", "depth"]
        self.pipeline.watch([BINANCE.streams.stream(BTC, one) for one in kinds])

    def hear(self, *frames: Any, mono: int = SECOND) -> list[bytes]:
        """Hear frames in one batch; give those that are none or do not fit."""
        grouped = BINANCE.streams.group([msgspec.json.encode(frame) for frame in frames])
        return grouped.malformed + self.pipeline.batch(grouped.runs, EPOCH, mono)

    def take(self, mono: int = SECOND, known_at: int = EPOCH) -> Commit:
        return self.pending.take({ID: self.trades.tape}, now=self.pipeline.clock.now(mono), known_at=known_at)

    def commit(self, mono: int = SECOND, known_at: int = EPOCH) -> None:
        self.store.commit(partial(settle, commit=self.take(mono, known_at)))

    def held(self) -> list[int]:
        return [row.seq for row in self.store.trades(self.trades.tape.id, 0, 2**62)]

    def wanted(self) -> list[tuple[int, int]]:
        return self.store.wanted(self.trades.tape.id)
