"""Follows the top movers of a venue: chosen at the start and from time to time, begun and ended by rotation."""

from gapless.collect.collector import Collector
from gapless.collect.outside import Outside
from gapless.collect.settings import MoverSettings
from gapless.derive.movers import exchanged, movers
from gapless.errors import BadInput, CouldNot, Unavailable
from gapless.model import SECOND, Instrument, Ticker


class Movers:
    """The movers of one venue, beside the instruments that were named and are never ended here.

    `chosen` is the list that holds, across restarts. A choice costs two requests, whatever it changes: the venue's
    list, and the tickers of all.
    """

    def __init__(self, collector: Collector, settings: MoverSettings, outside: Outside) -> None:
        self._collector = collector
        self._settings = settings
        self._venue = collector.venue
        self._note = outside.note
        self._clock = outside.clock
        events = outside.reader.events(["movers"], 0)
        kept = [detail["chosen"] for _, subject, detail, _ in events if subject == self._venue.name]
        self.chosen: list[str] = kept[-1] if kept else []

    async def prepare(self, names: list[str]) -> None:
        """Choose, and prepare to collect the movers beside `names`; where that fails, the movers of the last run."""
        former = self.chosen
        known = await self._collector.listing.known([*names, *former], enough=bool(former))
        try:
            if former:
                self._unblocked()
            self.chosen = self._choice(known, await self._collector.listing.traded(patient=not former))
        except CouldNot as trouble:
            if not former:
                raise
            self._note("movers_kept", self._venue.name, reason=str(trouble))
        begun, ended = set(self.chosen) - set(former), set(former) - set(self.chosen)
        chosen = [one for one in known if one.id in self.chosen]
        await self._collector.prepare(names, known=known, movers=chosen, anew=begun)
        self._tell(begun=len(begun), ended=len(ended))

    async def refresh(self) -> str:
        """Choose anew and apply it if enough changes; give what was done. A refresh that fails changes nothing."""
        collector, pinned = self._collector, self._collector.pinned
        self._unblocked()
        known = await collector.listing.asked()
        chosen = self._choice(known, await self._collector.listing.traded(patient=False))
        now = [name for name in self.chosen if name in collector.pipeline.lines]
        if (count := exchanged(now, chosen)) < self._settings.min_change:
            return f"{len(now)} movers stay: {count} would change, fewer than movers.min_change"
        begin = [one for one in known if one.id in chosen and one.id not in collector.pipeline.lines]
        end = [name for name in now if name not in chosen and name not in pinned]
        refused = await collector.swap(begin, end, anew=True)
        self.chosen = [name for name in chosen if name in collector.pipeline.lines]
        for name, reason in refused.items():
            self._note("mover_refused", name, reason=reason)
        self._tell(begun=len(begin) - len(refused), ended=len(end))
        return f"{len(chosen)} movers: {len(begin) - len(refused)} begun, {len(end)} ended"

    def _choice(self, known: list[Instrument], tickers: list[Ticker]) -> list[str]:
        s = self._settings
        chosen = movers(known, tickers, gainers=s.gainers, losers=s.losers, min_quote_volume=s.min_quote_volume)
        if not chosen and self.chosen:
            raise Unavailable(f"{self._venue.name} names no perpetual that could be a mover")
        if not chosen:
            raise BadInput(
                f"movers: {self._venue.name} has no USDT-quoted perpetual that trades for at least "
                f"{s.min_quote_volume:,} USDT a day; see movers.min_quote_volume"
            )
        return chosen

    def _unblocked(self) -> None:
        """Fail at once where nothing may leave: the list that holds is better than one that is waited for."""
        request = self._venue.history.time_request(self._collector.hosts)
        if left := self._collector.rest.blocked_for(request.url):
            raise Unavailable(f"{self._venue.name} may not be asked for another {left / SECOND:.0f} s")

    def _tell(self, *, begun: int, ended: int) -> None:
        """Keep the list for the next start, and say what changed."""
        self._collector.pending.event("movers", self._venue.name, self._clock.wall(), chosen=self.chosen)
        self._note("movers_changed", self._venue.name, movers=len(self.chosen), begun=begun, ended=ended)
