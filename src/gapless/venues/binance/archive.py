"""Binance's public daily archives: names, columns, header or none, ms or us."""

import re
from collections.abc import Iterable, Sequence

from gapless.errors import BadFile
from gapless.model import MS, Bar, Tape, TapeKind, Trade, iso
from gapless.model.number import INT64, digits_of, scaled, wide
from gapless.venues.binance.limits import Market
from gapless.venues.quantities import bounded
from gapless.venues.spec import Archive, ArchiveRows, Hosts

_NAME = re.compile(r"(?P<symbol>[A-Z0-9_]+)-(?P<set>aggTrades|trades|1m)-[\dTZ_-]+\.(zip|csv)(\.gz|\.zst)?")
_KINDS: dict[str, TapeKind] = {"aggTrades": "agg", "trades": "trade", "1m": "bars"}
_MICROSECONDS = 10**14  # a time above this is in us: ms reach it in the year 5138
_COLUMNS: dict[TapeKind, int] = {"agg": 7, "trade": 6, "bars": 12}


def url(hosts: Hosts, market: Market, symbol: str, kind: TapeKind, day: int) -> str | None:
    """Give the address of the archive of one UTC day (its start in ns); None where the environment has none."""
    if hosts.archive is None:
        return None
    date = iso(day)[:10]
    if kind == "bars":
        return f"{hosts.archive}{market.archive}/klines/{symbol}/1m/{symbol}-1m-{date}.zip"
    name = "aggTrades" if kind == "agg" else "trades"
    return f"{hosts.archive}{market.archive}/{name}/{symbol}/{symbol}-{name}-{date}.zip"


def named(file: str) -> Archive | None:
    """Read what an archive file holds from its name."""
    match = _NAME.fullmatch(file)
    return Archive(match["symbol"], _KINDS[match["set"]]) if match else None


def fields(lines: Iterable[bytes], kind: TapeKind) -> list[list[str]]:
    """Split lines into fields, leaving a header out; a line with too few is a `BadFile`."""
    rows: list[list[str]] = []
    for number, line in enumerate(lines, 1):
        text = line.decode("ascii", "replace").strip()
        if not text or (number == 1 and not text[0].isdigit()):
            continue
        row = text.split(",")
        if len(row) < _COLUMNS[kind]:
            raise BadFile(f"line {number} has {len(row)} fields where {_COLUMNS[kind]} are allowed: {text[:80]!r}")
        rows.append(row)
    return rows


def digits(rows: Sequence[Sequence[str]], kind: TapeKind) -> tuple[int, int]:
    """Count the digits that the prices and sizes of a file need."""
    prices, sizes = ((1, 2, 3, 4), (5, 9)) if kind == "bars" else ((1,), (2,))
    return (
        max((digits_of(row[i]) for row in rows for i in prices), default=0),
        max((digits_of(row[i]) for row in rows for i in sizes), default=0),
    )


def read(rows: Sequence[Sequence[str]], tape: Tape, received: int) -> ArchiveRows:
    """Read the rows of a file, sorted by id or time; doubled rows of adjacent files are left to the tape."""
    result = ArchiveRows([], [])
    try:
        if tape.kind == "bars":
            result.bars = sorted((_bar(row, tape) for row in rows), key=lambda bar: bar.start)
        else:
            one = _agg if tape.kind == "agg" else _trade
            result.trades = sorted((one(row, tape, received) for row in rows), key=lambda trade: trade.seq)
    except ValueError as error:
        raise BadFile(f"a row is not of the venue's format: {error}") from error
    return result


def _ns(text: str) -> int:
    value = int(text)
    return _fitting(value * 1_000 if value >= _MICROSECONDS else value * MS)


def _id(text: str) -> int:
    return _fitting(int(text))


def _fitting(value: int) -> int:
    if not 0 <= value <= INT64:
        raise ValueError(f"{value} does not fit into 64 bits, or is negative")
    return value


def _maker(text: str) -> int:
    return -1 if text.lower() == "true" else 1


def _agg(row: Sequence[str], tape: Tape, received: int) -> Trade:
    price, size = scaled(row[1], tape.price_digits), scaled(row[2], tape.size_digits)
    first, last = _id(row[3]), _id(row[4])
    bounded(price, size, tape)
    return Trade(_id(row[0]), _ns(row[5]), price, size, _maker(row[6]), last - first + 1, first, received)


def _trade(row: Sequence[str], tape: Tape, received: int) -> Trade:
    price, size = scaled(row[1], tape.price_digits), scaled(row[2], tape.size_digits)
    seq = _id(row[0])
    bounded(price, size, tape)
    return Trade(seq, _ns(row[4]), price, size, _maker(row[5]), 1, seq, received)


def _bar(row: Sequence[str], tape: Tape) -> Bar:
    p, s, q = tape.price_digits, tape.size_digits, tape.price_digits + tape.size_digits
    return Bar(
        _ns(row[0]), scaled(row[1], p), scaled(row[2], p), scaled(row[3], p), scaled(row[4], p), scaled(row[5], s),
        wide(row[7], q), _id(row[8]), scaled(row[9], s), wide(row[10], q),
    )  # fmt: skip
