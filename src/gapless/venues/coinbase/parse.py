"""Reads the frames of either surface into values: scaled integers, ns, the aggressor's side."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from gapless.errors import BadNumber
from gapless.model import SECOND, Tape, Ticker, Trade
from gapless.model.book import DepthDiff, DepthSnapshot
from gapless.model.instrument import Status
from gapless.venues.coinbase import symbols
from gapless.venues.coinbase.wire import (
    AdvancedFrame,
    AdvancedTicker,
    AdvancedTrade,
    Book,
    BookEvent,
    BookSnapshot,
    BookUpdate,
    ErrorEvent,
    ExchangeFrame,
    ExchangeTrade,
    Heartbeat,
    Heartbeats,
    MarketTrades,
    Match,
    Numbered,
    StatusesEvent,
    StatusEvent,
    Subscribed,
    Subscriptions,
    TickerEvent,
    Tickers,
    Typed,
)
from gapless.venues.quantities import bounded, exact, levels
from gapless.venues.spec import Beat, Control, Grouped

_EXCHANGE = msgspec.json.Decoder(ExchangeFrame)
_TYPED = msgspec.json.Decoder(Typed)
_ADVANCED = msgspec.json.Decoder(AdvancedFrame)
_NUMBERED = msgspec.json.Decoder(Numbered)
_KNOWN_TYPES = frozenset(
    {"match", "last_match", "heartbeat", "ticker", "snapshot", "l2update", "status", "subscriptions", "error"}
)
_KNOWN_CHANNELS = frozenset({"market_trades", "ticker", "l2_data", "heartbeats", "status", "subscriptions"})
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_BUYERS = {"buy": 1, "BUY": 1, "sell": -1, "SELL": -1}
_LAST_SECOND = 9_223_372_035  # as ns it fits into 64 bits


def exchange_group(frames: Iterable[bytes]) -> Grouped:
    """Decode a batch of frames of the Exchange and lay them out by stream; types that are not known are ignored."""
    runs: dict[str, list[Any]] = {}
    result = Grouped(runs, [], [], [])
    for raw in frames:
        try:
            frame = _EXCHANGE.decode(raw)
        except _UNREADABLE:
            _strange(raw, result)
            continue
        if isinstance(frame, Match):
            runs.setdefault("matches:" + frame.product_id, []).append(frame)
        elif isinstance(frame, BookUpdate | BookSnapshot):
            runs.setdefault("level2_batch:" + frame.product_id, []).append(frame)
        elif isinstance(frame, TickerEvent):
            runs.setdefault("ticker:" + frame.product_id, []).append(frame)
        elif isinstance(frame, Heartbeat):
            runs.setdefault("heartbeat:" + frame.product_id, []).append(frame)
        elif isinstance(frame, StatusEvent):
            runs.setdefault("status", []).append(frame)
        else:
            result.controls.append(_reply(frame))
    return result


def _reply(frame: Subscriptions | ErrorEvent) -> Control:
    if isinstance(frame, ErrorEvent):
        text = f"{frame.message}: {frame.reason}" if frame.reason else frame.message
        return Control(None, text or "an error without words", symbols.refused(text, symbols.EXCHANGE))
    listed = (name for one in frame.channels for name in symbols.acknowledged(one.name, one.product_ids))
    return Control(None, None, tuple(listed))


def _strange(raw: bytes, result: Grouped) -> None:
    """Take a frame that is none of those known: a new type, or something malformed."""
    try:
        known = _TYPED.decode(raw).type in _KNOWN_TYPES
    except _UNREADABLE:
        known = True
    if known:
        result.malformed.append(raw)


def advanced_group(frames: Iterable[bytes]) -> Grouped:
    """Decode a batch of frames of Advanced Trade and lay them out by stream; several products may share a frame."""
    runs: dict[str, list[Any]] = {}
    result = Grouped(runs, [], [], [])
    for raw in frames:
        try:
            frame = _ADVANCED.decode(raw)
        except _UNREADABLE:
            _other(raw, result)
            continue
        result.numbers.append(frame.sequence_num)
        if isinstance(frame, MarketTrades):
            for trades in frame.events:
                for row in trades.trades:
                    runs.setdefault("market_trades:" + row.product_id, []).append(row)
        elif isinstance(frame, Tickers):
            for told in frame.events:
                for one in told.tickers:
                    runs.setdefault("ticker:" + one.product_id, []).append((frame.timestamp, one))
        elif isinstance(frame, Book):
            for event in frame.events:
                runs.setdefault("level2:" + event.product_id, []).append((frame.timestamp, event))
        elif isinstance(frame, Heartbeats):
            runs.setdefault("heartbeats", []).append(frame)
        elif isinstance(frame, Subscribed):
            result.controls.append(_listed(frame))
        else:
            runs.setdefault("status", []).extend(frame.events)
    return result


def _listed(frame: Subscribed) -> Control:
    listed = (
        name
        for event in frame.events
        for channel, products in event.subscriptions.items()
        for name in symbols.acknowledged(channel, products)
    )
    return Control(None, None, tuple(listed))


def _other(raw: bytes, result: Grouped) -> None:
    """Take a frame that is none of those known: an error, which has no number, a new channel, something malformed."""
    try:
        frame = _NUMBERED.decode(raw)
    except _UNREADABLE:
        result.malformed.append(raw)
        return
    if frame.type == "error":
        text = frame.message or "an error without words"
        result.controls.append(Control(None, text, symbols.refused(text, symbols.ADVANCED)))
    elif frame.channel and frame.channel not in _KNOWN_CHANNELS and frame.sequence_num is not None:
        result.numbers.append(frame.sequence_num)
    else:
        result.malformed.append(raw)


@lru_cache(1_024)
def _second(text: str) -> int:
    seconds = int(datetime.fromisoformat(text + "+00:00").timestamp())
    if not 0 <= seconds <= _LAST_SECOND:
        raise ValueError(text)
    return seconds * SECOND


def instant(text: str) -> int:
    """Read a time such as 2026-09-30T02:39:59.4104Z as ns UTC, exactly; `BadNumber` where it is none."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise BadNumber(f"{text!r} is no time")
    try:
        return _second(found[1]) + int((found[2] or "0").ljust(9, "0"))
    except ValueError as error:
        raise BadNumber(f"{text!r} is no time") from error


