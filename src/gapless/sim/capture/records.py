"""Reading capture files: which form a file has, and its records one by one."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec
import zstandard

from gapless.sim.errors import CaptureError

FORMS = (
    "gzip lines of `recv_ns payload`, a CSV of @trade events, "
    "or an archive file (aggTrades, trades, klines as csv, zip, gz or zst)"
)
RECEIVED = "TimestampOfReceive"


class Wrapped(msgspec.Struct):
    """One record: `{"stream":"btcusdt@trade","data":{...}}`, a REST reply, or a bare event."""

    stream: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    rest: str | None = None
    status: int = 200
    body: msgspec.Raw = msgspec.Raw()
    lastUpdateId: int | None = None  # noqa: N815
    e: str | None = None
    s: str | None = None
    k: dict[str, object] | None = None


_DECODE = msgspec.json.Decoder(Wrapped)


@dataclass(frozen=True, slots=True)
class Record:
    """A stream frame (`stream` set) or a REST reply (`request` set), with its line and the receive time in ns."""

    line: int
    received: int
    payload: bytes
    stream: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """An archive or CSV file: its kind, its symbol and its rows as text."""

    kind: str  # received, aggTrades, trades, klines
    symbol: str
    rows: list[list[str]]


def open_text(path: Path) -> IO[bytes]:
    """Opens a file by its content: gzip, zip (its only member), zstd or plain."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise CaptureError(str(path), 0, f"cannot be read ({error.strerror}); give {FORMS}") from None
    head = raw.read(4)
    raw.seek(0)
    if head[:2] == b"\x1f\x8b":
        return gzip.open(raw, "rb")  # type: ignore[return-value]
    if head == b"PK\x03\x04":
        try:
            archive = zipfile.ZipFile(raw)
            return archive.open(archive.namelist()[0])
        except (zipfile.BadZipFile, IndexError) as error:
            raise CaptureError(str(path), 0, f"is a damaged zip file ({error})") from None
    if head == b"\x28\xb5\x2f\xfd":
        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw))
    return raw


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yields (number, line) of a file; a damaged or truncated file names the line at which it breaks."""
    number = 0
    try:
        with open_text(path) as stream:
            for number, line in enumerate(stream, 1):
                yield number, line.rstrip(b"\r\n")
    except EOFError:
        raise CaptureError(str(path), number + 1, "the compressed file is truncated here") from None
    except (OSError, zlib.error, zipfile.BadZipFile, zstandard.ZstdError) as error:
        raise CaptureError(str(path), number + 1, f"the compressed file is corrupt here ({error})") from None


def read(path: Path) -> Table | list[Record]:
    """Reads a whole capture file."""
    source = lines(path)
    first = next(source, None)
    if first is None:
        raise CaptureError(str(path), 0, f"is empty; give {FORMS}")
    head = first[1]
    if re.match(rb"\d{16,19} ", head):
        return list(_records(path, first, source))
    text = head.decode("utf-8", "replace")
    if text.startswith(RECEIVED + ",") or re.match(r"[A-Za-z_]+,[A-Za-z_]+,", text) or re.match(r"\d+,[\d.]+,", text):
        return _table(path, text, source)
    raise CaptureError(str(path), 1, f"is no frame; give {FORMS}")


def _records(path: Path, first: tuple[int, bytes], source: Iterator[tuple[int, bytes]]) -> Iterator[Record]:
    yield from _record(path, *first)
    for number, line in source:
        if line:
            yield from _record(path, number, line)


def _record(path: Path, number: int, line: bytes) -> Iterator[Record]:
    stamp, _, payload = line.partition(b" ")
    try:
        received = int(stamp)
        if payload[:1] == b'"':
            msgspec.json.decode(payload, type=str)
            return  # a text frame: Binance sends none that carries market data
        if payload[:1] == b"[":
            msgspec.json.decode(payload)
            return
        wrapped = _DECODE.decode(payload)
    except (ValueError, msgspec.MsgspecError):
        raise CaptureError(str(path), number, "is no frame (`recv_ns payload` with a JSON payload)") from None
    if wrapped.stream is not None:
        yield Record(number, received, bytes(wrapped.data), stream=wrapped.stream)
    elif wrapped.rest is not None:
        if wrapped.status == 200:
            yield Record(number, received, bytes(wrapped.body), request=wrapped.rest.partition(" ")[2] or wrapped.rest)
    elif wrapped.lastUpdateId is not None:
        yield Record(number, received, payload, request="depth")
    elif wrapped.e is not None and wrapped.s is not None:
        yield Record(number, received, payload, stream=_stream_of(wrapped))


def _stream_of(event: Wrapped) -> str:
    name = {"24hrTicker": "ticker", "24hrMiniTicker": "miniTicker", "depthUpdate": "depth"}.get(
        event.e or "", event.e or ""
    )
    if event.e == "kline" and event.k:
        name = f"kline_{event.k.get('i')}"
    return f"{(event.s or '').lower()}@{name}"


def _table(path: Path, head: str, source: Iterator[tuple[int, bytes]]) -> Table:
    rows = []
    for number, line in source:
        cells = line.decode("ascii", "replace").split(",")
        if line:
            rows.append(cells)
            if not cells[0].isdigit():
                raise CaptureError(str(path), number, "is no row of an archive (its first column is no number)")
    names = next(csv.reader([head]))
    if names[0] == RECEIVED:
        return Table("received", rows[0][5] if rows else "", rows)
    if names[0].isdigit():
        rows.insert(0, names)
    if not rows:
        raise CaptureError(str(path), 0, "holds no rows")
    wrong = next((index for index, row in enumerate(rows) if len(row) != len(rows[0])), None)
    if wrong is not None:
        raise CaptureError(
            str(path), wrong + 2 - names[0].isdigit(), f"has {len(rows[wrong])} columns instead of {len(rows[0])}"
        )
    symbol, _, kind = path.name.partition("-")
    if "aggTrades" in kind or "first_trade_id" in names:
        found = "aggTrades"
    elif "trades" in kind or "quote_qty" in names or "quoteQty" in names:
        found = "trades"
    elif len(rows[0]) == 12:
        found = "klines"
    else:
        raise CaptureError(str(path), 1, "is none of aggTrades, trades, klines by name, header or columns")
    return Table(found, symbol.upper(), rows)
