"""The comparer: what the simulated market did, by its journal, against what a store holds. A process of its own.

It shares no code with the collector: it reads the journal and the store, row by row, field by field.

usage: python -m gapless.sim.compare JOURNAL STORE_URL ENVIRONMENT
"""

import sys
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from gapless.adapters import open_store
from gapless.model import MINUTE, MS, Origin, State
from gapless.model.number import scaled, wide
from gapless.ports import TapeReader
from gapless.query.audit import audit

Row = tuple[int, ...]
FOLDS = "fold_1m"  # whole minutes of the trades sent, where the venue streams no closed bars
BARS = ("kline_1m", FOLDS)
FOLDED = 6  # of a fold: start, open, high, low, close, volume
MS_DIGITS = 6  # a time in ms that is told finer is a decimal text


class Contract(Struct, frozen=True):
    """What one unit of a journal's sizes stands for: so much of the base, or of the quote where it is inverse."""

    worth: Decimal = Decimal(1)
    inverse: bool = False

    def size(self, count: Decimal, price: str, digits: int) -> int:
        """Give a number of contracts at a price in base units, scaled; inverse ones are rounded, to 1 at least."""
        value = count * self.worth
        return max(_rounded(value / Decimal(price), digits), 1) if self.inverse else scaled(f"{value:f}", digits)


class Truth(Struct):
    """The last session of a journal: rows by (symbol, tape), and the contracts that sizes count."""

    venue: str = ""
    rows: dict[tuple[str, str], list[list[Any]]] = field(default_factory=dict)
    contracts: dict[str, Contract] = field(default_factory=dict)


class Tally(Struct):
    """What the comparison found: distinct events sent and held, and what is wrong with those held."""

    sent: dict[str, int] = field(default_factory=lambda: {"trades": 0, "candles": 0})
    held: dict[str, int] = field(default_factory=lambda: {"trades": 0, "candles": 0})
    missing: int = 0
    duplicated: int = 0
    altered: int = 0
    gaps_open: int = 0
    first_shortfalls: list[str] = field(default_factory=list)
    missing_ids: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # by "SYMBOL kind"; bars by minute


def compare(journal: Path, store: str, environment: str) -> Tally:
    """Compare every row of the truth with the row of the same id that the store holds."""
    reader = open_store(store, environment=environment, readonly=True)  # type: ignore[arg-type]
    truth = _truth(journal)
    tally = Tally()
    instruments = {instrument.id: instrument for instrument in reader.instruments()}
    for (symbol, kind), rows in truth.rows.items():
        what = "candles" if kind in BARS else "trades"
        tally.sent[what] += len(rows)
        instrument = instruments.get(f"{truth.venue}:{symbol}")
        if instrument is None:
            tally.missing += len(rows)
            tally.first_shortfalls.append(f"{symbol}: the store does not know it")
            tally.missing_ids[f"{symbol} {kind}"] = _ranges(sorted(row[0] for row in rows), kind, ms=True)
            continue
        digits = (instrument.price_digits, instrument.size_digits)
        contract = truth.contracts.get(symbol, Contract())
        wanted = {row[0]: row for row in (_scaled(kind, row, digits, contract) for row in rows)}
        if what == "candles":
            held = list(_bars(reader, instrument.id, kind, wanted))
        elif kind == "span":
            counts = {row[0]: (Decimal(row[2]), str(row[1])) for row in rows}
            held = list(_spans(reader, instrument.id, wanted, counts, contract, digits[1]))
        else:
            held = list(_trades(reader, instrument.id, kind, wanted))
        missing = _count(tally, what, f"{symbol} {kind}", wanted, held)
        if missing:
            tally.missing_ids[f"{symbol} {kind}"] = _ranges(missing, kind)
    tally.gaps_open = sum(len(tape.holes) for tape in audit(reader))
    return tally


def _truth(journal: Path) -> Truth:
    """Read the last session of a journal."""
    truth = Truth()
    for line in journal.read_bytes().splitlines():
        entry = msgspec.json.decode(line)
        if entry["t"] == "start":
            truth = Truth(entry["venue"])
        elif entry["t"] == "row":
            truth.rows.setdefault((entry["symbol"], entry["tape"]), []).append(entry["row"])
        elif entry["t"] == "contract":
            truth.contracts[entry["symbol"]] = Contract(Decimal(entry["worth"]), entry["inverse"])
    return truth


