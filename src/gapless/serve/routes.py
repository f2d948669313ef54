"""The routes of the HTTP API: parameters in, one answer of the market out."""

import time
from collections.abc import Sequence
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.params import JSONBody, Parameter, QueryParameter
from litestar.response import Stream
from msgspec.structs import asdict
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gapless.errors import UnknownName
from gapless.hub.shapes import ticker_update
from gapless.model import Quote, Ticker
from gapless.query.indicators import indicators_asked
from gapless.query.market import Market
from gapless.serve import batch, hybrid, pages
from gapless.serve.faces import Faces
from gapless.serve.questions import (
    EPOCHS,
    MOST_BARS,
    MOST_FOOTPRINTS,
    MOST_TRADES,
    at_most,
    bars_asked,
    bars_at_most,
    basis_of,
    moment_of,
    one_of,
    proof_of,
    span_of,
    timeframe_of,
)

Answer = dict[str, Any]
Id = Annotated[str, Parameter(description="An instrument: binance:BTCUSDT, or any usual spelling.")]
MaybeId = Annotated[str | None, Parameter(description="One instrument; all of them when absent.")]
Frame = Annotated[str, Parameter(description="1m to 1440m, 1h to 24h, 1d, 1w.")]
Start = Annotated[str | None, Parameter(description="Begin of the range: ISO 8601, epoch, now or -6h.")]
End = Annotated[str | None, Parameter(description="End of the range, exclusive.")]
Last = Annotated[int | None, Parameter(description="The last N closed bars.", ge=1)]
Live = Annotated[bool, Parameter(description="Add the forming bar.")]
Epoch = Annotated[str | None, Parameter(description="Write times as epochs in ms, us or ns instead of ISO 8601.")]
With = Annotated[
    list[str] | None,
    QueryParameter(name="with", description="Indicators as columns: sma:200, ichimoku; repeated or with commas."),
]
WithProof = Annotated[str, Parameter(description="The least proof of every bar that an indicator rests on.")]
Missing = Annotated[
    str | None,
    QueryParameter(
        name="fetch",
        description="missing: fetch within the budget what is not held; none: answer what is. Default: missing for a "
        "range with both start and end, else none.",
    ),
]
Wait = Annotated[
    float, Parameter(description="Seconds to wait for what is fetched, up to 60; the rest goes on in the background.")
]
AsOf = Annotated[
    str | None, Parameter(description="Answer what was known at a time of this machine; then nothing is fetched.")
]


@get("/health", tags=["system"])
async def health(state: State) -> Response[Answer]:
    """Say whether data flows; 503 only while starting or when dead."""
    body = _faces(state).system.health()
    return Response(body, status_code=503 if body.get("status") in {"starting", "dead"} else 200)


@get(["/system/status", "/api/v1/status"], tags=["system"])
async def status(state: State) -> Answer:
    """Say how the system runs: connections, rates, gaps, budgets, jobs, store, process."""
    return _faces(state).system.status()


@get("/metrics", tags=["system"])
async def metrics(state: State) -> Response[bytes]:
    """Give the metrics of the process for Prometheus."""
    body = generate_latest(_faces(state).system.registry)
    return Response(body, headers={"content-type": CONTENT_TYPE_LATEST})


@get("/api/v1/instruments", tags=["market"])
async def instruments(state: State) -> Answer:
    """List the instruments that the store holds."""
    return await _faces(state).ask(pages.instruments)


@get("/api/v1/candles", tags=["market"])
async def candles(
    state: State,
    id: Id,
    timeframe: Frame,
    start: Start = None,
    end: End = None,
    last: Last = None,
    basis: Annotated[str, Parameter(description="venue (its own bars where held) or tape (our fold).")] = "venue",
    live: Live = False,
    grid: Annotated[str, Parameter(description="midnight or epoch.")] = "midnight",
    fetch: Missing = None,
    wait: Wait = 10.0,
    as_of: AsOf = None,
    epoch: Epoch = None,
    indicators: With = None,
    with_proof: WithProof = "disputed",
) -> Answer:
    """List closed candles of any timeframe; a range of more than 5,000 names its `next` start.

    `fetch` says what became of what was not held: held, fetched, partial or refused, and why.
    """
    frame = timeframe_of(timeframe, grid)
    one_of(epoch, "epoch", EPOCHS)
    begin, until, at = *span_of(start, end), moment_of(as_of, "as_of")
    count = bars_asked(frame, last, most=MOST_BARS, start=start, end=end)
    least = proof_of(with_proof, "with_proof")
    if indicators:  # a mistake is told before anything is fetched
        await _faces(state).ask(lambda market: indicators_asked(indicators, frame))
    return await hybrid.with_missing(
        _faces(state), pages.then(pages.candles, at), id, frame, trades=False, most=bars_at_most(frame, MOST_BARS),
        fetch=hybrid.fetches(fetch, wait, ranged=bool(start and end), then=at is not None), wait=wait,
        start=begin, end=until, last=count, basis=basis_of(basis), live=live, epoch=epoch,
        indicators=indicators or (), least=least,
    )  # fmt: skip


