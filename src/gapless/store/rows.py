"""How values lie in the tables: quote sums in two integers, marks in bits."""

from typing import Any

from msgspec import convert
from msgspec.structs import asdict, astuple, replace

from gapless.model import Bar, Candle, MinuteFold, Origin, Proof, State, Trade

TRADE = "seq, time, price, size, side, fills, first_fill, received"
BAR = (
    "start, open, high, low, close, volume, quote_whole, quote_frac, trades, taker_buy_volume, "
    "taker_buy_quote_whole, taker_buy_quote_frac, first_id, last_id"
)
CANDLE = BAR + ", state, origin, proof, revision, marks"
FOLD = BAR + ", first_seq, last_seq, ladder"

_STATES = tuple(State)
_ORIGINS = tuple(Origin)
_PROOFS = tuple(Proof)
_EDGE, _BORDER, _POLLED, _LENT = 1, 2, 4, 8  # what is lent takes the bits from 8 on


def trade_params(tape: int, trade: Trade) -> tuple[int, ...]:
    """Lay a trade out as a row."""
    return (tape, *astuple(trade))


def bar_params(bar: Bar | Candle, unit: int, first: int, last: int) -> tuple[Any, ...]:
    """Lay the values of a bar out as columns; `unit` is 10^(price_digits + size_digits)."""
    quote = (None, None) if bar.quote_volume is None else divmod(bar.quote_volume, unit)
    taker = (None, None) if bar.taker_buy_quote_volume is None else divmod(bar.taker_buy_quote_volume, unit)
    return (
        bar.start, bar.open, bar.high, bar.low, bar.close, bar.volume, *quote, bar.trades,
        bar.taker_buy_volume, *taker, first, last,
    )  # fmt: skip


def bar_of_row(row: tuple[Any, ...], unit: int) -> Bar:
    """Read the columns of `BAR` as a bar."""
    return Bar(
        row[0], row[1], row[2], row[3], row[4], row[5], row[6] * unit + row[7], row[8],
        row[9], row[10] * unit + row[11], row[12], row[13],
    )  # fmt: skip


def candle_params(candle: Candle, unit: int) -> tuple[Any, ...]:
    """Lay a candle out as a row, without its instrument."""
    marks = _EDGE * candle.edge + _BORDER * candle.border + _POLLED * candle.polled + _LENT * candle.lent
    return (
        *bar_params(candle, unit, candle.first_seq, candle.last_seq),
        int(candle.state), int(candle.origin or 0), int(candle.proof), candle.revision, marks,
    )  # fmt: skip


def candle_of_row(row: tuple[Any, ...], unit: int) -> Candle:
    """Read the columns of `CANDLE` as a candle."""
    (
        start, opened, high, low, close, volume, quote, quote_rest, trades, taker, taker_quote, taker_rest,
        first, last, state, origin, proof, revision, marks,
    ) = row  # fmt: skip
    # By position: a thousand of them are made for one answer, and names cost twice as much.
    return Candle(
        start, opened, high, low, close, volume,
        None if quote is None else quote * unit + quote_rest, trades, taker,
        None if taker_quote is None else taker_quote * unit + taker_rest, first, last,
        _STATES[state], False, _ORIGINS[origin], _PROOFS[proof], revision, marks & _EDGE != 0, marks & _BORDER != 0,
        marks & _POLLED != 0, marks // _LENT,
    )  # fmt: skip


def remarked(candle: Candle, before: tuple[int, int] | None) -> Candle:
    """Give a candle the origin and the marks that it had before."""
    if before is None:
        return candle
    origin, marks = before
    return replace(
        candle, origin=_ORIGINS[origin], edge=marks & _EDGE != 0, border=marks & _BORDER != 0,
        polled=marks & _POLLED != 0, lent=marks // _LENT,
    )  # fmt: skip


def fold_of_row(row: tuple[Any, ...], unit: int) -> MinuteFold:
    """Read the columns of `FOLD` as a fold."""
    return MinuteFold(bar_of_row(row, unit), row[14], row[15], row[16] or b"")


_WIDE = ("quote_volume", "taker_buy_quote_volume")  # MessagePack stops at 64 bits and a quote sum does not


def plain_candle(candle: Candle) -> dict[str, Any]:
    """Lay a former candle out for MessagePack."""
    values = asdict(candle)
    return values | {name: None if values[name] is None else str(values[name]) for name in _WIDE}


def candle_of_plain(values: dict[str, Any]) -> Candle:
    """Read what `plain_candle` wrote."""
    return convert(values | {n: None if values[n] is None else int(values[n]) for n in _WIDE}, Candle)
