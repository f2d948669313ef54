"""The venues that there are: one line each."""

from difflib import get_close_matches

from gapless.errors import UnknownName
from gapless.venues import binance, coinbase, okx
from gapless.venues.spec import Venue

VENUES: dict[str, Venue] = {venue.name: venue for venue in (*binance.VENUES, *okx.VENUES, *coinbase.VENUES)}


def venue(name: str) -> Venue:
    """Give a venue by its name."""
    found = VENUES.get(name)
    if found is None:
        near = get_close_matches(name, VENUES, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UnknownName(f"there is no venue {name!r}; allowed are {', '.join(VENUES)}{hint}")
    return found
