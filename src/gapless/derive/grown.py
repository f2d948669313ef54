"""Brings a commit into the digits of the store: somebody else may have made them grow since its rows were read."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gapless.model import VALUES, Bar, MinuteFold, Tape, Trade
from gapless.model.candle import UNTOLD
from gapless.model.packed import rescaled
from gapless.ports import Reads

if TYPE_CHECKING:
    from gapless.derive.settle import Commit

_Factors = tuple[int, int]  # of prices and of sizes


def in_digits_held(reads: Reads, commit: "Commit") -> "Commit":
    """Give a commit whose rows mean the same in the digits that the store has by now."""
    tapes = {tape.instrument: tape for tape in commit.primary.values()}
    tapes |= {vouch.tape.instrument: vouch.tape for vouch in commit.vouched}
    tapes |= {tape.instrument: tape for tape, _ in commit.trades}
    by_id = {tape.id: tape.instrument for tape in commit.primary.values()} if commit.folds else {}
    named = {tape.instrument for tape, _ in commit.trades} | {name for name, _ in commit.bars}
    named |= {by_id[tape] for tape, _ in commit.folds if tape in by_id}
    grown = {name: factors for name in named & tapes.keys() if (factors := _factors(reads, tapes[name])) != (1, 1)}
    if not grown:
        return commit
    folds = {key: _fold(fold, grown.get(by_id.get(key[0], ""), (1, 1))) for key, fold in commit.folds.items()}
    return replace(
        commit,
        trades=[(tape, _trades(rows, grown.get(tape.instrument, (1, 1)))) for tape, rows in commit.trades],
        bars=[(name, [_bar(bar, grown.get(name, (1, 1))) for bar in bars]) for name, bars in commit.bars],
        folds=folds,
    )


def _factors(reads: Reads, tape: Tape) -> _Factors:
    held = reads.instrument(tape.instrument)
    return 10 ** (held.price_digits - tape.price_digits), 10 ** (held.size_digits - tape.size_digits)


def _trades(rows: Iterable[Trade], by: _Factors) -> list[Trade]:
    return [replace(row, price=row.price * by[0], size=row.size * by[1]) for row in rows]


def _bar(bar: Bar, by: _Factors) -> Bar:
    price, size = by
    values = {name: getattr(bar, name) for name in VALUES if name != "trades"}
    return replace(bar, **{
        name: value * (price * size if "quote" in name else size if "volume" in name else price)
        for name, value in values.items()
        if value != UNTOLD
    })  # fmt: skip


def _fold(fold: MinuteFold, by: _Factors) -> MinuteFold:
    return replace(fold, bar=_bar(fold.bar, by), ladder=rescaled(fold.ladder, *by) if fold.ladder else fold.ladder)
