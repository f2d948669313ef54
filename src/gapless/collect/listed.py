"""Asks a venue for everything that it lists."""

from functools import partial

from gapless.budget.priority import Priority
from gapless.collect.rest import RestClient
from gapless.errors import UNREADABLE, Unavailable
from gapless.model import Instrument, Ticker
from gapless.venues.spec import Hosts, Venue


async def everything_listed(
    venue: Venue, hosts: Hosts, rest: RestClient, *, priority: Priority, patient: bool = True
) -> list[Instrument]:
    """Ask for all instruments, and learn the limit that the venue announces beside them."""
    found: list[Instrument] = []
    for request in venue.history.instruments_requests(hosts):
        body = await rest.get(request, patient=patient, priority=priority)
        try:
            rest.announced(venue.history.weight_limit(body))
            found += venue.history.instruments(body)
        except UNREADABLE as error:
            raise Unavailable(f"{hosts.rest} is no {venue.name}: {error}") from error
    return found


async def everything_traded(venue: Venue, hosts: Hosts, rest: RestClient, *, patient: bool) -> list[Ticker]:
    """Ask for the 24 h tickers of everything."""
    get = partial(rest.get, patient=patient, priority=Priority.LIVE)
    try:
        return [
            ticker
            for request in venue.history.tickers_requests(hosts)
            for ticker in venue.history.tickers(await get(request))
        ]
    except UNREADABLE as error:
        raise Unavailable(f"the tickers of {venue.name} cannot be read: {error}") from error
