"""Judges one minute: whether its trades are whole, what is served, and how well it is proven."""

from msgspec import Struct
from msgspec.structs import astuple, replace

from gapless.derive.aged import aged
from gapless.derive.border import Verdict, compare
from gapless.model import MINUTE, Bar, Candle, Evidence, MinuteFold, Origin, Proof, State, Tape, Trade
from gapless.model.candle import LENT_COUNTS, LENT_QUOTE, UNTOLD
from gapless.ports import Reads
from gapless.tape.coverage import without

LATENESS = 2_000_000_000

_TOLD = 4  # digits with which venues tell the volume of inverse contracts, at the least

_MARKS = ("origin", "border", "edge", "polled", "lent")  # where only these differ, a candle is no other


class Held(Struct, frozen=True):
    """What the ledger says of the trades of one minute.

    `whole`: vouched without a break from at or before its first instant to at or after its end, or over the ids
    that the venue's bar names. `streamed`: all of that by stream. `ended`: an id at or after its end is known and
    every id between is held. `edge`: the tape begins or, so far, ends in it. `aged`: it is not whole, and some of it
    was once held and has expired. `before` and `last` are the trades at its borders.
    """

    whole: bool = False
    streamed: bool = False
    ended: bool = False
    edge: bool = False
    aged: bool = False
    last_held: bool = False
    before: Trade | None = None
    last: Trade | None = None


def held(reads: Reads, tape: Tape, start: int, *, fold: MinuteFold | None, bar: Bar | None) -> Held:
    """Read from the ledger what is held of the trades of the minute that begins at `start` (ns)."""
    following = reads.minute_from(tape.id, start + MINUTE)
    if fold is None and following is None:
        return Held()
    first = fold.first_seq if fold else following.first_seq  # type: ignore[union-attr]
    before = reads.trade_before(tape.id, first)
    last = reads.trade_before(tape.id, fold.last_seq + 1) if fold else None
    began = before is None and tape.began == first
    low = before.seq if before else first
    high = following.first_seq if following else (fold.last_seq if fold else low)
    spans = reads.spans(tape.id, low, high)
    unbroken = not without((low, high), spans)
    whole = unbroken and following is not None and (before is not None or began)
    named = _named(tape, fold, bar, before)
    if not whole and named:
        spans = reads.spans(tape.id, *named)
        whole = not without(named, spans)
        low, high = named[0] - 1, named[1] + 1
    gone = not whole and aged(reads, tape.id, low - (before is None), high)
    inside = [span for span in spans if span.last > low and span.first < high]
    return Held(
        whole=whole,
        streamed=all(span.evidence == Evidence.STREAM for span in inside),
        ended=unbroken and following is not None,
        edge=(before is None and not began) or following is None,
        aged=gone,
        last_held=named is not None and not without((named[1], named[1]), reads.spans(tape.id, named[1], named[1])),
        before=before,
        last=last,
    )


def _named(tape: Tape, fold: MinuteFold | None, bar: Bar | None, before: Trade | None) -> tuple[int, int] | None:
    """Give the ids on our tape between which the venue's bar says its executions lie."""
    if bar is None or bar.first_id < 0:
        return None
    if tape.kind == "trade":
        return bar.first_id, bar.last_id
    if fold is None or fold.bar.last_id < bar.last_id:
        return None
    if fold.bar.first_id <= bar.first_id:
        return fold.first_seq, fold.last_seq
    if before and before.first_fill <= bar.first_id < before.first_fill + before.fills:
        return before.seq, fold.last_seq
    return None


def judge(
    start: int, *, bar: Bar | None, fold: MinuteFold | None, tape: Tape | None, trades: Held,
    previous_close: int | None, silent: bool = False,
) -> Candle:  # fmt: skip
    """Give the candle that is served for a minute, with its proof; a missing one when nothing is held.

    `silent` says that the venue shows the minute to be empty by having no bar of it.
    """
    border, lender = False, None
    if bar is None:
        proof = _unbarred(fold, trades, silent=silent)
    elif tape is None or not trades.whole:
        proof = Proof.OFFICIAL
    else:
        verdict = verdict_of(bar, fold, tape, trades)
        border = verdict is Verdict.BORDER
        proof = Proof.DISPUTED if verdict is Verdict.DIFFERENT else _whole(trades)
        lender = fold.bar if fold and verdict is not Verdict.DIFFERENT else None
    if proof is Proof.MISSING:
        return Candle(start=start)
    edge = trades.edge and fold is not None and bar is None
    if bar is not None:
        return lent(candle_of(bar, Origin.VENUE, proof, border=border), lender)
    if fold is not None:
        return candle_of(fold.bar, Origin.TAPE, proof, edge=edge)
    flat = previous_close
    return Candle(
        start=start, open=flat, high=flat, low=flat, close=flat, volume=0, quote_volume=0, trades=0,
        taker_buy_volume=0, taker_buy_quote_volume=0, state=State.EMPTY, origin=Origin.TAPE, proof=proof,
    )  # fmt: skip


