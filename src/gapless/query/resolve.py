"""Finds the instrument that people mean, in any usual spelling."""

from collections.abc import Iterable
from difflib import get_close_matches

from gapless.errors import BadInput, UnknownName
from gapless.model import Instrument
from gapless.model.instrument import own_spellings, spellings, squeeze


def resolve(text: str, instruments: Iterable[Instrument], *, where: str) -> Instrument:
    """Give the instrument that a text means; an ambiguous or unknown one is answered with what it could mean.

    Of one venue, what is spelled so itself comes before what has only its pair: BTC/USDT is spot beside a swap.
    """
    known = list(instruments)
    for instrument in known:
        if instrument.id == text:
            return instrument
    venue, colon, symbol = text.partition(":")
    venues = {instrument.venue for instrument in known}
    spelled = squeeze(symbol if colon and venue in venues else text)
    pool = [i for i in known if i.venue == venue] if colon and venue in venues else known
    found = [instrument for instrument in pool if spelled in spellings(instrument)]
    itself = {instrument.venue for instrument in found if spelled in own_spellings(instrument)}
    found = [one for one in found if one.venue not in itself or spelled in own_spellings(one)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(sorted(instrument.id for instrument in found))
        raise BadInput(f"{text!r} could mean {ids}; name one of them")
    raise UnknownName(f"{where} no instrument {text!r}{_hint(text, spelled, known)}")


def _hint(text: str, spelled: str, known: list[Instrument]) -> str:
    if not known:
        return "; it holds none yet"
    by_spelling = {spelling: instrument.id for instrument in known for spelling in spellings(instrument)}
    near = get_close_matches(spelled, by_spelling, 1) or get_close_matches(text, [i.id for i in known], 1)
    if near:
        return f"; did you mean {by_spelling.get(near[0], near[0])}?"
    shown = ", ".join(instrument.id for instrument in known[:5])
    return f"; allowed are {shown}" + (", ..." if len(known) > 5 else "")
