"""Answers at once what is held, and within a bound what is missing: it is fetched, or said why not."""

import time
from collections.abc import Callable
from typing import Any

from msgspec.structs import asdict, replace

from gapless.collect.demand import Fetch, answered
from gapless.errors import BadInput
from gapless.model import Instrument, Timeframe
from gapless.query.answer import Span
from gapless.query.lacking import lacking, span_asked
from gapless.query.market import Market
from gapless.serve.faces import Faces
from gapless.serve.questions import one_of

FETCHES = ("missing", "none")
MOST_WAIT = 60.0  # seconds


def fetches(fetch: str | None, wait: float, *, ranged: bool, then: bool = False) -> bool:
    """Say whether what is missing is to be fetched: by default for a range that names both its ends.

    Never where the question is what was known `then`.
    """
    one_of(fetch, "fetch", FETCHES)
    if not 0 <= wait <= MOST_WAIT:
        raise BadInput(f"wait: {wait:g} is not allowed; allowed are 0 to {MOST_WAIT:.0f} seconds")
    if then and fetch == "missing":
        raise BadInput("as_of goes without fetch: what is fetched now was not known then")
    return ranged and not then if fetch is None else fetch == "missing"


async def with_missing(
    faces: Faces,
    page: Callable[..., dict[str, Any]],
    name: str,
    timeframe: Timeframe,
    *,
    fetch: bool,
    wait: float,
    trades: bool,
    most: int,
    **asked: Any,
) -> dict[str, Any]:
    """Fetch what a page of at most `most` bars misses, where asked to, and answer it."""
    began = time.perf_counter()
    told, why = Fetch(state="held"), "it was not asked to fetch"
    if fetch:
        instrument, span = await faces.ask(_span, name, timeframe, asked)
        if span is not None and span[1] - span[0] > most * timeframe.length:
            why = f"one answer fetches at most {most:,} bars; `gapless backfill` fetches more"
        elif span is not None:
            told, why = await _fetched(faces, instrument, span, wait=wait, trades=trades), "it is held no more"
    body = await faces.ask(page, name, timeframe, **asked)
    if body["missing"] and told.state in ("held", "fetched"):
        told = replace(told, state="partial", reason=why)
    return body | {"fetch": asdict(told), "elapsed_ms": round((time.perf_counter() - began) * 1_000, 3)}


def _span(market: Market, name: str, timeframe: Timeframe, asked: dict[str, Any]) -> tuple[Instrument, Span | None]:
    instrument = market.instrument(name)
    return instrument, span_asked(market, instrument, timeframe, asked["start"], asked["end"], asked["last"])


async def _fetched(faces: Faces, instrument: Instrument, span: Span, *, wait: float, trades: bool) -> Fetch:
    spans = await faces.ask(lacking, instrument, span, trades=trades)
    if not spans:
        return Fetch(state="held")
    told = await faces.system.fetch(instrument, spans, trades=trades, wait=wait)
    return answered(told, lacking=bool(await faces.ask(lacking, instrument, span, trades=trades, closed=True)))
