"""What retention has dropped, and what a minute means whose trades are gone: as it was judged, so it stands."""

from collections.abc import Iterable

from msgspec.structs import replace

from gapless.model import VALUES, Candle, MinuteFold, Proof, Tape
from gapless.ports import ExpiredKind, Reads, Transaction
from gapless.tape.coverage import Range, cut
from gapless.tape.wanted import joined_ranges


def aged(reads: Reads, tape: int, first: int, last: int) -> bool:
    """Say whether trades with ids `first` to `last` have expired, and be it one."""
    return any(a <= last and b >= first for a, b in reads.expired(tape, "trades"))


def came_back(tx: Transaction, tape: int, kind: ExpiredKind, ids: Range, at: int) -> None:
    """List as expired no more what is held again."""
    known = tx.expired(tape, kind)
    left = cut(known, [ids])
    if left != known:
        tx.put_expired(tape, kind, left, at)


def keep(tx: Transaction, ranges: Iterable[tuple[Tape, int, int]]) -> None:
    """Let ids stay, however old they are: somebody asked for them."""
    for tape, first, last in ranges:
        tx.put_kept(tape.id, joined_ranges([*tx.kept(tape.id), (first, last)]))


def lowered(fold: MinuteFold, first: int) -> MinuteFold:
    """Let a minute begin at a lower id, with the values that it was folded to."""
    return replace(fold, first_seq=min(fold.first_seq, first))


def as_judged(candle: Candle, former: Candle | None, *, aged: bool) -> Candle:
    """Let a minute keep its proof where its values are the same: when some of its trades have expired (`aged`), and
    when what was proven by stream has come back by another way. What our fold lent it stays too.
    """
    if former is None or former.revision < 0 or former.proof <= Proof.PARTIAL:
        return candle
    if former.lent and candle.origin is former.origin:
        lacking = {name: getattr(former, name) for name in VALUES if getattr(candle, name) is None}
        candle = replace(candle, lent=former.lent, **lacking) if lacking else candle
    back = candle.proof is Proof.REPAIRED and former.proof is Proof.PROVEN
    if not (aged or back) or any(getattr(candle, name) != getattr(former, name) for name in VALUES):
        return candle
    return replace(candle, proof=former.proof, border=former.border, edge=former.edge)
