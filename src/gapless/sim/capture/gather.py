"""Collecting what capture files say about every symbol: executions, aggregates, bars, frames in order."""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gapless.sim.capture.records import Record, Table
from gapless.sim.errors import CaptureError
from gapless.sim.market import Frame
from gapless.sim.rows import MARKET, OTHER, RPI, VOID


class TradeEvent(msgspec.Struct):
    """`{"e":"trade","E":..,"T":..,"s":"BTCUSDT","t":..,"p":"..","q":"..","X":"MARKET","m":true}`."""

    E: int
    T: int
    s: str
    t: int
    p: str
    q: str
    m: bool
    X: str = "MARKET"


class AggEvent(msgspec.Struct):
    """`{"e":"aggTrade","E":..,"a":..,"s":"BTCUSDT","p":"..","q":"..","f":..,"l":..,"T":..,"m":false}`."""

    E: int
    T: int
    s: str
    a: int
    p: str
    q: str
    f: int
    l: int  # noqa: E741
    m: bool
    nq: str = ""


class KlineBody(msgspec.Struct):
    """The object `k` of a kline event."""

    t: int
    f: int
    L: int
    o: str
    c: str
    h: str
    l: str  # noqa: E741
    v: str
    n: int
    x: bool
    q: str
    V: str
    Q: str


class KlineEvent(msgspec.Struct):
    """`{"e":"kline","E":..,"s":"BTCUSDT","k":{...}}`."""

    E: int
    s: str
    k: KlineBody


class AnyEvent(msgspec.Struct):
    """Whatever else has an event time and a symbol; bookTicker and partial depth of spot have no event time."""

    E: int = 0
    s: str = ""


