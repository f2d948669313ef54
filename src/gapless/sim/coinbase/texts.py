"""Times and numbers as Coinbase writes them, and what the market does not tell of an execution: its microsecond."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

from gapless.sim.rows import Ints, Scale
from gapless.sim.synthetic.hashes import below, hashed, key_of

MICROS = 1_000  # in a ms
SECOND = 1_000_000  # in us
PADDED = 8  # decimals of volumes, and of prices and sizes in Exchange REST


@lru_cache(maxsize=4096)
def name_key(name: str) -> int:
    """Makes a key of a product's name, the same on both surfaces."""
    return key_of(zlib.crc32(name.encode()), 41)


def micros(name: str, time: Ints) -> Ints:
    """Returns the times of executions in us, from those in ms: what shares a millisecond shares the instant."""
    return time * MICROS + below(hashed(name_key(name), time), MICROS)


@lru_cache(maxsize=4096)
def _second(number: int) -> str:
    return datetime.fromtimestamp(number, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def micro_text(us: int) -> str:
    """Writes a time with six digits, as the Exchange does: 2026-09-29T13:45:59.000000Z."""
    return f"{_second(us // SECOND)}.{us % SECOND:06d}Z"


def nano_text(ns: int) -> str:
    """Writes a time without trailing zeros, as Advanced Trade does: 2026-09-30T02:39:59.4104Z."""
    second, rest = divmod(ns, 10**9)
    fraction = f"{rest:09d}".rstrip("0")
    return f"{_second(second)}.{fraction}Z" if fraction else f"{_second(second)}Z"


def read_time(text: str) -> int | None:
    """Reads UNIX seconds or ISO 8601 as ms; None where it is neither."""
    if text.isascii() and text.isdigit() and len(text) <= 11:
        return int(text) * 1000
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)


def trimmed(scale: Scale, value: int) -> str:
    """Writes a scaled integer without trailing zeros: 0.0041608, 2667.2, 450."""
    text = scale.plain(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def exact(scale: Scale) -> Callable[[int], str]:
    """Returns how a book writes scaled integers: with all digits of the product's increment."""
    return Scale(scale.digits, scale.digits).text


def padded(scale: Scale, value: int) -> str:
    """Writes a scaled integer with at least eight decimals: 5667.41926850."""
    return Scale(scale.digits, PADDED).text(value)
