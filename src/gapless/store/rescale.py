"""Rescales the rows of an instrument when its digits grow: exact, in one transaction, without a new epoch."""

import sqlite3

import msgspec
from msgspec.structs import replace

from gapless.errors import StoreError
from gapless.model import VALUES
from gapless.model.number import INT64
from gapless.model.packed import rescaled
from gapless.store.rows import candle_of_plain, plain_candle


def rescale(connection: sqlite3.Connection, instrument: int, old: tuple[int, int], new: tuple[int, int]) -> None:
    """Multiply prices and sizes of every stored row so that they mean the same with more digits.

    `old` and `new` are (price_digits, size_digits).
    """
    price, size = 10 ** (new[0] - old[0]), 10 ** (new[1] - old[1])
    tapes = "SELECT id FROM tape WHERE instrument = ?"
    for most, factor in (
        (f"SELECT max(price) FROM trade WHERE tape IN ({tapes})", price),  # noqa: S608
        (f"SELECT max(size) FROM trade WHERE tape IN ({tapes})", size),  # noqa: S608
        (f"SELECT max(high) FROM minute WHERE tape IN ({tapes})", price),  # noqa: S608
        (f"SELECT max(volume) FROM minute WHERE tape IN ({tapes})", size),  # noqa: S608
        ("SELECT max(high) FROM candle WHERE instrument = ?", price),
        ("SELECT max(volume) FROM candle WHERE instrument = ?", size),
    ):
        if (connection.execute(most, (instrument,)).fetchone()[0] or 0) * factor > INT64:
            raise StoreError(f"digits {new} are too many for what is stored: a value would pass 64 bits")
    connection.execute(
        f"UPDATE trade SET price = price * ?, size = size * ? WHERE tape IN ({tapes})",  # noqa: S608
        (price, size, instrument),
    )
    bar = (
        "open = open * :p, high = high * :p, low = low * :p, close = close * :p, volume = volume * :s, "
        "quote_frac = quote_frac * :q, taker_buy_volume = taker_buy_volume * :s, "
        "taker_buy_quote_frac = taker_buy_quote_frac * :q"
    )
    names = {"p": price, "s": size, "q": price * size, "i": instrument}
    connection.execute(f"UPDATE candle SET {bar} WHERE instrument = :i", names)  # noqa: S608
    connection.create_function("regrown", 3, _regrown, deterministic=True)
    connection.execute("UPDATE revision SET candle = regrown(candle, :p, :s) WHERE instrument = :i", names)
    connection.create_function("rescaled", 3, rescaled, deterministic=True)
    connection.execute(
        f"UPDATE minute SET {bar}, ladder = CASE WHEN length(ladder) THEN rescaled(ladder, :p, :s) END "  # noqa: S608
        "WHERE tape IN (SELECT id FROM tape WHERE instrument = :i)",
        names,
    )


def _regrown(blob: bytes, price: int, size: int) -> bytes:
    """Multiply the values of a former candle as it is kept."""
    candle = candle_of_plain(msgspec.msgpack.decode(blob))
    values = {name: getattr(candle, name) for name in VALUES if name != "trades"}
    grown = {
        name: value * (price * size if "quote" in name else size if "volume" in name else price)
        for name, value in values.items()
        if value is not None
    }
    return msgspec.msgpack.encode(plain_candle(replace(candle, **grown)))
