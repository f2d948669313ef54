"""Writes rows as people and programs read them: plain decimals, ISO times or epochs, words for states."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec.structs import asdict

from gapless.model import SIDE_NAMES, Candle, Instrument, Timeframe, Trade
from gapless.model.number import plain
from gapless.model.signal import Judged
from gapless.model.times import in_epoch, iso
from gapless.query.answer import CandleAnswer, TradeAnswer

CANDLE_COLUMNS = (
    "start", "open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume",
    "taker_buy_quote_volume", "state", "short", "origin", "proof", "revision", "polled",
)  # fmt: skip
TRADE_COLUMNS = ("seq", "time", "price", "size", "side", "fills", "first_fill")


def candle_rows(answer: CandleAnswer, *, epoch: str | None = None) -> Iterator[dict[str, Any]]:
    """Write candles as rows of `candle_columns`; values are None where nothing is held."""
    p, s = answer.price_digits, answer.size_digits
    for i, candle in enumerate(answer.rows):
        row = candle_row(candle, p, s, epoch=epoch)
        for name, values in answer.indicators.items():
            row[name] = values[i]
        yield row


def candle_columns(answer: CandleAnswer) -> tuple[str, ...]:
    """Name the columns of an answer: `CANDLE_COLUMNS`, then its indicators."""
    return (*CANDLE_COLUMNS, *answer.indicators)


def candle_row(candle: Candle, price_digits: int, size_digits: int, *, epoch: str | None = None) -> dict[str, Any]:
    """Write one candle as a row."""
    p, s, q = price_digits, size_digits, price_digits + size_digits
    return {
        "start": in_epoch(candle.start, epoch),
        "open": _text(candle.open, p),
        "high": _text(candle.high, p),
        "low": _text(candle.low, p),
        "close": _text(candle.close, p),
        "volume": _text(candle.volume, s),
        "quote_volume": _text(candle.quote_volume, q),
        "trades": candle.trades,
        "taker_buy_volume": _text(candle.taker_buy_volume, s),
        "taker_buy_quote_volume": _text(candle.taker_buy_quote_volume, q),
        "state": candle.state.text,
        "short": candle.short,
        "origin": candle.origin.text if candle.origin is not None else None,
        "proof": candle.proof.text,
        "revision": candle.revision,
        "polled": candle.polled,
    }


def candle_decimals(price_digits: int, size_digits: int) -> dict[str, int]:
    """Give the digits of the decimal columns of candles."""
    prices = dict.fromkeys(("open", "high", "low", "close"), price_digits)
    sizes = dict.fromkeys(("volume", "taker_buy_volume"), size_digits)
    return prices | sizes | dict.fromkeys(("quote_volume", "taker_buy_quote_volume"), price_digits + size_digits)


def _text(value: int | None, digits: int) -> str | None:
    return None if value is None else plain(value, digits)


def trade_rows(answer: TradeAnswer, *, epoch: str | None = None, received: bool = False) -> Iterator[dict[str, Any]]:
    """Write trades as rows of `TRADE_COLUMNS`, and `received` where asked for."""
    for trade in answer.rows:
        yield trade_row(trade, answer.price_digits, answer.size_digits, epoch=epoch, received=received)


def trade_row(
    trade: Trade, price_digits: int, size_digits: int, *, epoch: str | None = None, received: bool = False
) -> dict[str, Any]:
    """Write one trade as a row."""
    row = {
        "seq": trade.seq,
        "time": in_epoch(trade.time, epoch),
        "price": plain(trade.price, price_digits),
        "size": plain(trade.size, size_digits),
        "side": SIDE_NAMES[trade.side],
        "fills": trade.fills,
        "first_fill": trade.first_fill,
    }
    if received:
        row["received"] = in_epoch(trade.received, epoch)
    return row


SIGNAL_COLUMNS = (
    "instrument", "timeframe", "start", "end", "kind", "side", "state", "price", "score", "proof", "revision",
    "judgement", "known_at", "values",
)  # fmt: skip


def signal_row(judged: Judged, *, epoch: str | None = None) -> dict[str, Any]:
    """Write a judgement as a row of `SIGNAL_COLUMNS`."""
    frame, signal = Timeframe(judged.minutes), judged.signal
    return {
        "instrument": judged.instrument,
        "timeframe": str(frame),
        "start": in_epoch(judged.start, epoch),
        "end": in_epoch(frame.end_of(judged.start), epoch),
        "kind": signal.kind,
        "side": SIDE_NAMES[signal.side] if signal.side else None,
        "state": judged.state,
        "price": signal.price,
        "score": signal.score,
        "proof": judged.proof.text,
        "revision": judged.revision,
        "judgement": judged.judgement,
        "known_at": in_epoch(judged.known_at, epoch),
        "values": signal.values,
    }


def listing(answer: CandleAnswer | TradeAnswer, rows: Iterable[dict[str, Any]], *, epoch: str | None) -> dict[str, Any]:
    """Wrap rows as HTTP and `--format json` answer: with proof, revision, sources and what is missing."""
    revision = answer.revision if isinstance(answer, CandleAnswer) else 0
    indicators: dict[str, Any] = {}
    if isinstance(answer, CandleAnswer) and answer.warm_up:
        indicators = {"indicators": list(answer.indicators), "warm_up": asdict(answer.warm_up)}
    return {
        "rows": list(rows),
        "proof": answer.proof.text,
        "revision": revision,
        "sources": answer.sources,
        "missing": [[in_epoch(a, epoch), in_epoch(b, epoch)] for a, b in answer.missing],
        "elapsed_ms": round(answer.elapsed_ms, 3),
        **indicators,
    }


def csv_lines(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Write rows as CSV lines; an absent value is empty, a boolean is true or false."""
    yield ",".join(columns)
    for row in rows:
        yield ",".join(_cell(row[column]) for column in columns)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if "," in text or '"' in text else text


INSTRUMENT_COLUMNS = ("id", "unified", "kind", "status", "tick", "price_digits", "size_digits", "listed")


def instrument_rows(instruments: Iterable[Instrument]) -> list[dict[str, Any]]:
    """Write instruments as rows."""
    return [
        {
            "id": instrument.id,
            "unified": instrument.unified,
            "kind": instrument.kind,
            "status": instrument.status,
            "tick": plain(instrument.tick, instrument.price_digits),
            "price_digits": instrument.price_digits,
            "size_digits": instrument.size_digits,
            "listed": iso(instrument.listed) if instrument.listed else None,
        }
        for instrument in instruments
    ]
