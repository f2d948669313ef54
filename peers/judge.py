"""What a client delivered against the truth in the simulator's journal: arithmetic only."""

import json
import math
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

MINUTE_MS = 60_000
Row = tuple[Any, ...]


class Truth(Struct):
    """What the venue sent, by symbol: trades in order of id, closed minutes in order of time."""

    trades: dict[str, list[Row]] = field(default_factory=dict)
    bars: dict[str, list[Row]] = field(default_factory=dict)
    requests: int = 0
    bans: int = 0
    bans_caused: int = 0


class Delivered(Struct):
    """What a client gave, by symbol, in its own order; the last row of a minute counts. `told` is what it said."""

    trades: dict[str, list[Row]] = field(default_factory=dict)
    bars: dict[str, dict[int, Row]] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    version: str = ""
    python: str = ""


class Loss(Struct):
    """What a play came to, counted from the first trade that the client delivered of each symbol."""

    sent: int = 0
    delivered: int = 0
    missing: int = 0
    doubled: int = 0
    altered: int = 0
    disordered: int = 0
    hole_ids: int = 0
    hole_s: float = 0.0  # by the times of the trades
    bars_sent: int = 0
    bars_held: int = 0
    bars_missing: int = 0
    bars_wrong: int = 0

    def add(self, other: "Loss") -> None:
        """Add another play: the longer hole stands, everything else is a sum."""
        if (other.hole_ids, other.hole_s) > (self.hole_ids, self.hole_s):
            self.hole_ids, self.hole_s = other.hole_ids, other.hole_s
        for name in self.__struct_fields__:
            if not name.startswith("hole"):
                setattr(self, name, getattr(self, name) + getattr(other, name))


def trade(number: int, price: str, size: str, time_ms: int, maker: bool) -> Row:
    """Write a trade so that equal values compare equal, however they were spelled."""
    return (number, Decimal(price), Decimal(size), time_ms, maker)


def bar(start_ms: int, *values: str) -> Row:
    """Write a minute (open, high, low, close, volume) so that equal values compare equal."""
    return (start_ms, *map(Decimal, values))


def truth_of(lines: Iterable[str | bytes]) -> Truth:
    """Read a journal of one session."""
    truth = Truth()
    for line in lines:
        entry = json.loads(line)
        kind = entry["t"]
        if kind == "request":
            truth.requests += 1
        elif kind == "ban":
            truth.bans += 1
            truth.bans_caused += entry["caused"]
        elif kind == "row" and entry["tape"] == "agg":
            number, price, size, _, _, time_ms, maker = entry["row"]
            truth.trades.setdefault(entry["symbol"], []).append(trade(number, price, size, time_ms, maker))
        elif kind == "row" and entry["tape"] == "kline_1m":
            truth.bars.setdefault(entry["symbol"], []).append(bar(*entry["row"][:6]))
    for rows in (*truth.trades.values(), *truth.bars.values()):
        rows.sort()
    return truth


def delivered_of(lines: Iterable[str | bytes], *, said_until: float = math.inf) -> Delivered:
    """Read what a driver wrote; a last line that is cut is left out, and what was said after an instant."""
    found = Delivered()
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            break
        kind = entry["t"]
        if kind == "trade":
            found.trades.setdefault(entry["symbol"], []).append(trade(*entry["row"]))
        elif kind == "candle":
            row = bar(*entry["row"])
            found.bars.setdefault(entry["symbol"], {})[row[0]] = row
        elif kind == "told" and entry["at"] <= said_until:
            found.told[entry["kind"]] += 1
        elif kind == "version":
            found.version, found.python = entry["version"], entry["python"]
    return found


def judge(truth: Truth, delivered: Delivered) -> Loss:
    """Compare every row; a symbol of which nothing was delivered is missing as a whole."""
    loss = Loss()
    for symbol, rows in truth.trades.items():
        given = delivered.trades.get(symbol, [])
        first = max(given[0][0], rows[0][0]) if given else rows[0][0]
        due = {row[0]: row for row in rows if row[0] >= first}
        _trades(loss, due, [row for row in given if row[0] >= first])
        began = due[min(due)][3] if due else 0
        bars = [row for row in truth.bars.get(symbol, []) if row[0] + MINUTE_MS > began]
        _bars(loss, bars, delivered.bars.get(symbol, {}))
    return loss


def _trades(loss: Loss, due: dict[int, Row], given: list[Row]) -> None:
    seen: dict[int, Row] = {}
    highest = -1
    for row in given:
        if row[0] in seen:
            loss.doubled += 1
            continue
        seen[row[0]] = row
        loss.disordered += row[0] < highest
        highest = max(highest, row[0])
    loss.sent += len(due)
    loss.delivered += len(due.keys() & seen.keys())
    loss.missing += len(due.keys() - seen.keys())
    loss.altered += sum(due.get(number) != row for number, row in seen.items())
    _longest_hole(loss, list(due.values()), seen.keys())


def _longest_hole(loss: Loss, due: list[Row], held: Iterable[int]) -> None:
    """Find the longest run of ids that are missing; it lasts from the trade before it to the one after it."""
    there, begin = set(held), None
    for place, row in enumerate([*due, None]):
        if row is not None and row[0] not in there:
            begin = place if begin is None else begin
            continue
        if begin is not None and place - begin > loss.hole_ids:
            before, after = due[max(begin - 1, 0)], due[min(place, len(due) - 1)]
            loss.hole_ids, loss.hole_s = place - begin, (after[3] - before[3]) / 1000
        begin = None


def _bars(loss: Loss, due: list[Row], given: dict[int, Row]) -> None:
    for row in due:
        held = given.get(row[0])
        loss.bars_sent += 1
        loss.bars_held += held == row
        loss.bars_missing += held is None
        loss.bars_wrong += held is not None and held != row
