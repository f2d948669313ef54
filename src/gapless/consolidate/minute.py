"""Whose minute is served: that of the active source if it covers it whole, else the best proven; never a sum."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from gapless.consolidate.timeline import Timeline, at_end
from gapless.model import MINUTE, Candle, Proof

_PRICES = ("open", "high", "low", "close")
_SIZES = ("volume", "taker_buy_volume")
_QUOTES = ("quote_volume", "taker_buy_quote_volume")
Digits = tuple[int, int]
"""Of prices and of sizes."""


class SourceSpan(Struct, frozen=True):
    """Minutes of [start, end), ns UTC, that came from one source; None where no source has them."""

    source: str | None
    start: int
    end: int


def chosen(timeline: Timeline, start: int, candles: Mapping[str, Candle]) -> tuple[str | None, Candle]:
    """Choose the minute that begins at `start` among those that the sources have closed; missing where none has."""
    active = at_end(timeline, start)
    mine = candles.get(active)
    if mine is not None and mine.proof >= Proof.OFFICIAL:
        return active, mine
    order = dict.fromkeys((active, timeline.active(start), *timeline.sources, *candles))
    held = [(source, candles[source]) for source in order if source in candles]
    best = max(held, key=lambda pair: pair[1].proof, default=None)  # of equals the first
    if best is None or not best[1].proof:
        return None, Candle(start=start)
    return best


def rescaled(candle: Candle, digits: Digits, into: Digits) -> Candle:
    """Write a candle in more digits."""
    if digits == into:
        return candle
    factors = {
        **dict.fromkeys(_PRICES, 10 ** (into[0] - digits[0])),
        **dict.fromkeys(_SIZES, 10 ** (into[1] - digits[1])),
        **dict.fromkeys(_QUOTES, 10 ** (sum(into) - sum(digits))),
    }
    values = {name: getattr(candle, name) for name in factors}
    return replace(candle, **{n: None if value is None else value * factors[n] for n, value in values.items()})


def runs(minutes: Iterable[tuple[str | None, Candle]]) -> list[SourceSpan]:
    """Say of consecutive minutes where they came from, in as few spans as can be."""
    spans: list[SourceSpan] = []
    for source, candle in minutes:
        end = candle.start + MINUTE
        if spans and spans[-1].source == source and spans[-1].end == candle.start:
            spans[-1] = replace(spans[-1], end=end)
        else:
            spans.append(SourceSpan(source, candle.start, end))
    return spans


def within(spans: Sequence[SourceSpan], start: int, end: int) -> list[SourceSpan]:
    """Cut spans to [start, end)."""
    cut = [replace(one, start=max(one.start, start), end=min(one.end, end)) for one in spans]
    return [one for one in cut if one.start < one.end]
