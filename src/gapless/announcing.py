"""What a running gapless tells its hub: batches as they arrive, commits as they are done, what befalls connections."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from gapless.client import CandleEvent, GapEvent, SignalEvent
from gapless.derive.settle import Settled
from gapless.hub.events import Connected, Disconnected, MarketData, Message, Trouble
from gapless.hub.hub import RAW, Hub
from gapless.hub.shapes import number, of_ticker, of_top, of_trade, ticker_update, volume_alert
from gapless.hub.waiting import Waiting
from gapless.model import MS, Instrument, Tape, Ticker, Timeframe, Trade, parse_timeframe
from gapless.query.feed import gap_row
from gapless.query.present import candle_row, signal_row
from gapless.venues.spec import Stream

if TYPE_CHECKING:
    from gapless.collect.collector import Collector
    from gapless.engine import Engine

_MARKET = "marketData"
_TROUBLES = (
    "connect_failed", "rotate_failed", "rejected", "silent", "malformed", "request_failed", "blocked", "job_failed",
    "judging_failed", "failover_failed", "disk_low", "recording_ended", "clock_jumped", "delivery_failing",
)  # fmt: skip
_WHY = ("error", "reason", "why", "stream", "frame")  # where an event of the log says what went wrong
_ARRIVED = "arrived:"  # with an id: batches of its trades
_DEPTHS = frozenset({"depth", _MARKET, "depth" + RAW, _MARKET + RAW})
_TRADES = frozenset({"trade", _MARKET})
_NEWEST = frozenset({"ticker_update", "ticker", "ticker" + RAW}) | _DEPTHS
_FAST = 1_000  # batches of trades that wait for one client of the stream


class Announcer:
    """Makes events of what happens, those only that somebody wants."""

    def __init__(self, engine: "Engine", hub: Hub) -> None:
        self._engine = engine
        self._hub = hub
        self._wanted: frozenset[str] = frozenset()
        self._frames: dict[Timeframe, str] = {}
        self._trades = self._raw_trades = self._fast = self._depths = False
        self._fresh: dict[str, set[int]] = {}
        self._last: dict[str, float] = {}
        hub.changed = self.listen

    def listen(self) -> None:
        """Learn what is wanted now, and hear of nothing else."""
        self._wanted = wanted = self._hub.wanted
        bars = [name for name in wanted if name.partition(":")[0] == "candle"]
        self._frames = {parse_timeframe(name.partition(":")[2] or "1m"): name for name in bars}
        self._depths = not wanted.isdisjoint(_DEPTHS)
        self._trades = self._depths or not wanted.isdisjoint(_TRADES)
        self._raw_trades = not wanted.isdisjoint({name + RAW for name in _TRADES})
        self._fast = any(name.startswith(_ARRIVED) for name in wanted)
        if not self._trades:
            self._last.clear()  # nobody keeps them true
        hears = self._raw_trades or not wanted.isdisjoint(_NEWEST)
        for collector in self._engine.collectors:
            collector.pipeline.heard = partial(self._heard, collector) if hears else None

    def noted(self, name: str, subject: str, at: int, fields: dict[str, Any]) -> None:
        """Tell what the log was told, where that is an event; `at` is ns UTC of this machine."""
        venue = subject.partition("/")[0].partition(":")[0]
        if name == "connected" and name in self._wanted:
            event = Connected(connection=subject, exchange=venue, streams=fields["streams"], timestamp=at // MS)
            self._hub.publish(name, event)
        elif name == "disconnected" and name in self._wanted:
            gone = Disconnected(
                connection=subject, exchange=venue, code=fields["code"], reason=fields["reason"], timestamp=at // MS
            )
            self._hub.publish(name, gone)
        elif name in _TROUBLES and "error" in self._wanted:
            why = next((str(fields[key]) for key in _WHY if key in fields), "")
            self._hub.publish("error", Trouble(kind=name, subject=subject, reason=why, timestamp=at // MS))

    def frames(self, connection: str, frames: list[bytes], received: int) -> None:
        """Tell what was received, ns UTC of this machine."""
        if "message" in self._wanted:
            for frame in frames:
                self._hub.publish("message", Message(connection=connection, data=frame, received=received))

    def arrived(self, name: str, rows: list[Trade]) -> None:
        """Tell of trades on arrival, before they are committed."""
        if self._fast:
            self._hub.publish(_ARRIVED + name, rows)
        if not (self._trades or self._raw_trades):
            return
        line = next(c.pipeline.lines[name] for c in self._engine.collectors if name in c.pipeline.lines)
        tape = line.trades.tape if line.trades else None
        if tape is None:
            return
        if self._raw_trades:
            self._fresh[name] = {row.seq for row in rows}
        price_unit, size_unit = 10**tape.price_digits, 10**tape.size_digits
        self._last[name] = rows[-1].price / price_unit
        if not self._wanted.isdisjoint(_TRADES):
            for row in rows:
                self._market("trade", of_trade(line.instrument, row, price_unit, size_unit))

    def _heard(self, collector: "Collector", stream: Stream, run: list[Any], values: list[Any]) -> None:
        """Take the newest values of a batch, and trades with what the venue sent."""
        line, kind = collector.pipeline.lines[stream.instrument], stream.kind
        if kind == "ticker":
            self._ticker(collector, line.instrument, values[-1], run[-1])
        elif kind in ("quote", "depth"):
            if self._depths:
                self._depth(collector, line.instrument, kind, values[-1], run[-1])
        elif self._raw_trades and line.trades and kind == line.trades.tape.kind:
            self._raw_run(collector, line.instrument, line.trades.tape, run)

    def _raw_run(self, collector: "Collector", instrument: Instrument, tape: Tape, run: list[Any]) -> None:
        """Tell trades that are new with what the venue sent of each, whatever the order in which it sent them."""
        fresh = self._fresh.pop(instrument.id, set())
        units = 10**tape.price_digits, 10**tape.size_digits
        for sent in run if fresh else ():
            for row in collector.pipeline.venue.streams.trades([sent], tape, 0):
                if row.seq in fresh:
                    fresh.discard(row.seq)
                    self._raw("trade", of_trade(instrument, row, *units), sent)

    def _ticker(self, collector: "Collector", instrument: Instrument, ticker: Ticker, sent: Any) -> None:
        quote = collector.pipeline.quotes.get(instrument.id)
        if "ticker_update" in self._wanted and (update := ticker_update(instrument, ticker, quote)):
            self._hub.publish("ticker_update", update)
        if event := of_ticker(instrument, ticker, quote):
            self._market("ticker", event, sent)
        if self._depths and "quote" not in collector.pipeline.venue.streams.kinds:
            self._depth(collector, instrument, "ticker", ticker, sent)

    def _depth(self, collector: "Collector", instrument: Instrument, kind: str, value: Any, sent: Any) -> None:
        """Tell the best bid and ask, once the price of a trade is known that stands beside them.

        They are those of the venue's stream of quotes, else of the book that is kept, else of the tickers.
        """
        pipeline, top = collector.pipeline, None
        if kind != "quote":
            top = collector.books.top(instrument.id, 1)
            if instrument.id in pipeline.quotes or (kind == "depth") != bool(top):
                return
        if kind == "depth" and top:
            if not (top["bids"] and top["asks"]):
                return
            bid, ask = top["bids"][0][0], top["asks"][0][0]
        else:
            bid, ask = value.bid, value.ask
        price = self._last.get(instrument.id)
        if price is None and (ticker := pipeline.tickers.get(instrument.id)):
            price = number(ticker.last)
        if price is not None and bid and ask:
            at = value.time or pipeline.clock.now(self._engine.clock.monotonic())
            self._market("depth", of_top(instrument, at, price, bid, ask), sent)

    def _market(self, name: str, event: MarketData, sent: Any = None) -> None:
        self._hub.publish(name, event)
        self._hub.publish(_MARKET, event)
        if sent is not None:
            self._raw(name, event, sent)

    def _raw(self, name: str, event: MarketData, sent: Any) -> None:
        """Tell it with what the venue sent, to those who asked for that."""
        if name + RAW in self._wanted or _MARKET + RAW in self._wanted:
            whole = replace(event, raw=msgspec.to_builtins(sent))
            self._hub.publish(name + RAW, whole)
            self._hub.publish(_MARKET + RAW, whole)

    def settled(self, settled: Settled) -> None:
        """Tell what a commit closed, revised, found and filled, once it holds."""
        for bar in settled.bars if self._frames else ():
            if name := self._frames.get(bar.timeframe):
                one = self._instrument(bar.instrument)
                row = {
                    "stream": f"candles:{one.id}:{bar.timeframe}", "cursor": None, "late": bar.late,
                    "data": candle_row(bar.candle, one.price_digits, one.size_digits),
                }  # fmt: skip
                self._hub.publish(name, msgspec.convert(row | {"type": "candle"}, CandleEvent))
        for judged in settled.judged:
            if "signal" in self._wanted:
                row = {
                    "stream": f"signals:{judged.instrument}:{Timeframe(judged.minutes)}", "cursor": None,
                    "late": judged.state != "found", "data": signal_row(judged), "type": "signal",
                }  # fmt: skip
                self._hub.publish("signal", msgspec.convert(row, SignalEvent))
            if "volume_alert" in self._wanted and (alert := volume_alert(judged)):
                self._hub.publish("volume_alert", alert)
        for tape, gap in settled.gaps if "gap" in self._wanted else ():
            row = {"stream": f"gaps:{tape.instrument}", "cursor": None, "type": "gap", "data": gap_row(tape, gap)}
            self._hub.publish("gap", msgspec.convert(row, GapEvent))

    def _instrument(self, name: str) -> Instrument:
        return self._engine.reader.instrument(name)

    async def fast_trades(self, instrument: str) -> AsyncIterator[list[Trade]]:
        """Give trades on arrival, before they are committed; oldest dropped when slow."""
        woken = asyncio.Event()
        waiting = Waiting(woken.set, most=_FAST)
        self._hub.follow((_ARRIVED + instrument,), waiting)
        try:
            while True:
                await woken.wait()
                woken.clear()
                for name, rows in waiting.take():
                    if name != "lagged":
                        yield rows
        finally:
            self._hub.leave(waiting)
