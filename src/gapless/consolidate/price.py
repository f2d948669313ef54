"""One price of several sources: the active one's, the latest, or an average that leaves outliers out. Price only."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from statistics import median

from msgspec import Struct

from gapless.consolidate.settings import Resolution


class Offer(Struct, frozen=True, kw_only=True):
    """The newest price of a source: scaled by the digits of the market, `received` in monotonic ns.

    `weight` is what was traded there in 24 h, in quote currency, None where that is not known; `unfit` says why the
    price counts for no average, "" where it does.
    """

    source: str
    price: int
    time: int
    received: int
    weight: Fraction | None = None
    unfit: str = ""


class LeftOut(Struct, frozen=True):
    """A source that is no part of a price, and why."""

    source: str
    reason: str


class Price(Struct, frozen=True, kw_only=True):
    """A price in units of the market's digits, exact; of which sources with which shares, and who was left out."""

    price: Fraction | None
    resolution: Resolution
    parts: tuple[tuple[Offer, Fraction], ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def priced(offers: Sequence[Offer], resolution: Resolution, *, active: str, mads: float = 3.0, tick: int = 1) -> Price:
    """Find the price; None where there is no source to take it from.

    `average` weights those that are fit by their 24 h quote volume, all alike where one of them is not known. Whose
    price lies further from the median than `mads` median absolute deviations, and more than a tick, is left out.
    """
    if resolution == "average":
        return _average(offers, mads, tick)
    if resolution == "latest":
        best = max(offers, key=lambda offer: offer.received, default=None)
    else:
        best = next((offer for offer in offers if offer.source == active), None)
    if best is None:
        return Price(price=None, resolution=resolution)
    return Price(price=Fraction(best.price), resolution=resolution, parts=((best, Fraction(1)),))


def _average(offers: Iterable[Offer], mads: float, tick: int) -> Price:
    offers = list(offers)
    left = [LeftOut(offer.source, offer.unfit) for offer in offers if offer.unfit]
    fit = [offer for offer in offers if not offer.unfit]
    if not fit:
        return Price(price=None, resolution="average", left_out=tuple(left))
    middle = median(Fraction(offer.price) for offer in fit)
    spread = median(abs(offer.price - middle) for offer in fit)
    limit = max(spread * Fraction(mads), Fraction(tick))
    left += [LeftOut(one.source, "outlier") for one in fit if abs(one.price - middle) > limit]
    kept = [offer for offer in fit if abs(offer.price - middle) <= limit]
    weights = [offer.weight for offer in kept]
    known = [weight for weight in weights if weight is not None and weight > 0]
    parts = known if len(known) == len(kept) else [Fraction(1)] * len(kept)
    whole = sum(parts, Fraction(0))
    shares = [weight / whole for weight in parts]
    price = sum((offer.price * share for offer, share in zip(kept, shares, strict=True)), Fraction(0))
    return Price(price=price, resolution="average", parts=tuple(zip(kept, shares, strict=True)), left_out=tuple(left))
