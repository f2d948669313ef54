"""Finds the products of a venue that was named without any: those listed, else the busiest, else all usual ones."""

from gapless.collect.collector import Collector
from gapless.collect.outside import Outside
from gapless.collect.settings import CollectSettings
from gapless.derive.products import busiest, usual
from gapless.errors import BadInput, CouldNot, UnknownName
from gapless.model import Instrument
from gapless.query.resolve import resolve

_EVENT = "products"


async def products(collector: Collector, settings: CollectSettings, outside: Outside) -> list[str]:
    """Give the ids that are to be collected, and keep them: a start at which the venue cannot be asked takes those.

    A listed product that does not exist is named in the log, and the others run; where none does it is a `BadInput`.
    """
    venue, clock = collector.venue.name, outside.clock
    kept = [detail["chosen"] for _, subject, detail, _ in outside.reader.events([_EVENT], 0) if subject == venue]
    former: list[str] = kept[-1] if kept else []
    known = await collector.listing.known(former, enough=bool(former))
    if settings.products:
        chosen = _listed(settings.products, known, venue, outside)
    else:
        try:
            chosen = await _usual(collector, known, settings.top, patient=not former)
        except CouldNot as trouble:
            if not former:
                raise
            outside.note("products_kept", venue, reason=str(trouble))
            return former
    if chosen != former:
        collector.pending.event(_EVENT, venue, clock.wall(), chosen=chosen)
    outside.note("products_chosen", venue, products=len(chosen), first=", ".join(chosen[:5]))
    return chosen


def _listed(names: list[str], known: list[Instrument], venue: str, outside: Outside) -> list[str]:
    chosen: dict[str, None] = {}
    for name in names:
        try:
            chosen[resolve(name, known, where=f"{venue} lists").id] = None
        except BadInput as mistake:
            outside.note("unknown_product", name, reason=str(mistake))
    if not chosen:
        raise UnknownName(f"collect.products: {venue} lists none of {', '.join(names)}")
    return list(chosen)


async def _usual(collector: Collector, known: list[Instrument], top: int, *, patient: bool) -> list[str]:
    found = usual(known)
    if top and found:
        found = busiest(found, await collector.listing.traded(patient=patient), top)
    if not found:
        what = (
            "no product that trades" if not top else f"no product of which it tells a volume, for collect.top = {top}"
        )
        raise BadInput(f"{collector.venue.name} has {what}; name instruments, or set collect.products")
    return [one.id for one in found]