@get("/api/v1/trades", tags=["market"])
async def trades(
    state: State,
    id: Id,
    start: Start = None,
    end: End = None,
    first: Annotated[
        int | None, Parameter(description="The id to go on from: `next` of the page before.", ge=0)
    ] = None,
    limit: Annotated[int, Parameter(description="How many trades at most, up to 10,000.")] = 1_000,
    received: Annotated[bool, Parameter(description="Add when each trade was first known.")] = False,
    as_of: AsOf = None,
    epoch: Epoch = None,
) -> Answer:
    """List trades of the primary tape by id: from a time, from an id, or the newest; `next` continues."""
    one_of(epoch, "epoch", EPOCHS)
    begin, until, at = *span_of(start, end), moment_of(as_of, "as_of")
    at_most(limit, "limit", MOST_TRADES)
    return await _faces(state).ask(
        pages.then(pages.trades, at),
        id,
        start=begin,
        end=until,
        first=first,
        limit=limit,
        received=received,
        epoch=epoch,
    )


@get("/api/v1/footprint", tags=["market"])
async def footprint(
    state: State,
    id: Id,
    timeframe: Frame,
    start: Start = None,
    end: End = None,
    last: Last = None,
    live: Live = False,
    rows: Annotated[int | None, QueryParameter(name="ticks_per_row", description="Ticks a price row.", ge=1)] = None,
    fetch: Missing = None,
    wait: Wait = 10.0,
    as_of: AsOf = None,
    epoch: Epoch = None,
) -> Answer:
    """List footprints of bars: volume by price and side, and what is read from it; by default of the last one.

    `fetch` is as with candles, and brings trades.
    """
    frame = timeframe_of(timeframe, "midnight")
    one_of(epoch, "epoch", EPOCHS)
    begin, until, at = *span_of(start, end), moment_of(as_of, "as_of")
    count = bars_asked(frame, last, most=MOST_FOOTPRINTS, start=start, end=end)
    return await hybrid.with_missing(
        _faces(state), pages.then(pages.footprints, at), id, frame, trades=True,
        most=bars_at_most(frame, MOST_FOOTPRINTS),
        fetch=hybrid.fetches(fetch, wait, ranged=bool(start and end), then=at is not None), wait=wait,
        start=begin, end=until, last=count, live=live, ticks_per_row=rows, epoch=epoch,
    )  # fmt: skip


@post("/api/v1/footprints", tags=["market"], status_code=200)
async def footprints(state: State, request: Request[Any, Any, Any], data: JSONBody[batch.Batch]) -> Response[Any]:
    """Give the footprints of many candles, each with its outcome: held, fetched, partial, missing or failed.

    With `accept: application/x-ndjson` a line for each as it is done, and a last one with the counts.
    """
    if "application/x-ndjson" in request.headers.get("accept", ""):
        batch.check(data)
        return Stream(batch.lines(_faces(state), data), media_type="application/x-ndjson")
    return Response(await batch.answer(_faces(state), data))


@get("/api/v1/profile", tags=["market"])
async def profile(
    state: State,
    id: Id,
    session: Annotated[str, Parameter(description="1d, 1w, or any timeframe.")] = "1d",
    start: Start = None,
    end: End = None,
    last: Last = None,
    live: Live = False,
    rows: Annotated[int | None, QueryParameter(name="ticks_per_row", description="Ticks a price row.", ge=1)] = None,
    fetch: Missing = None,
    wait: Wait = 10.0,
    as_of: AsOf = None,
    epoch: Epoch = None,
) -> Answer:
    """List volume profiles of sessions, by default of the last one: POC, value area, nodes, and what is naked.

    A `poc_naked` was touched by no later session, the open one included; `fetch` is as with footprints.
    """
    frame = timeframe_of(session, "midnight")
    one_of(epoch, "epoch", EPOCHS)
    begin, until, at = *span_of(start, end), moment_of(as_of, "as_of")
    count = bars_asked(frame, last, most=MOST_FOOTPRINTS, start=start, end=end)
    return await hybrid.with_missing(
        _faces(state), pages.then(pages.profiles, at), id, frame, trades=True,
        most=bars_at_most(frame, MOST_FOOTPRINTS),
        fetch=hybrid.fetches(fetch, wait, ranged=bool(start and end), then=at is not None), wait=wait,
        start=begin, end=until, last=count, live=live, ticks_per_row=rows, epoch=epoch,
    )  # fmt: skip


