"""Volume profiles by session: where most was traded, the value area around it, and which of it is untouched since."""

import time
from collections.abc import Sequence
from typing import Any

from gapless.model import Candle, Instrument, Proof, State, Timeframe
from gapless.model.times import in_epoch
from gapless.query.footprint import footprints
from gapless.query.footprint_rows import BarFootprint, footprint_object
from gapless.query.market import Market

_OF_A_BAR = ("timeframe", "imbalances", "stacked", "unfinished", "findings", "high_nodes", "low_nodes", "thresholds")


def profiles(
    market: Market,
    instrument: Instrument,
    session: Timeframe,
    *,
    start: int | None = None,
    end: int | None = None,
    last: int | None = None,
    live: bool = False,
    ticks_per_row: int | None = None,
) -> tuple[list[BarFootprint], list[bool | None], list[tuple[int, int]]]:
    """Give the profiles of sessions, whether the point of control of each is naked, and what is missing.

    Naked is what no later session's range has touched, shown or not, the open one included; None where that cannot
    be told: a later session is not held whole.
    """
    bars, missing = footprints(
        market, instrument, session, start=start, end=end, last=last, live=live, ticks_per_row=ticks_per_row,
        profile=True,
    )  # fmt: skip
    later = market.candles(instrument, session, start=bars[0].end, live=True).rows if bars else []
    return bars, [_naked(bar, later) for bar in bars], missing


def profile_answer(
    market: Market,
    instrument: Instrument,
    session: Timeframe,
    start: int | None = None,
    end: int | None = None,
    last: int | None = None,
    *,
    live: bool = False,
    ticks_per_row: int | None = None,
    epoch: str | None = None,
) -> dict[str, Any]:
    """Give profiles as every face lists them; `hvn` and `lvn` are the rows of high and of low volume."""
    began = time.perf_counter()
    bars, naked, missing = profiles(
        market, instrument, session, start=start, end=end, last=last, live=live, ticks_per_row=ticks_per_row
    )
    return {
        "rows": [
            profile_object(bar, instrument, session=session, naked=untouched, epoch=epoch)
            for bar, untouched in zip(bars, naked, strict=True)
        ],
        "proof": min((bar.proof for bar in bars), default=Proof.MISSING).text,
        "revision": sum(bar.revision for bar in bars),
        "sources": sorted({source for bar in bars for source in bar.sources} or {"store"}),
        "missing": [[in_epoch(a, epoch), in_epoch(b, epoch)] for a, b in missing],
        "elapsed_ms": round((time.perf_counter() - began) * 1_000, 3),
    }


def profile_object(
    bar: BarFootprint, instrument: Instrument, *, session: Timeframe, naked: bool | None, epoch: str | None = None
) -> dict[str, Any]:
    """Write the profile of one session."""
    row = footprint_object(bar, instrument, timeframe=session, epoch=epoch)
    nodes = {"hvn": row["high_nodes"], "lvn": row["low_nodes"], "poc_naked": naked}
    return {"session": str(session), **{name: row[name] for name in row if name not in _OF_A_BAR}, **nodes}


def _naked(bar: BarFootprint, later: Sequence[Candle]) -> bool | None:
    poc = bar.footprint.poc
    if poc is None:
        return None
    following = [candle for candle in later if candle.start >= bar.end]
    top = poc + bar.footprint.row_height
    if any(_traded(candle) and candle.low < top and candle.high >= poc for candle in following):  # type: ignore[operator]
        return False
    closed = (candle for candle in following if candle.state is not State.OPEN)
    return None if any(candle.proof <= Proof.PARTIAL for candle in closed) else True


def _traded(candle: Candle) -> bool:
    return candle.high is not None and candle.low is not None and candle.state is not State.EMPTY
