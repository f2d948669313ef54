"""Asks by REST everything that we ask, and compares limits and prices with our table."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from gapless.doctor.asking import Asking, Blocked
from gapless.doctor.check import Check
from gapless.doctor.listening import tape_kind
from gapless.errors import BadNumber, Banned, CouldNot, sentence_of
from gapless.model import MINUTE, Instrument, Tape
from gapless.venues.spec import Hosts, Ids, Request, Venue

_TRIES = 4


class Kind(Struct, frozen=True):
    """One kind of request that we send: how it is written, and how its reply is read (a count of what it holds)."""

    name: str
    request: Request
    read: Callable[[bytes], int]


def limits(venue: Venue, body: bytes) -> Check:
    """Compare the limit that the venue announces with our table."""
    announced, known = venue.history.weight_limit(body), venue.limits.weight_per_minute
    figures = {"announced": announced, "table": known}
    if announced is None:
        return Check("limits", "skipped", "the venue announces no limit", figures)
    if announced == known:
        return Check("limits", "ok", f"the venue announces weight {announced:,} a minute, as we know it", figures)
    return Check("limits", "differs", f"the venue announces weight {announced:,} a minute, we know {known:,}", figures)


def kinds(venue: Venue, hosts: Hosts, one: Instrument, seq: int | None, fill: int, now: int) -> list[Kind]:
    """List every kind of request that is sent without a key.

    `seq` is an id on the venue's usual tape, `fill` one of an execution, `now` the venue's time in ns.
    """
    history = venue.history
    main, single, bars = (one.scale(kind) for kind in (tape_kind(venue), "trade", "bars"))

    def page(tape: Tape) -> Callable[[bytes], int]:
        return lambda body: len(history.trades_page(body, tape, None, 0).rows)

    def count(body: bytes) -> int:
        return len(history.bars(body, bars))

    # The minute that has just ended may still be missing by REST.
    until, full = (now // MINUTE - 1) * MINUTE, venue.limits.page_bars * MINUTE
    found = [
        Kind("time", history.time_request(hosts), lambda body: history.time(body) and 1),
        *(
            Kind("instruments", request, lambda body: len(history.instruments(body)))
            for request in history.instruments_requests(hosts)
        ),
        Kind("newest", history.newest_request(hosts, one.symbol), lambda body: history.newest(body)[0] and 1),
        Kind("one bar", history.bars_request(hosts, one.symbol, until - MINUTE, until, now), count),
        Kind("page of bars", history.bars_request(hosts, one.symbol, until - full, until, now), count),
    ]
    if main.kind != "trade":
        asked = history.trades_request(hosts, single, Ids(first=fill - 99, last=fill), keyed=False)
        found.append(Kind("single trades", asked, page(single)))
    if books := venue.snapshots:
        found.append(
            Kind("book", books.depth_request(hosts, one.symbol), lambda body: len(books.depth(body, main).bids))
        )
    if seq is not None:
        ids = Ids(first=seq - venue.limits.page_trades + 1, last=seq)
        asked = history.trades_request(hosts, main, ids, keyed=False)
        found.append(Kind("page of trades", asked, page(main)))
    if at := history.trade_at_request(hosts, main, now - MINUTE):
        found.append(
            Kind("trade at a time", at, lambda body: int(history.trade_at(body, main, now - MINUTE) is not None))
        )
    return found


async def answered(asking: Asking, hosts: Hosts, kinds: list[Kind]) -> list[Check]:
    """Send each kind of request; say whether the replies read, and whether the used weight grew by their price.

    The used weight counts for the whole address, in UTC minutes: where it grew by more, or the minute turned, it is
    asked again, and the least growth counts.
    """
    read: dict[str, int] = {}
    trouble: dict[str, str] = {}
    prices: dict[str, Any] = {}
    await asking.get(asking.venue.history.time_request(hosts))
    for kind in kinds:
        seen: list[int] = []
        others = read.get(kind.name, 0)  # what is listed may take several requests
        for _ in range(_TRIES):
            before = asking.used()
            try:
                read[kind.name] = others + kind.read(await asking.get(kind.request))
            except (Banned, Blocked):
                raise
            except (CouldNot, BadNumber, msgspec.DecodeError, ValueError) as error:
                trouble[kind.name] = sentence_of(error)
                break
            after = asking.used()
            if before is None or after is None:
                break
            if after > before:
                seen.append(after - before)
            if kind.request.weight in seen:
                break
        prices[kind.name] = {"table": kind.request.weight, "counted": min(seen) if seen else None}
    return [_read(read, trouble), _priced(prices)]


def _read(read: dict[str, int], trouble: dict[str, str]) -> Check:
    empty = [name for name, count in read.items() if not count and name not in trouble]
    figures = {"rows": read} | ({"trouble": trouble} if trouble else {})
    if trouble:
        return Check("answers", "failed", "; ".join(f"{name}: {said}" for name, said in trouble.items()), figures)
    if empty:
        return Check("answers", "differs", f"empty: {', '.join(empty)}", figures)
    return Check("answers", "ok", f"{len(read)} kinds of request are answered and read", figures)


def _priced(prices: dict[str, Any]) -> Check:
    told = {name: price for name, price in prices.items() if price["counted"] is not None}
    if not told:
        return Check("weights", "skipped", "the venue tells no used weight", prices)
    wrong = [
        f"{name} counts {price['counted']}, we know {price['table']}"
        for name, price in told.items()
        if price["counted"] != price["table"]
    ]
    if wrong:
        return Check("weights", "differs", "; ".join(wrong), prices)
    untold = f"; not told: {', '.join(prices.keys() - told.keys())}" if len(told) < len(prices) else ""
    return Check("weights", "ok", f"the price of {len(told)} kinds of request is as we know it{untold}", prices)