def _maybe(text: str) -> int:
    return instant(text) if text else 0


def exchange_trades(run: Sequence[Match | ExchangeTrade], tape: Tape, received: int) -> list[Trade]:
    """Read trades of the Exchange, in the order of their ids; their side is the maker's: the taker's is the other."""
    return _trades(run, [row.trade_id for row in run], tape, received, taker=-1)


def advanced_trades(run: Sequence[AdvancedTrade], tape: Tape, received: int, sides: str) -> list[Trade]:
    """Read trades of Advanced Trade, in the order of their ids; `sides` says whose side they tell."""
    ids = exact([row.trade_id for row in run], 0)
    return _trades(run, ids, tape, received, taker=1 if sides == "taker" else -1)


def _trades(
    run: Sequence[Match | ExchangeTrade | AdvancedTrade], ids: Sequence[int], tape: Tape, received: int, *, taker: int
) -> list[Trade]:
    prices = exact([row.price for row in run], tape.price_digits)
    sizes = exact([row.size for row in run], tape.size_digits)
    bounded(max(prices), max(sizes), tape)
    rows = [
        Trade(seq, instant(row.time), price, size, taker * _BUYERS.get(row.side, 0), 1, seq, received)
        for seq, row, price, size in zip(ids, run, prices, sizes, strict=True)
    ]
    rows.sort(key=lambda row: row.seq)
    return rows


def exchange_ticker(event: TickerEvent, instrument: str) -> Ticker:
    """Read a ticker: of the last trade of a cascade."""
    return Ticker(
        instrument, _maybe(event.time), event.price, event.open_24h, event.high_24h, event.low_24h, event.volume_24h,
        "", "", -1, -1, event.trade_id, event.best_bid, event.best_ask,
    )  # fmt: skip


def advanced_ticker(event: tuple[str, AdvancedTicker], instrument: str) -> Ticker:
    """Read a ticker, which names no trade."""
    time, told = event
    return Ticker(
        instrument, instant(time), told.price, "", told.high_24_h, told.low_24_h, told.volume_24_h,
        "", told.price_percent_chg_24_h, -1, -1, -1, told.best_bid, told.best_ask,
    )  # fmt: skip


def exchange_depth(event: BookSnapshot | BookUpdate, tape: Tape) -> DepthDiff | DepthSnapshot:
    """Read a change of the book, or the whole of it; neither has a number."""
    if isinstance(event, BookSnapshot):
        return DepthSnapshot(0, _maybe(event.time), levels(event.bids, tape), levels(event.asks, tape))
    sides = ([change[1:] for change in event.changes if change[0] == side] for side in ("buy", "sell"))
    bids, asks = (levels(side, tape) for side in sides)
    return DepthDiff(0, 0, None, _maybe(event.time), bids, asks)


def advanced_depth(event: tuple[str, BookEvent], tape: Tape) -> DepthDiff | DepthSnapshot:
    """Read a change of the book, or the whole of it; neither has a number."""
    time, told = instant(event[0]), event[1]
    bids = levels([(one.price_level, one.new_quantity) for one in told.updates if one.side == "bid"], tape)
    asks = levels([(one.price_level, one.new_quantity) for one in told.updates if one.side != "bid"], tape)
    if told.type == "snapshot":
        return DepthSnapshot(0, time, bids, asks)
    return DepthDiff(0, 0, None, time, bids, asks)


def beat(event: Heartbeat | Heartbeats) -> Beat:
    """Read a heartbeat; a newest id of 0 is unknown, and those of Advanced Trade name none."""
    if isinstance(event, Heartbeat):
        return Beat(instant(event.time), event.last_trade_id or -1)
    return Beat(instant(event.timestamp))


def statuses(event: StatusEvent | StatusesEvent) -> dict[str, Status]:
    """Read the state of products."""
    return {one.id: symbols.state(one.status) for one in event.products}
