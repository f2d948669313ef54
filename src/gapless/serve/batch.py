"""Footprints of many candles over HTTP: what is held at once, what is missing fetched, each told when it is done."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from gapless.errors import BadInput
from gapless.query.footprint_batch import WHOLE, Item, Question, Result, elapsed, formed, summary, together, understood
from gapless.query.lacking import lacking
from gapless.serve.faces import Faces
from gapless.serve.hybrid import fetches
from gapless.serve.questions import one_of

MOST_ITEMS = 5_000
_ENCODE = msgspec.json.Encoder().encode


class Batch(Struct, forbid_unknown_fields=True):
    """Candles whose footprints are asked for; `wait` bounds, in seconds, what is waited for all that is fetched."""

    items: list[Item]
    fetch: str | None = None
    wait: float = 10.0
    epoch: str | None = None


def check(batch: Batch) -> bool:
    """Check a batch; say whether what it misses is to be fetched, which is so unless it says none."""
    one_of(batch.epoch, "epoch", ("ms", "us", "ns"))
    if len(batch.items) > MOST_ITEMS:
        raise BadInput(f"items: {len(batch.items):,} are not allowed; allowed are 1 to {MOST_ITEMS:,}")
    return fetches(batch.fetch, batch.wait, ranged=True)


async def answer(faces: Faces, batch: Batch) -> dict[str, Any]:
    """Answer all at once, in the order of the items."""
    began = time.perf_counter()
    results = [result async for result in finished(faces, batch, fetch=check(batch))]
    results.sort(key=lambda result: result["index"])
    return {**summary(results), "results": results, "elapsed_ms": elapsed(began)}


async def lines(faces: Faces, batch: Batch) -> AsyncIterator[bytes]:
    """Give a line of JSON for each item as it is done, and the counts last."""
    began = time.perf_counter()
    results = []
    async for result in finished(faces, batch, fetch=check(batch)):
        results.append({"outcome": result["outcome"]})
        yield _ENCODE(result) + b"\n"
    yield _ENCODE({**summary(results), "elapsed_ms": elapsed(began)}) + b"\n"


async def finished(faces: Faces, batch: Batch, *, fetch: bool) -> AsyncIterator[Result]:
    """Give results as they are done: first what is held, then what is fetched, instruments beside each other."""
    deadline = time.monotonic() + batch.wait
    questions, failed = await faces.ask(understood, batch.items, time.time_ns())
    for result in failed:
        yield result
    later: dict[str, list[tuple[Question, Result]]] = {}
    for group in together(questions):
        for question, result in await faces.ask(partial(formed, epoch=batch.epoch), group):
            if not fetch or result["outcome"] in WHOLE:
                yield result
            else:
                later.setdefault(question.instrument.id, []).append((question, result))
    done: asyncio.Queue[Result] = asyncio.Queue()
    tasks = [asyncio.create_task(_fetched(faces, some, done, deadline, batch.epoch)) for some in later.values()]
    try:
        for _ in range(sum(map(len, later.values()))):
            yield await done.get()
    finally:
        for task in tasks:
            task.cancel()


async def _fetched(
    faces: Faces, asked: list[tuple[Question, Result]], done: asyncio.Queue[Result], deadline: float, epoch: str | None
) -> None:
    """Fetch what questions about one instrument miss, one after the other, while there is time."""
    for question, result in asked:
        try:
            done.put_nowait(await _again(faces, question, result, deadline, epoch))
        except Exception as error:  # a result is waited for, whatever happens to it
            done.put_nowait(result | {"outcome": "failed", "error": f"it could not be fetched: {error}"})


async def _again(faces: Faces, question: Question, result: Result, deadline: float, epoch: str | None) -> Result:
    left = deadline - time.monotonic()
    if left <= 0:
        return result | {"error": f"{result['error']}; no time was left to fetch it"}
    instrument = question.instrument
    spans = await faces.ask(partial(lacking, trades=True), instrument, (question.start, question.end))
    told = await faces.system.fetch(instrument, spans, trades=True, wait=left)
    ((_, fresh),) = await faces.ask(partial(formed, epoch=epoch), [question])
    if fresh["outcome"] == "held":
        return fresh | {"outcome": "fetched"}
    return fresh | {"error": f"{fresh['error']}; {told.reason}" if told.reason else fresh["error"]}
