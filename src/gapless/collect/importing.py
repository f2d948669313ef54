"""Puts a venue's archive files onto the tape, vouched for by the file."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from math import gcd
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from gapless.collect.files import load
from gapless.derive.settle import Commit, Vouched, settle
from gapless.errors import BadFile, BadInput, BadNumber
from gapless.model import MINUTE, Bar, Evidence, Instrument, Tape, Trade
from gapless.ports import TapeStore
from gapless.venues.spec import Archive, Venue

_CHUNK = 2_000  # rows a commit: about 50 ms, so that a collector beside us does not wait
_LATER = 2**62


class Imported(Struct, frozen=True):
    """What became of one file."""

    file: str
    instrument: str
    kind: str
    rows: int
    added: bool
    verified: bool


def named(venue: Venue, path: Path) -> Archive:
    """Read what a file holds from its name; a `BadInput` when it is no archive file of the venue."""
    archive = venue.archives.named(path.name)
    if archive is None:
        raise BadInput(
            f"{path.name!r} is no archive file of {venue.name}; allowed are names such as "
            "BTCUSDT-aggTrades-2026-02-01.zip, BTCUSDT-trades-2026-02-01.csv.gz and BTCUSDT-1m-2026-02.csv.zst"
        )
    return archive


def import_file(
    store: TapeStore, venue: Venue, path: Path, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> Imported:
    """Import one archive file; a file that was imported before changes nothing."""
    archive = named(venue, path)
    lines, digest, verified = load(path)
    name = f"{venue.name}/{path.name}"
    instrument_id = f"{venue.name}:{archive.symbol}"
    if store.archive(name) == digest:
        return Imported(path.name, instrument_id, archive.kind, 0, added=False, verified=verified)
    try:
        fields = venue.archives.fields(lines, archive.kind)
        if not fields:
            raise BadFile("it holds no rows")
        instrument = _instrument(store, venue, archive, fields)
        rows = venue.archives.read(fields, instrument.scale(archive.kind), time.time_ns())
    except (BadFile, BadNumber) as error:
        raise BadFile(f"{path.name}: {error}") from error
    store.put_instrument(instrument)
    tape = store.open_tape(instrument_id, archive.kind)
    primary = next((known for known in store.tapes(instrument_id) if known.kind != "bars"), None)
    commits = _bars(tape, rows.bars) if archive.kind == "bars" else _trades(venue, tape, rows.trades)
    total, done = len(rows.bars) + len(rows.trades), 0
    for commit, count in commits:
        commit.primary = {instrument_id: primary} if primary else {}
        store.commit(partial(settle, commit=commit))
        done += count
        progress(done, total)
    store.put_archive(name, digest, verified=verified, rows=total, at=time.time_ns())
    return Imported(path.name, instrument_id, archive.kind, total, added=True, verified=verified)


def _instrument(store: TapeStore, venue: Venue, archive: Archive, fields: list[list[str]]) -> Instrument:
    """Describe the instrument of a file: as the store knows it, with digits enough; else from the file."""
    price_digits, size_digits = venue.archives.digits(fields, archive.kind)
    known = next((i for i in store.instruments() if i.id == f"{venue.name}:{archive.symbol}"), None)
    if known is None:
        known = venue.archives.instrument(archive.symbol)
        known = replace(known, price_digits=price_digits, size_digits=size_digits)
        rows = venue.archives.read(fields, known.scale(archive.kind), 0)
        prices = [trade.price for trade in rows.trades] + [
            p for bar in rows.bars for p in (bar.open, bar.high, bar.low)
        ]
        return replace(known, tick=max(gcd(*prices), 1))
    grown = max(known.price_digits, price_digits)
    return replace(
        known,
        price_digits=grown,
        size_digits=max(known.size_digits, size_digits),
        tick=known.tick * 10 ** (grown - known.price_digits),
    )


def _commit() -> Commit:
    return Commit(now=_LATER, known_at=time.time_ns(), cause="import")


def _trades(venue: Venue, tape: Tape, rows: Sequence[Trade]) -> Iterator[tuple[Commit, int]]:
    """Cut trades into commits; where the venue's ids are consecutive a jump is not vouched for."""
    strict = tape.kind in venue.limits.consecutive
    known: int | None = None
    ends = {rows[0], rows[-1]}  # the minutes of these are not whole, and nothing later closes them
    for at in range(0, len(rows), _CHUNK):
        commit = _commit()
        chunk = [replace(row, received=commit.known_at) for row in rows[at : at + _CHUNK]]
        commit.trades = [(tape, chunk)]
        first = chunk[0].seq if known is None or (strict and chunk[0].seq != known + 1) else known + 1
        for stop, go_on in pairwise(rows[max(at - 1, 0) : at + _CHUNK]):
            if not strict or go_on.seq <= stop.seq + 1:
                continue
            ends |= {stop, go_on}
            if stop.seq >= first:
                commit.vouched.append(Vouched(tape, first, stop.seq, Evidence.ARCHIVE))
            first = go_on.seq
        known = chunk[-1].seq
        commit.vouched.append(Vouched(tape, first, known, Evidence.ARCHIVE))
        commit.wanted = commit.kept = [(tape, rows[0].seq, known)]
        if at + _CHUNK >= len(rows):
            commit.due = [(tape.instrument, start) for start in sorted({row.time - row.time % MINUTE for row in ends})]
        yield commit, len(chunk)


def _bars(tape: Tape, rows: Sequence[Bar]) -> Iterator[tuple[Commit, int]]:
    """Cut bars into commits; a minute that the file leaves out is not vouched for."""
    begin = rows[0].start // MINUTE
    for at in range(0, len(rows), _CHUNK):
        chunk = list(rows[at : at + _CHUNK])
        commit = _commit()
        commit.bars = [(tape.instrument, chunk)]
        first = chunk[0].start // MINUTE
        for one, following in pairwise(chunk):
            if following.start > one.start + MINUTE:
                commit.vouched.append(Vouched(tape, first, one.start // MINUTE, Evidence.ARCHIVE))
                first = following.start // MINUTE
        last = chunk[-1].start // MINUTE
        commit.vouched.append(Vouched(tape, first, last, Evidence.ARCHIVE))
        commit.wanted = [(tape, begin, last)]
        yield commit, len(chunk)
