"""Which instruments are one market: the same unified symbol and kind at two venues or more, or as it is set."""

from collections.abc import Container, Iterable, Mapping

from msgspec import Struct

from gapless.consolidate.settings import ConsolidateSettings
from gapless.model import Instrument

_KINDS = ("spot", "perpetual")  # futures of one symbol expire on different days


class Unified(Struct, frozen=True):
    """One consolidated instrument: its symbol and the ids of its sources, the primary first.

    `stale_after_ms` is its own limit, None where the general one counts.
    """

    symbol: str
    sources: tuple[str, ...]
    stale_after_ms: int | None = None

    @property
    def primary(self) -> str:
        """The source that is followed while it is healthy."""
        return self.sources[0]


def venue_of(source: str) -> str:
    """Give the venue of a source."""
    return source.partition(":")[0]


def unified_of(
    instruments: Iterable[Instrument], settings: ConsolidateSettings, *, kept: Container[str] = ()
) -> dict[str, Unified]:
    """Find the consolidated instruments among those collected, in their order; a source belongs to one of them.

    Those of the symbols in `kept` go on while a single source of them is left.
    """
    if not settings.enabled:
        return {}
    collected = {one.id: one for one in instruments}
    found: dict[str, Unified] = {}
    taken: set[str] = set()
    for symbol, own in settings.instruments.items():
        if own.sources:
            named = [source for source in own.sources if source in collected]
            taken |= set(named)
            if named:
                primary = own.primary or settings.primary
                found[symbol] = Unified(symbol, _primary_first(named, primary), own.stale_after_ms)
    groups: dict[tuple[str, str], dict[str, str]] = {}
    for one in collected.values():
        if one.id not in taken and one.kind in _KINDS:
            groups.setdefault((one.unified, one.kind), {}).setdefault(one.venue, one.id)
    for (symbol, _), by_venue in groups.items():
        if (len(by_venue) > 1 or symbol in kept) and symbol not in found:
            settled = settings.instruments.get(symbol)
            primary = (settled.primary if settled else "") or settings.primary
            stale = settled.stale_after_ms if settled else None
            found[symbol] = Unified(symbol, _primary_first(by_venue.values(), primary), stale)
    return found


def _primary_first(sources: Iterable[str], primary: str) -> tuple[str, ...]:
    """Put the source that is named, by id or venue, before the others; the first of all where none of them is."""
    return tuple(sorted(sources, key=lambda source: primary not in (source, venue_of(source))))


def limits_of(unified: Unified, settings: ConsolidateSettings) -> Mapping[str, int]:
    """Give the limits of the sources of an instrument: stale_after and max_latency in ns, max_errors a minute."""
    stale = settings.stale_after_ms if unified.stale_after_ms is None else unified.stale_after_ms
    return {
        "stale_after": stale * 1_000_000,
        "max_latency": settings.max_latency_ms * 1_000_000,
        "max_errors": settings.max_errors,
    }
