"""Asks a venue for everything that it lists, and for what is traded of it."""

from collections.abc import Callable, Iterable
from functools import partial

from gapless.budget.priority import Priority
from gapless.collect.rest import RestClient
from gapless.errors import UNREADABLE, CouldNot, Refused, Unavailable
from gapless.model import SECOND, Instrument, Ticker
from gapless.ports import TapeStore
from gapless.venues.spec import Hosts, Venue

_TRIES = 4  # at a venue that does not answer while its instruments are not known


class Listing:
    """The instruments of a venue, as it lists them or as the store knows them; `tickers` are those asked for last."""

    def __init__(
        self, venue: Venue, hosts: Hosts, rest: RestClient, store: TapeStore, note: Callable[..., None]
    ) -> None:
        self._venue = venue
        self._hosts = hosts
        self._rest = rest
        self._store = store
        self._note = note
        self.tickers: list[Ticker] = []

    async def known(self, names: Iterable[str] = (), *, enough: bool = True) -> list[Instrument]:
        """Ask the venue for its instruments; where it fails, take what the store knows, if that is enough.

        A ban or a refusal to serve is waited out, unless nothing more than `names` needs to be known (`enough`): then
        streams need not wait for it. A venue that does not answer at all gets a few tries: at a first start, an
        address may be wrong.
        """
        venue = self._venue.name
        stored = [one for one in self._store.instruments() if one.venue == venue]
        everything_known = enough and all(any(one.id == name for one in stored) for name in names)
        request = self._venue.history.time_request(self._hosts)
        if everything_known and (left := self._rest.blocked_for(request.url)):
            self._note("instruments_stored", venue, reason=f"blocked for {left / SECOND:.0f} s more")
            return stored
        failures = 0
        while True:
            try:
                return await self.asked()
            except CouldNot as trouble:
                if everything_known:
                    self._note("instruments_stored", venue, reason=str(trouble))
                    return stored
                failures += isinstance(trouble, Unavailable)
                if isinstance(trouble, Refused) or failures == _TRIES:
                    raise
                self._note("waiting", venue, reason=str(trouble))

    async def asked(self) -> list[Instrument]:
        """Ask the venue for its instruments, once."""
        return await everything_listed(self._venue, self._hosts, self._rest, priority=Priority.LIVE, patient=False)

    async def traded(self, *, patient: bool) -> list[Ticker]:
        """Ask the venue for the 24 h tickers of everything."""
        history = self._venue.history
        get = partial(self._rest.get, patient=patient, priority=Priority.LIVE)
        try:
            self.tickers = [
                ticker
                for request in history.tickers_requests(self._hosts)
                for ticker in history.tickers(await get(request))
            ]
        except UNREADABLE as error:
            raise Unavailable(f"the tickers of {self._venue.name} cannot be read: {error}") from error
        return self.tickers


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
