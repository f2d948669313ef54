"""What can be changed of a running gapless: connections replaced, instruments begun, ended and put first."""

import asyncio
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from gapless.errors import BadInput, UnknownName
from gapless.hub.events import TickerUpdate
from gapless.hub.shapes import ticker_update
from gapless.model import SECOND, Instrument
from gapless.query.resolve import resolve
from gapless.startup import by_venue

if TYPE_CHECKING:
    from gapless.engine import Engine


async def rotate(engine: "Engine", connection: str | None) -> dict[str, Any]:
    """Replace a connection to a venue, or all, by successors that overlap them by id."""
    names = [one.name for collector in engine.collectors for one in collector.connections]
    if connection is not None and connection not in names:
        near = get_close_matches(connection, names, 1)
        raise UnknownName(
            f"there is no connection {connection!r}; " + (f"did you mean {near[0]}?" if near else _some(names))
        )
    began = engine.clock.monotonic()
    done = await asyncio.gather(*(collector.wiring.rotate("asked for", connection) for collector in engine.collectors))
    outcome = [one for some in done for one in some]
    return {
        "rotated": [name for name, why in outcome if why is None],
        "failed": [{"connection": name, "reason": why} for name, why in outcome if why is not None],
        "seconds": round((engine.clock.monotonic() - began) / SECOND, 3),
    }


def _some(names: list[str]) -> str:
    return f"there are {', '.join(names[:4])}{' and others' if len(names) > 4 else ''}"


async def change(engine: "Engine", add: list[str], remove: list[str]) -> dict[str, Any]:
    """Begin and end instruments while everything else goes on."""
    refused: dict[str, str] = {}
    adds, removes = by_venue(add), by_venue(remove)
    before = {one.id for one in collected(engine)}
    for name in adds.keys() | removes.keys():
        collector = next((one for one in engine.collectors if one.venue.name == name), None)
        if collector is None:
            sentence = f"{name} is not collected by this run; only its own venues can be added to"
            refused |= dict.fromkeys([*adds.get(name, []), *removes.get(name, [])], sentence)
        else:
            refused |= await collector.change(adds.get(name, []), removes.get(name, []))
    after = {one.id for one in collected(engine)}
    return {
        "added": sorted(after - before),
        "removed": sorted(before - after),
        "refused": [{"id": name, "reason": reason} for name, reason in refused.items()],
    }


def prioritise(engine: "Engine", add: Iterable[str], remove: Iterable[str]) -> dict[str, Any]:
    """Put instruments that are collected first, and others no longer; any usual spelling will do."""
    refused: dict[str, str] = {}
    adds, removes = (_meant(engine, names, refused) for names in (add, remove))
    for collector in engine.collectors:
        mine = collector.venue.name
        collector.prioritise(*({one.id for one in some if one.venue == mine} for some in (adds, removes)))
    return {
        "priority": priority(engine),
        "refused": [{"id": name, "reason": reason} for name, reason in refused.items()],
    }


def put_first(engine: "Engine", ids: Iterable[str]) -> list[str]:
    """Put instruments first, all of them or none; give all that come first."""
    adds = [resolve(name, collected(engine), where="this run collects").id for name in ids]
    return list(prioritise(engine, adds, ())["priority"])


def _meant(engine: "Engine", names: Iterable[str], refused: dict[str, str]) -> list[Instrument]:
    """Give the instruments that some names mean; those that mean none are put beside."""
    found = []
    for name in names:
        try:
            found.append(resolve(name, collected(engine), where="this run collects"))
        except BadInput as mistake:
            refused[name] = str(mistake)
    return found


def priority(engine: "Engine") -> list[str]:
    """List the ids that come first."""
    return sorted(name for collector in engine.collectors for name in collector.priority)


def current_ticker(engine: "Engine", name: str) -> TickerUpdate:
    """Give the current ticker of an instrument that is collected."""
    instrument = resolve(name, collected(engine), where="this run collects")
    for collector in engine.collectors:
        ticker = collector.pipeline.tickers.get(instrument.id)
        quote = collector.pipeline.quotes.get(instrument.id)
        if ticker and (update := ticker_update(instrument, ticker, quote)):
            return update
    raise UnknownName(f"no ticker of {instrument.id} has come yet")


def collected(engine: "Engine") -> list[Instrument]:
    """List the instruments that are collected."""
    return [line.instrument for collector in engine.collectors for line in collector.pipeline.lines.values()]