def _scaled(kind: str, row: list[Any], digits: tuple[int, int], contract: Contract) -> Row:
    """Write a journal row as (id, fields ...), in the store's units."""
    p, s = digits
    if kind not in BARS:
        seq, price, size, *covered, time, maker = row
        first, last = covered or (seq, seq)
        held = contract.size(Decimal(size), price, s)
        return (seq, _ns(time), scaled(price, p), held, -1 if maker else 1, last - first + 1, first)
    start, opened, high, low, close, volume, quote, count, taker, taker_quote = row
    prices = tuple(scaled(text, p) for text in (opened, high, low, close))
    told = _rounded(Decimal(volume), s) if contract.inverse else scaled(volume, s)
    bar = (start * MS, *prices, told, wide(quote, p + s))
    if kind == FOLDS:
        return bar[:FOLDED]
    return bar if count is None else (*bar, count, scaled(taker, s), wide(taker_quote, p + s))


def _rounded(value: Decimal, digits: int) -> int:
    return int(value.scaleb(digits).to_integral_value(ROUND_HALF_EVEN))


def _ns(time: int | str) -> int:
    return time * MS if isinstance(time, int) else scaled(time, MS_DIGITS)


def _trades(reader: TapeReader, instrument: str, kind: str, wanted: dict[int, Row]) -> Iterator[Row]:
    for tape in reader.tapes(instrument):
        if tape.kind == kind:
            for t in reader.trades(tape.id, min(wanted), max(wanted)):
                yield (t.seq, t.time, t.price, t.size, t.side, t.fills, t.first_fill)


def _spans(
    reader: TapeReader, instrument: str, wanted: dict[int, Row], counts: dict[int, tuple[Decimal, str]],
    contract: Contract, digits: int,
) -> Iterator[Row]:  # fmt: skip
    """Give, for each row of executions held together, those that it stands for: as sent where it tells their sum."""
    for tape in reader.tapes(instrument):
        if tape.kind != "span":
            continue
        for t in reader.trades(tape.id, min(wanted), max(wanted)):
            ids = [number for number in range(t.seq - t.fills + 1, t.seq + 1) if number in wanted]
            total = sum((counts[number][0] for number in ids), Decimal(0))
            whole = len(ids) == t.fills and contract.size(total, counts[t.seq][1], digits) == t.size
            for number in ids:
                sent = wanted[number]
                size = sent[3] if whole else t.size
                yield (number, t.time, t.price, size, t.side, 1, number)


def _bars(reader: TapeReader, instrument: str, kind: str, wanted: dict[int, Row]) -> Iterator[Row]:
    """Give the venue's bars with the fields that are told, or, to be held against folds, whatever minutes with trades
    are served."""
    fields = len(next(iter(wanted.values())))
    for c in reader.candles(instrument, min(wanted), max(wanted) + MINUTE):
        if c.state is State.TRADED if kind == FOLDS else c.origin is Origin.VENUE:
            row = (
                c.start, c.open, c.high, c.low, c.close, c.volume, c.quote_volume, c.trades, c.taker_buy_volume,
                c.taker_buy_quote_volume,
            )  # fmt: skip
            yield row[:fields]  # type: ignore[misc]


def _ranges(ids: list[int], kind: str, *, ms: bool = False) -> list[tuple[int, int]]:
    """Join neighbouring ids; a bar counts as the minute that it is of, as the ledger counts it."""
    found: list[tuple[int, int]] = []
    for number in ids:
        seq = number // (MINUTE // MS if ms else MINUTE) if kind in BARS else number
        if found and seq == found[-1][1] + 1:
            found[-1] = (found[-1][0], seq)
        else:
            found.append((seq, seq))
    return found


def _count(tally: Tally, what: str, name: str, wanted: dict[int, Row], held: list[Row]) -> list[int]:
    seen: dict[int, Row] = {}
    for row in held:
        if row[0] in seen:
            tally.duplicated += 1
        seen[row[0]] = row
    tally.held[what] += len(seen.keys() & wanted.keys())
    missing = sorted(wanted.keys() - seen.keys())
    altered = [key for key, row in wanted.items() if key in seen and seen[key] != row]
    strange = sorted(seen.keys() - wanted.keys())
    tally.missing += len(missing)
    tally.altered += len(altered) + len(strange)
    for word, keys in (("missing", missing), ("altered", altered), ("never sent", strange)):
        if keys:
            detail = f" sent {wanted[keys[0]]} held {seen[keys[0]]}" if word == "altered" else ""
            tally.first_shortfalls.append(f"{name}: {len(keys)} {word}, first {keys[0]}{detail}")
    return missing


if __name__ == "__main__":
    print(msgspec.json.encode(compare(Path(sys.argv[1]), sys.argv[2], sys.argv[3])).decode())