@get("/api/v1/explain", tags=["market"])
async def explain(
    state: State,
    id: Id,
    timeframe: Frame,
    start: Annotated[str, Parameter(description="Any time within the bar.")],
    epoch: Epoch = None,
) -> Answer:
    """Say where every part of one candle came from."""
    frame = timeframe_of(timeframe, "midnight")
    one_of(epoch, "epoch", EPOCHS)
    begin, _ = span_of(start, None)
    return await _faces(state).ask(pages.explained, id, frame, start=begin or 0, epoch=epoch)


@get("/api/v1/gaps", tags=["ledger"])
async def gaps(
    state: State,
    id: MaybeId = None,
    only: Annotated[
        str | None, QueryParameter(name="state", description="open, repaired or permanent; else all.")
    ] = None,
    as_of: AsOf = None,
) -> Answer:
    """List the named gaps, newest first."""
    one_of(only, "state", pages.STATES)
    at = moment_of(as_of, "as_of")
    return await _faces(state).ask(pages.then(pages.gaps, at), id, (only,) if only else pages.STATES)


@get("/api/v1/coverage", tags=["ledger"])
async def coverage(state: State, id: MaybeId = None) -> Answer:
    """Audit every tape: what is held, what was repaired, voids, and every hole."""
    return await _faces(state).ask(pages.coverage, id)


@get("/api/v1/tickers", tags=["newest"])
async def tickers(state: State, id: MaybeId = None) -> Answer:
    """List the newest 24 h tickers."""
    began = time.perf_counter()
    faces = _faces(state)
    return await _newest(faces, faces.system.tickers(), id, began=began)


@get("/api/v1/tickers/{id:path}", tags=["newest"])
async def ticker(state: State, id: Annotated[str, Parameter(description="An instrument: binance:BTCUSDT.")]) -> Answer:
    """Give the newest 24 h ticker of one instrument: the keys of `ticker_update`, and beside them the exact values."""
    faces = _faces(state)
    instrument = await faces.ask(Market.instrument, id.removeprefix("/"))
    newest = next((one for one in faces.system.tickers() if one.instrument == instrument.id), None)
    quote = next((one for one in faces.system.quotes() if one.instrument == instrument.id), None)
    update = ticker_update(instrument, newest, quote) if newest else None
    if newest is None or update is None:
        raise UnknownName(f"no ticker of {instrument.id} has come yet")
    return pages.newest_row(newest) | asdict(update)


@get("/api/v1/quotes", tags=["newest"])
async def quotes(state: State, id: MaybeId = None) -> Answer:
    """List the newest best bids and asks."""
    began = time.perf_counter()
    faces = _faces(state)
    return await _newest(faces, faces.system.quotes(), id, began=began)


@get("/api/v1/book", tags=["newest"])
async def book(
    state: State,
    id: Id,
    depth: Annotated[int, Parameter(description="Levels a side, up to 5,000.")] = 20,
) -> Answer:
    """Give an order book, best first."""
    at_most(depth, "depth", 5_000)
    faces = _faces(state)
    instrument = await faces.ask(Market.instrument, id)
    found = faces.system.book(instrument.id, depth)
    if found is None:
        raise UnknownName(f"no order book of {instrument.id} is kept; collect.books lists those that are")
    return found


@get("/api/v1/budgets", tags=["system"])
async def budgets(state: State) -> Answer:
    """List what was spent and what is left, by host."""
    began = time.perf_counter()
    return pages.plain_listing(_faces(state).system.budgets(), ["memory"], began=began)


@get("/api/v1/connections", tags=["system"])
async def connections(state: State) -> Answer:
    """List the connections to venues."""
    began = time.perf_counter()
    return pages.plain_listing(_faces(state).system.connections(), ["memory"], began=began)


def _faces(state: State) -> Faces:
    faces: Faces = state.faces
    return faces


async def _newest(faces: Faces, values: Sequence[Ticker | Quote], name: str | None, *, began: float) -> Answer:
    if name is not None:
        instrument = await faces.ask(Market.instrument, name)
        values = [value for value in values if value.instrument == instrument.id]
    return pages.plain_listing([pages.newest_row(value) for value in values], ["stream"], began=began)


ROUTES = [
    health, status, metrics, instruments, candles, trades, footprint, footprints, profile, explain, gaps, coverage,
    tickers, ticker, quotes, book, budgets, connections,
]  # fmt: skip