_TRADE = msgspec.json.Decoder(TradeEvent)
_AGG = msgspec.json.Decoder(AggEvent)
_KLINE = msgspec.json.Decoder(KlineEvent)
_ANY = msgspec.json.Decoder(AnyEvent)
DECIMAL = re.compile(r"\d+(\.\d+)?", re.ASCII)
NAMES = {"received": "@trade events"}
FLAGS = {"MARKET": MARKET, "RPI": RPI}


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution as text; times are ms."""

    id: int
    price: str
    qty: str
    time: int
    push: int
    maker: bool
    flag: int


@dataclass(frozen=True, slots=True)
class Agg:
    """One aggregate as text; times are ms."""

    id: int
    price: str
    qty: str
    net: str
    first: int
    last: int
    time: int
    push: int
    maker: bool


@dataclass(frozen=True, slots=True)
class TextBar:
    """A closed bar as text; `start` in ms, `prices` are open, high, low, close, -1 stands for an unknown id."""

    start: int
    prices: tuple[str, str, str, str]
    volume: str
    quote: str
    trades: int
    taker_volume: str
    taker_quote: str
    first: int = -1
    last: int = -1


@dataclass(slots=True)
class Gathered:
    """Everything that the files say about one symbol."""

    name: str
    fills: dict[int, Fill] = field(default_factory=dict)
    aggs: dict[int, Agg] = field(default_factory=dict)
    bars: dict[int, TextBar] = field(default_factory=dict)
    frames: dict[str, list[Frame]] = field(default_factory=lambda: defaultdict(list))
    snapshots: list[tuple[int, bytes]] = field(default_factory=list)
    wire: bool = False  # texts are the venue's own, so that their width counts


@dataclass(slots=True)
class Gathering:
    """What all files say; `first` and `last` are market times of the first and the last frame."""

    symbols: dict[str, Gathered] = field(default_factory=dict)
    broadcast: dict[str, list[Frame]] = field(default_factory=lambda: defaultdict(list))
    first: int = 2**62
    last: int = 0
    order: int = 0
    loose: list[tuple[int, bytes]] = field(default_factory=list)

    def symbol(self, name: str) -> Gathered:
        """Returns the entry of a symbol."""
        if name not in self.symbols:
            self.symbols[name] = Gathered(name)
        return self.symbols[name]

    def saw(self, ms: int) -> None:
        """Notes that a frame was pushed at a market time."""
        self.first = min(self.first, ms)
        self.last = max(self.last, ms)


def add_records(gathering: Gathering, path: Path, records: list[Record]) -> None:
    """Adds a file of frames; market time is the event time, kept in the order of the file."""
    offset = _offset(records)
    clock = 0
    for record in records:
        try:
            if record.request:
                _add_reply(gathering, record, max(clock, record.received // 1_000_000 - offset))
                continue
            clock = _add_frame(gathering, record, clock, offset)
        except ValueError as error:  # msgspec's errors are ValueErrors
            raise CaptureError(
                str(path), record.line, f"holds a `{record.stream}` frame of another shape ({error})"
            ) from None


def _offset(records: list[Record]) -> int:
    """Estimates receive clock minus event clock in ms: one figure for a file, as the recorder's clock may be off."""
    seen = []
    for record in records:
        if record.stream:
            event = _ANY.decode(record.payload) if record.payload[:1] == b"{" else AnyEvent()
            if event.E:
                seen.append(record.received // 1_000_000 - event.E)
        if len(seen) >= 2_000:
            break
    return int(statistics.median(seen)) if seen else 0


def _add_frame(gathering: Gathering, record: Record, clock: int, offset: int) -> int:
    symbol, _, kind = record.stream.partition("@")
    gathering.order += 1
    order, payload = gathering.order, record.payload
    if record.stream.startswith("!"):
        push = max(clock, record.received // 1_000_000 - offset)
        gathering.broadcast[record.stream].append(Frame(push, order, payload))
        gathering.saw(push)
        return push
    entry = gathering.symbol(symbol.upper())
    key, closing, event_time = -1, False, 0
    if kind == "trade":
        trade = _TRADE.decode(payload)
        key, event_time = trade.t, trade.E
    elif kind == "aggTrade":
        agg = _AGG.decode(payload)
        key, event_time = agg.a, agg.E
    elif kind.startswith("kline_"):
        kline = _KLINE.decode(payload)
        key, closing, event_time = kline.k.t, kline.k.x, kline.E
        if closing and kind == "kline_1m":
            entry.bars[key] = _text_bar(kline.k)
    else:
        event_time = _ANY.decode(payload).E
    push = max(clock, event_time or record.received // 1_000_000 - offset)
    entry.wire = True
    gathering.saw(push)
    if kind == "trade":
        if key in entry.fills:
            return push  # two recorded lines of one tape overlap
        entry.fills[key] = fill_of(trade, push)
    elif kind == "aggTrade":
        if key in entry.aggs:
            return push
        check_decimals(agg.p, agg.q, agg.nq or "0")
        entry.aggs[key] = Agg(key, agg.p, agg.q, agg.nq or agg.q, agg.f, agg.l, agg.T, push, agg.m)
    entry.frames[kind].append(Frame(push, order, payload, key, closing))
    return push


def check_decimals(*texts: str) -> None:
    """Raises ValueError for a text that is no plain decimal number."""
    for text in texts:
        if not DECIMAL.fullmatch(text):
            raise ValueError(f"{text!r} is no decimal number")


def fill_of(trade: TradeEvent, push: int) -> Fill:
    """Classifies an execution: price and quantity of zero mean that the id was spent without a trade."""
    check_decimals(trade.p, trade.q)
    void = not trade.q.strip("0.") or not trade.p.strip("0.")
    flag = VOID if void else FLAGS.get(trade.X, OTHER)
    return Fill(trade.t, trade.p, trade.q, trade.T, push, trade.m, flag)


def _text_bar(k: KlineBody) -> TextBar:
    return TextBar(k.t, (k.o, k.h, k.l, k.c), k.v, k.q, k.n, k.V, k.Q, k.f, k.L)


def _add_reply(gathering: Gathering, record: Record, push: int) -> None:
    if "depth" not in record.request:
        return
    _, _, query = record.request.partition("symbol=")
    name = query.partition("&")[0].upper()
    if name:
        gathering.symbol(name).snapshots.append((push, record.payload))
    else:
        gathering.loose.append((push, record.payload))


def add_table(gathering: Gathering, path: Path, table: Table) -> None:
    """Adds an archive file or the CSV of @trade events; times in us are read by their size."""
    maker = ("1", "true", "True")
    for number, row in enumerate(table.rows, 2):
        try:
            if table.kind == "received":
                event = TradeEvent(
                    int(row[3]), int(row[4]), row[5], int(row[6]), row[7], row[8], row[9] in maker, row[10] or "NA"
                )
                entry = gathering.symbol(row[5])
                entry.fills.setdefault(event.t, fill_of(event, event.E))
                gathering.saw(event.E)
                continue
            entry = gathering.symbol(table.symbol)
            if table.kind == "trades":
                trade = TradeEvent(0, _ms(row[4]), table.symbol, int(row[0]), row[1], row[2], row[5] in maker)
                entry.fills.setdefault(trade.t, fill_of(trade, trade.T + 2))
                gathering.saw(trade.T)
            elif table.kind == "aggTrades":
                time = _ms(row[5])
                check_decimals(row[1], row[2])
                agg = Agg(
                    int(row[0]), row[1], row[2], row[2], int(row[3]), int(row[4]), time, time + 100, row[6] in maker
                )
                entry.aggs.setdefault(agg.id, agg)
                gathering.saw(time)
            else:
                start = _ms(row[0])
                check_decimals(*row[1:6], row[7], *row[9:11])
                prices = (row[1], row[2], row[3], row[4])
                entry.bars[start] = TextBar(start, prices, row[5], row[7], int(row[8]), row[9], row[10])
                gathering.saw(start)
                gathering.saw(start + 60_000)
        except (ValueError, IndexError):
            raise CaptureError(str(path), number, f"is no row of {NAMES.get(table.kind, table.kind)}") from None


def _ms(text: str) -> int:
    value = int(text)
    return value // 1000 if value > 10**14 else value
