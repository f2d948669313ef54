"""A tiny market of one instrument: made trades, a store in memory, and a brute-force oracle that shares no code."""

from collections import defaultdict

from gapless.collect.line import load_line
from gapless.collect.pending import Pending
from gapless.collect.pipeline import Pipeline
from gapless.derive.settle import Commit, Settled, Vouched, settle
from gapless.model import DAY, MINUTE, Bar, Evidence, Instrument, Tape, Trade
from gapless.store.sqlite import SqliteStore
from gapless.venues.binance.wire import AggTrade, Kline, KlineBody, TradeEvent
from gapless.venues.registry import venue

T0 = 1_767_787_200_000_000_000  # 2026-01-07T12:00Z
ID = "binance:TESTUSDT"
P, S = 2, 3  # price and size digits


def instrument(price_digits: int = P, size_digits: int = S) -> Instrument:
    return Instrument(
        venue="binance", symbol="TESTUSDT", base="TEST", quote="USDT", kind="perpetual",
        price_digits=price_digits, size_digits=size_digits, tick=1,
    )  # fmt: skip


def trade(seq: int, time: int, price: int = 100, size: int = 1, side: int = 1, fills: int = 1, first: int = 0) -> Trade:
    """Make a trade `time` ns after T0."""
    return Trade(seq, T0 + time, price, size, side, fills, first or seq, 0)


class Book:
    """A store in memory with one tape of trades and one of bars, written through `settle`."""

    def __init__(self, kind: str = "trade", path: str = ":memory:", digits: tuple[int, int] = (P, S)) -> None:
        self.store = SqliteStore(path, environment="live")
        self.store.put_instrument(instrument(*digits))
        self.tape: Tape = self.store.open_tape(ID, kind)
        self.bars: Tape = self.store.open_tape(ID, "bars")
        self.known_at = 0

    def commit(self, *, now: int = 0, cause: str = "stream", **parts: object) -> Settled:
        """Settle one commit; `now` is ns after T0."""
        self.known_at += 1
        made = Commit(now=T0 + now, known_at=self.known_at, cause=cause, primary={ID: self.tape}, **parts)
        return self.store.commit(lambda tx: settle(tx, made))

    def trades(self, rows: list[Trade], *, evidence: Evidence = Evidence.STREAM, **parts: object) -> Settled:
        """Bring trades whose ids are vouched for without a break."""
        vouched = [Vouched(self.tape, rows[0].seq, rows[-1].seq, evidence)]
        return self.commit(trades=[(self.tape, rows)], vouched=vouched, **parts)

    def bar(self, bar: Bar, **parts: object) -> Settled:
        """Bring a bar of the venue."""
        number = bar.start // MINUTE
        return self.commit(bars=[(ID, [bar])], vouched=[Vouched(self.bars, number, number, Evidence.STREAM)], **parts)

    def due(self, *minutes: int, now: int = DAY) -> Settled:
        """Say that the time of minutes (counted from T0) is up."""
        return self.commit(due=[(ID, T0 + minute * MINUTE) for minute in minutes], now=now)

    def candle(self, minute: int = 0):
        return self.store.candle(ID, T0 + minute * MINUTE)

    def candles(self):
        return self.store.candles(ID, T0 - DAY, T0 + DAY)

    def folds(self):
        return self.store.folds(self.tape.id, T0 - DAY, T0 + DAY)


def bars_of(trades, aggregated: bool = False) -> dict[int, Bar]:
    """Fold single executions into the venue's bars by brute force, with first and last execution id."""
    minutes: dict[int, list[Trade]] = defaultdict(list)
    for one in trades:
        if one.size:
            minutes[one.time // MINUTE * MINUTE].append(one)
    bars = {}
    for start, rows in minutes.items():
        rows.sort(key=lambda one: (one.time, one.seq))
        prices = [one.price for one in rows]
        bought = [one for one in rows if one.side == 1]
        bars[start] = Bar(
            start, prices[0], max(prices), min(prices), prices[-1], sum(o.size for o in rows),
            sum(o.price * o.size for o in rows), sum(o.fills for o in rows), sum(o.size for o in bought),
            sum(o.price * o.size for o in bought),
            rows[0].first_fill, rows[-1].first_fill + rows[-1].fills - 1,
        )  # fmt: skip
    return bars


def text(value: int, digits: int) -> str:
    return f"{value // 10**digits}.{value % 10**digits:0{digits}d}"


class Collecting:
    """A pipeline that writes into a book: what a collector does, without sockets."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.pending = Pending()
        self.venue = venue("binance")
        self.pipeline = Pipeline(self.venue, self.pending, resume_within=7 * DAY, fast=lambda name, rows: None)
        self.line = load_line(book.store, instrument(), book.tape, book.bars)
        self.pipeline.lines[ID] = self.line
        kinds = (book.tape.kind, "bars")
        self.pipeline.watch([self.venue.streams.stream(instrument(), kind) for kind in kinds])
        self.mono = 0

    def frames(self, rows: list[Trade]) -> None:
        """Receive trades as one batch of the stream."""
        self.mono += 1
        name = self.venue.streams.stream(instrument(), self.book.tape.kind).name
        self.pipeline.batch({name: [self._event(row) for row in rows]}, 1, self.mono)

    def _event(self, row: Trade) -> AggTrade | TradeEvent:
        price, size, ms, maker = text(row.price, P), text(row.size, S), row.time // 1_000_000, row.side < 0
        if self.book.tape.kind == "agg":
            return AggTrade(row.seq, price, size, row.first_fill, row.first_fill + row.fills - 1, ms, maker)
        return TradeEvent(row.seq, price, size, ms, maker)

    def kline(self, bar: Bar) -> None:
        """Receive a closed bar."""
        self.mono += 1
        p, s, q = P, S, P + S
        body = KlineBody(
            t=bar.start // 1_000_000, i="1m", f=bar.first_id, L=bar.last_id, o=text(bar.open, p), c=text(bar.close, p),
            h=text(bar.high, p), l=text(bar.low, p), v=text(bar.volume, s), n=bar.trades, x=True,
            q=text(bar.quote_volume, q), V=text(bar.taker_buy_volume, s), Q=text(bar.taker_buy_quote_volume, q),
        )  # fmt: skip
        name = self.venue.streams.stream(instrument(), "bars").name
        self.pipeline.batch({name: [Kline((bar.start + MINUTE) // 1_000_000 + 1, body)]}, 1, self.mono)

    def fill(self, rows: list[Trade], first: int, last: int) -> None:
        """Receive a page of REST that vouches for ids `first` to `last`."""
        self.pipeline.fill(self.line, rows, (first, last), Evidence.REST)

    def commit(self) -> Settled | None:
        if not self.pending:
            return None
        self.book.known_at += 1
        made = self.pending.take(
            {ID: self.book.tape}, now=self.pipeline.clock.now(self.mono), known_at=self.book.known_at
        )
        return self.book.store.commit(lambda tx: settle(tx, made))