def verdict_of(bar: Bar, fold: MinuteFold | None, tape: Tape, trades: Held) -> Verdict:
    """Compare the venue's bar of a minute with our fold of its trades, which are whole."""
    aggregated = tape.kind == "agg"
    return compare(
        bar,
        fold.bar if fold else None,
        before=trades.before if aggregated else None,
        last=trades.last if aggregated else None,
        coarse=10 ** max(tape.size_digits - _TOLD, 0) if tape.inverse else None,
    )


def _unbarred(fold: MinuteFold | None, trades: Held, *, silent: bool) -> Proof:
    if trades.whole:
        return _whole(trades)
    if fold:
        return Proof.PARTIAL
    return Proof.OFFICIAL if silent else Proof.MISSING


def _whole(trades: Held) -> Proof:
    return Proof.PROVEN if trades.streamed else Proof.REPAIRED


def footprint_proof(candle: Candle | None, *, folded: bool) -> Proof:
    """Give the proof of the trades of a minute: that of its candle, but the venue's bar alone proves no trade."""
    if candle is None or candle.proof is Proof.MISSING:
        return Proof.PARTIAL if folded else Proof.MISSING
    if candle.proof is not Proof.OFFICIAL:
        return candle.proof
    if folded:
        return Proof.PARTIAL
    return Proof.REPAIRED if candle.state is State.EMPTY else Proof.MISSING


def lent(candle: Candle, fold: Bar | None) -> Candle:
    """Let our fold tell what the venue's bar does not; of an empty bar that is nothing."""
    if candle.quote_volume is not None and candle.trades is not None:
        return candle
    if fold is None and candle.state is not State.EMPTY:
        return candle
    told: dict[str, int] = {"lent": 0}
    if candle.quote_volume is None:
        told |= {"quote_volume": fold.quote_volume if fold else 0, "lent": LENT_QUOTE}
    if candle.trades is None:
        told |= {
            "trades": fold.trades if fold else 0,
            "taker_buy_volume": fold.taker_buy_volume if fold else 0,
            "taker_buy_quote_volume": fold.taker_buy_quote_volume if fold else 0,
            "lent": told["lent"] | LENT_COUNTS,
        }
    return replace(candle, **told)


def candle_of(bar: Bar, origin: Origin, proof: Proof, *, edge: bool = False, border: bool = False) -> Candle:
    """Dress a bar as a candle."""
    return Candle(
        start=bar.start,
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume,
        quote_volume=_told(bar.quote_volume),
        trades=_told(bar.trades),
        taker_buy_volume=_told(bar.taker_buy_volume),
        taker_buy_quote_volume=_told(bar.taker_buy_quote_volume),
        first_seq=bar.first_id,
        last_seq=bar.last_id,
        state=State.TRADED if bar.trades > 0 or bar.volume else State.EMPTY,
        origin=origin,
        proof=proof,
        edge=edge,
        border=border,
    )


def _told(value: int) -> int | None:
    return None if value == UNTOLD else value


def bar_of(candle: Candle | None) -> Bar | None:
    """Give back the venue's bar that a candle serves; None when it serves our own fold."""
    if candle is None or candle.origin is not Origin.VENUE:
        return None
    values = list(astuple(candle)[:12])
    if candle.lent & LENT_QUOTE or candle.quote_volume is None:
        values[6] = UNTOLD
    if candle.lent & LENT_COUNTS or candle.trades is None:
        values[7:10] = (UNTOLD,) * 3
    return Bar(*values)


def revised(candle: Candle, former: Candle | None) -> Candle | None:
    """Number a candle after the one it replaces; None when neither a value nor the proof changed."""
    if former is None or former.revision < 0:
        return candle
    marks = {name: getattr(former, name) for name in _MARKS}
    same = replace(candle, revision=former.revision, **marks)
    if same == replace(former, first_seq=candle.first_seq, last_seq=candle.last_seq):
        if all(getattr(candle, name) == mark for name, mark in marks.items()):
            return None
        return replace(candle, revision=former.revision)
    return replace(candle, revision=former.revision + 1)
