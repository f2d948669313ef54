"""A swap as OKX sends it, collected without sockets: bars that tell no counts, rows of one or of several executions."""

import json
from collections import defaultdict
from decimal import Decimal
from functools import partial

from msgspec import Struct

from gapless.collect.line import load_line
from gapless.collect.pending import Pending
from gapless.collect.pipeline import Pipeline
from gapless.derive.deriver import Deriver
from gapless.derive.settle import settle
from gapless.derive.signals.settings import SignalSettings
from gapless.model import DAY, MINUTE, MS, SECOND, Evidence, Instrument
from gapless.store.sqlite import SqliteStore
from gapless.venues.registry import venue

OKX = venue("okx")
SWAP = Instrument(
    venue="okx", symbol="BTC-USDT-SWAP", base="BTC", quote="USDT", kind="perpetual", price_digits=1, size_digits=4,
    tick=1, contract_size="0.01",
)  # fmt: skip
T0 = 1_767_787_200_000  # 2026-01-07 12:00 UTC, ms


class Execution(Struct, frozen=True):
    """One execution as the venue counts it: `ms` after T0, contracts."""

    id: int
    ms: int
    px: str
    sz: str
    side: str

    @property
    def row(self) -> dict[str, str]:
        """The row of REST and of trades-all."""
        return {
            "instId": SWAP.symbol, "tradeId": str(self.id), "px": self.px, "sz": self.sz, "side": self.side,
            "ts": str(T0 + self.ms), "source": "0",
        }  # fmt: skip

    @property
    def size(self) -> Decimal:
        """In base units."""
        return Decimal(self.sz) * Decimal(SWAP.contract_size)


def market(count: int, *, first: int = 101, every: int = 7_000) -> list[list[Execution]]:
    """Make takers, each with its one to three executions of one price, side and instant."""
    takers, at = [], first
    for n in range(count):
        px, side = f"{84_000 + n * 7 % 11}.{n % 10}", ("buy", "sell")[n * 3 % 5 % 2]
        fills = [Execution(at + i, n * every, px, f"{1 + (n + i) % 4}.5", side) for i in range(1 + n % 3)]
        takers.append(fills)
        at += len(fills)
    return takers


def candle(executions: list[Execution], minute: int) -> list[str]:
    """Make the venue's closed bar of a minute, by brute force."""
    inside = [one for one in executions if one.ms // 60_000 == minute]
    prices = [Decimal(one.px) for one in inside]
    contracts = sum(Decimal(one.sz) for one in inside)
    quote = sum(one.size * Decimal(one.px) for one in inside)
    shape = (prices[0], max(prices), min(prices), prices[-1], contracts, contracts * Decimal("0.01"), quote)
    return [str(T0 + minute * 60_000), *(f"{value:f}" for value in shape), "1"]


class Swap:
    """A pipeline over a store: what a collector of OKX does, without sockets; `kind` is that of its tape."""

    def __init__(self, kind: str = "trade", path: str = ":memory:") -> None:
        self.store = SqliteStore(path, environment="live")
        self.store.put_instrument(SWAP)
        self.pending = Pending()
        self.pipeline = Pipeline(OKX, self.pending, resume_within=7 * DAY, fast=lambda name, rows: None)
        tapes = self.store.open_tape(SWAP.id, kind), self.store.open_tape(SWAP.id, "bars")
        self.line = load_line(self.store, SWAP, *tapes)
        self.pipeline.lines[SWAP.id] = self.line
        self.pipeline.watch([OKX.streams.stream(SWAP, one) for one in (kind, "bars")])
        self.deriver = Deriver(SignalSettings())
        self.tape = self.line.trades.tape
        self.mono = 0

    @property
    def known_at(self) -> int:
        """The time of the machine, which is not the market's: a second passes with each thing that is received."""
        return (T0 + 3_600_000) * MS + self.mono * SECOND

    def hear(self, channel: str, rows: list) -> None:
        """Receive one frame."""
        self.mono += 1
        raw = json.dumps({"arg": {"channel": channel, "instId": SWAP.symbol}, "data": rows}).encode()
        grouped = OKX.streams.group([raw])
        assert not grouped.malformed
        assert self.pipeline.batch(grouped.runs, self.known_at, self.mono) == []

    def takers(self, takers: list[list[Execution]]) -> None:
        """Receive executions as the tape's stream has them: one by one, or each taker's in one row."""
        for fills in takers:
            if self.tape.kind == "span":
                whole = f"{sum(Decimal(one.sz) for one in fills):f}"
                self.hear("trades", [{**fills[-1].row, "sz": whole, "count": str(len(fills)), "seqId": 1}])
            else:
                for one in fills:
                    self.hear("trades-all", [one.row])

    def page(self, executions: list[Execution]) -> None:
        """Receive a page of history, and fill with it what is missing."""
        body = json.dumps({"code": "0", "msg": "", "data": [one.row for one in reversed(executions)]}).encode()
        self.mono += 1
        page = OKX.history.trades_page(body, self.tape, None, self.known_at)
        for part in self.line.trades.sequence.coverage.missing(page.first, page.last):
            self.pipeline.fill(self.line, page.rows, part, Evidence.REST)

    def commit(self) -> None:
        """Commit what is pending."""
        self.mono += 1
        now, since = self.pipeline.clock.now(self.mono), {SWAP.id: T0 * MS}
        made = self.pending.take({SWAP.id: self.tape}, now=now, known_at=self.known_at, since=since)
        self.store.commit(partial(settle, commit=made, deriver=self.deriver))

    def close_due(self) -> None:
        """Let the time of every minute so far be up."""
        self.pipeline.ticked(self.mono)
        newest = max(row.time for row in self.store.trades(self.tape.id, 0, 2**62))
        for start in range(T0 * MS, newest - newest % MINUTE, MINUTE):
            self.pending.due(SWAP.id, start)
        self.commit()


def by_minute(executions: list[Execution]) -> dict[int, list[Execution]]:
    """Lay executions out by minute after T0."""
    found: dict[int, list[Execution]] = defaultdict(list)
    for one in executions:
        found[one.ms // 60_000].append(one)
    return found
