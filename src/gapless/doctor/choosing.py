"""Chooses the instruments to look at: those named, else the busiest that can be learned without spending weight."""

from msgspec import Struct

from gapless.derive.tickers import turnover
from gapless.doctor.listening import Ear, Listening, tape_kind
from gapless.errors import BadInput
from gapless.model import Instrument
from gapless.query.resolve import resolve
from gapless.venues.spec import Venue

_MOST = 30
_WAIT = 6.0
_SOON = 1.0


class Chosen(Struct, frozen=True):
    """The instruments to look at, a small one for the archive, and how they were found."""

    instruments: list[Instrument]
    small: Instrument
    how: str


def named(texts: list[str], listed: list[Instrument], venue: Venue) -> list[Instrument]:
    """Give the instruments that were named."""
    chosen = {one.id: one for one in (resolve(text, listed, where=f"{venue.name} lists") for text in texts)}
    if len(chosen) > _MOST:
        raise BadInput(f"--instruments: {len(chosen)} are not allowed; allowed are 1 to {_MOST}")
    return list(chosen.values())


async def choose(asked: list[str] | int, listed: list[Instrument], listening: Listening) -> Chosen:
    """Choose by the quote volume of 24 h that tickers push, among the instruments that were listed first."""
    venue = listening.venue
    trading = [one for one in listed if one.status == "trading"]
    if not trading:
        raise BadInput(f"{venue.name} lists no instrument that trades")
    if isinstance(asked, list):
        chosen = named(asked, listed, venue)
        return Chosen(chosen, chosen[0], "named")
    quotes = [one.quote for one in trading]
    usual = max(dict.fromkeys(quotes), key=quotes.count)
    pool = sorted((one for one in trading if one.quote == usual), key=lambda one: one.listed or 0)
    pool = pool[: venue.limits.streams_per_connection - 1]
    # A simulated market begins with its first subscription to trades.
    await listening.subscribe(pool[:1], [tape_kind(venue)])
    ears = await listening.subscribe(pool, ["ticker"])
    if await listening.hear(ears[:1], _WAIT):
        await listening.hear(ears, _SOON * 2)
    volumes = {ear.stream.instrument: _volume(ear) for ear in ears if ear.ticker}
    if not volumes:
        return Chosen(pool[:asked], pool[-1], f"the first of {len(trading)}: no ticker told their volume")
    told = sorted((one for one in pool if one.id in volumes), key=lambda one: -volumes[one.id])
    how = f"the busiest of {len(told)} by quote volume of 24 h"
    return Chosen(told[:asked], told[-1], how)


def _volume(ear: Ear) -> int:
    return turnover(ear.ticker) if ear.ticker else 0
