"""Signals that are stored, as every face gives them: which are meant, and the newest judgement of each."""

import time
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from gapless.derive.signals.pattern_table import PATTERNS
from gapless.errors import BadInput
from gapless.model import Proof, parse_timeframe
from gapless.model.signal import STANDING, Fact, Judged, SignalFilter, SignalState
from gapless.model.times import in_epoch
from gapless.query.answer import SignalAnswer
from gapless.query.market import Market
from gapless.query.present import signal_row

KINDS = ("reversal", "volume_spike", "pattern", *(f"pattern.{name}" for name in PATTERNS))
STATES = (*get_args(SignalState), "standing", "all")
SIDES = {"buy": 1, "sell": -1}
LAST = 20  # where nothing says how many
_END = 2**63 - 1
_SCORES = (1, 10)
_FACTS = {
    "reversal": ("valid", "reason", "stop", "risk_percent", "poc", "vah", "val"),
    "volume_spike": ("ratio", "z", "volume", "baseline", "ended", "peak"),
    "pattern": ("context", "pattern_low", "pattern_high"),
}


def which(
    *,
    timeframes: Iterable[str] = (),
    kinds: Iterable[str] = (),
    sides: Iterable[str] = (),
    states: Iterable[str] = (),
    min_score: float | None = None,
    min_proof: str | None = None,
) -> SignalFilter:
    """Read which signals are meant; without `states` those that stand, which have not been withdrawn."""
    named = [_one_of(text, "state", STATES) for text in states] or ["standing"]
    found = [state for state in get_args(SignalState) if state in named or ("standing" in named and state in STANDING)]
    if min_score is not None and not _SCORES[0] <= min_score <= _SCORES[1]:
        raise BadInput(f"min_score: {min_score} is not allowed; allowed are {_SCORES[0]} to {_SCORES[1]}")
    proofs = tuple(proof.text for proof in Proof)
    return SignalFilter(
        minutes=tuple(parse_timeframe(text).minutes for text in timeframes),
        kinds=tuple(_one_of(text, "kind", KINDS) for text in kinds),
        sides=tuple(SIDES[_one_of(text, "side", tuple(SIDES))] for text in sides),
        states=() if "all" in named else tuple(found),
        min_score=min_score,
        min_proof=Proof.MISSING if min_proof is None else Proof[_one_of(min_proof, "min_proof", proofs).upper()],
    )


def named(market: Market, asked: SignalFilter, texts: Iterable[str]) -> SignalFilter:
    """Add the instruments that texts mean."""
    return replace(asked, instruments=tuple(dict.fromkeys(market.instrument(text).id for text in texts)))


def _one_of(text: str, name: str, allowed: Sequence[str]) -> str:
    if text in allowed:
        return text
    near = get_close_matches(text, allowed, 1)
    shown = [word for word in allowed if "." not in word]
    member = next((word for word in allowed if "." in word), None)
    raise BadInput(
        f"{name}: {text!r} is not allowed; allowed are {', '.join(shown)}"
        + (f" and its members such as {member}" if member else "")
        + (f"; did you mean {near[0]}?" if near else "")
    )


def signals(
    market: Market,
    asked: SignalFilter,
    *,
    start: int | None = None,
    end: int | None = None,
    last: int | None = None,
    most: int | None = None,
    number: int = _END,
) -> SignalAnswer:
    """Give the newest judgement of signals whose bar closed in [start, end), or of the last N; newest last.

    Without a range and a number they are the last 20. `most` cuts a range after so many, at a moment that `next` of
    the answer names. `number` is the commit as of which they are given.
    """
    began = time.perf_counter()
    read = market.reader.signals
    begin, until = start or 0, _END if end is None else end
    after = None
    if last is None and start is None and end is None:
        last = LAST
    if last is not None:
        rows = read(begin, until, number=number, limit=last, which=asked)
    else:
        rows = read(begin, until, number=number, limit=_END if most is None else most + 1, which=asked, newest=False)
        if most is not None and len(rows) > most:
            after = rows[most].end
            rows = [row for row in rows if row.end < after]
            if not rows:  # more than `most` of one moment
                rows = read(after, after + 1, number=number, limit=_END, which=asked, newest=False)
                after += 1
    return SignalAnswer(rows=rows, next=after, elapsed_ms=(time.perf_counter() - began) * 1_000)


def signal_listing(
    answer: SignalAnswer, rows: Iterable[dict[str, Any]] | None = None, *, epoch: str | None = None
) -> dict[str, Any]:
    """Wrap signals as HTTP and `--format json` answer; the proof is the worst of the rows, None without one."""
    return {
        "rows": list(signal_rows(answer, epoch=epoch) if rows is None else rows),
        "proof": min(row.proof for row in answer.rows).text if answer.rows else None,
        "revision": sum(row.revision for row in answer.rows),
        "sources": ["store"],
        "missing": [],
        "elapsed_ms": round(answer.elapsed_ms, 3),
    }


def signal_rows(answer: SignalAnswer, *, epoch: str | None = None) -> Iterator[dict[str, Any]]:
    """Write signals as rows of `SIGNAL_COLUMNS`."""
    return (signal_row(judged, epoch=epoch) for judged in answer.rows)


def flat_rows(answer: SignalAnswer, *, epoch: str | None = None) -> Iterator[dict[str, Any]]:
    """Write signals as rows of `SIGNAL_COLUMNS` in which the values are one text, JSON."""
    for row in signal_rows(answer, epoch=epoch):
        yield row | {"values": msgspec.json.encode(row["values"]).decode()}


TABLE_COLUMNS = ("time", "instrument", "timeframe", "kind", "side", "price", "score", "state", "proof", "facts")


def table_rows(answer: SignalAnswer, *, epoch: str | None = None) -> Iterator[dict[str, Any]]:
    """Write signals as people read them: when the bar closed, and the facts that matter most."""
    for judged in answer.rows:
        yield signal_row(judged, epoch=epoch) | {"time": in_epoch(judged.end, epoch), "facts": facts(judged)}


def facts(judged: Judged) -> str:
    """Write the facts of a signal that matter most in a line: `valid, stop 1.22, risk 0.4 %`."""
    values = judged.signal.values
    names = _FACTS.get(judged.signal.kind.partition(".")[0], tuple(values))
    return ", ".join(_fact(name, values[name]) for name in names if values.get(name) is not None)


def _fact(name: str, value: Fact) -> str:
    word = name.removesuffix("_percent").replace("_", " ")
    if isinstance(value, bool):
        return word if value else f"not {word}"
    if word in ("reason", "context"):
        return str(value)
    return f"{word} {value}{' %' if name.endswith('_percent') else ''}"
