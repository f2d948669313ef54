"""Compares the venue's bar with the fold of our trades, and applies the border rule to aggregates.

An aggregate carries the time of its first fill. Where its fills cross the border of a minute, the venue counts
the later ones in the next minute and our fold counts all in the first. The venue's bar names its first and last
execution, so the aggregate that crosses is known exactly, and with it how much may have moved.
"""

from enum import Enum

from gapless.model import Bar, Trade
from gapless.model.candle import UNTOLD

_ROUNDED = 1_000_000  # a sum that a venue rounds is right to a millionth


class Verdict(Enum):
    """What a comparison found."""

    EQUAL = "equal"
    BORDER = "border"
    DIFFERENT = "different"


def compare(
    official: Bar, fold: Bar | None, *, before: Trade | None = None, last: Trade | None = None,
    coarse: int | None = None,
) -> Verdict:  # fmt: skip
    """Compare the venue's bar with ours.

    `before` is the last trade before the minute and `last` the last trade within it, both None for tapes of
    single executions, which must agree on all nine values. `coarse` is given for inverse contracts: by how many units
    the venue rounds their volume.
    """
    if fold is None:
        fold = Bar(official.start, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        if official.trades <= 0 and official.volume == 0:
            return Verdict.EQUAL
    if official.trades == UNTOLD:
        return Verdict.EQUAL if _agrees(official, fold, coarse) else Verdict.DIFFERENT
    if _values(official) == _values(fold):
        return Verdict.EQUAL
    entering = before if before and _crosses(before, official.first_id) else None
    leaving = last if last and official.last_id >= 0 and _crosses(last, official.last_id + 1) else None
    if entering is None and leaving is None:
        same = _values(official)[:6] == _values(fold)[:6] and _values(official)[7:] == _values(fold)[7:]
        burned = last is not None and official.trades < fold.trades
        return Verdict.EQUAL if same and burned else Verdict.DIFFERENT
    return Verdict.BORDER if _explained(official, fold, entering, leaving) else Verdict.DIFFERENT


def _agrees(official: Bar, fold: Bar, coarse: int | None) -> bool:
    """Compare what a bar tells that counts no trades, and whose venue rounds its quote sum.

    What inverse contracts come to in quote units the venue counts exactly, and their volume it rounds; with us it is
    the other way round: the size of each trade is rounded, by half a unit, and the quote sum is made of sizes.
    """
    if (official.open, official.high, official.low, official.close) != (fold.open, fold.high, fold.low, fold.close):
        return False
    each = 1 if coarse is None else fold.trades
    if abs(official.volume - fold.volume) > (0 if coarse is None else fold.volume // _ROUNDED + each + coarse):
        return False
    if official.quote_volume == UNTOLD:
        return True
    return abs(official.quote_volume - fold.quote_volume) <= fold.quote_volume // _ROUNDED + each * fold.high


def _values(bar: Bar) -> tuple[int, ...]:
    return (
        bar.open, bar.high, bar.low, bar.close, bar.volume, bar.quote_volume, bar.trades,
        bar.taker_buy_volume, bar.taker_buy_quote_volume,
    )  # fmt: skip


def _crosses(trade: Trade, fill: int) -> bool:
    """Say whether a border lies inside an aggregate: `fill` is the first execution after the border."""
    return trade.first_fill < fill < trade.first_fill + trade.fills


def _explained(official: Bar, fold: Bar, entering: Trade | None, leaving: Trade | None) -> bool:
    moved = _moved(official, fold, entering, leaving)
    if moved is None:
        return False
    gained, lost = moved
    empty = fold.trades == 0
    if entering:
        opened = entering.price
        high = entering.price if empty else max(fold.high, entering.price)
        low = entering.price if empty else min(fold.low, entering.price)
        close = entering.price if empty else fold.close
    else:
        opened, high, low, close = fold.open, fold.high, fold.low, fold.close
    if (official.open, official.high, official.low, official.close) != (opened, high, low, close):
        return False
    buys_in, buys_out = _buy(entering, gained), _buy(leaving, lost)
    price_in, price_out = (entering.price if entering else 0), (leaving.price if leaving else 0)
    if official.taker_buy_volume - fold.taker_buy_volume != buys_in - buys_out:
        return False
    taker_quote = buys_in * price_in - buys_out * price_out
    if official.taker_buy_quote_volume - fold.taker_buy_quote_volume != taker_quote:
        return False
    entered = entering.first_fill + entering.fills - official.first_id if entering else 0
    left = leaving.first_fill + leaving.fills - 1 - official.last_id if leaving else 0
    # Ids that were spent without a trade make our count too high, never too low.
    return official.trades <= fold.trades + entered - left


def _buy(trade: Trade | None, size: int) -> int:
    return size if trade and trade.side > 0 else 0


def _moved(official: Bar, fold: Bar, entering: Trade | None, leaving: Trade | None) -> tuple[int, int] | None:
    """Solve how much of the aggregates at the two borders the venue counted on the other side."""
    volume = official.volume - fold.volume
    quote = official.quote_volume - fold.quote_volume
    if entering is None or leaving is None:
        gained, lost = (volume, 0) if entering else (0, -volume)
    elif entering.price != leaving.price:
        gained, rest = divmod(quote - volume * leaving.price, entering.price - leaving.price)
        lost = gained - volume
        if rest:
            return None
    elif entering.side != leaving.side:
        bought = official.taker_buy_volume - fold.taker_buy_volume
        gained = bought if entering.side > 0 else volume - bought
        lost = gained - volume
    else:
        # Same price and side: only the difference shows; any split of it does.
        gained, lost = max(volume, 0), max(-volume, 0)
    sizes = (entering.size if entering else 0, leaving.size if leaving else 0)
    if not (0 <= gained <= sizes[0] and 0 <= lost <= sizes[1]):
        return None
    price_in, price_out = (entering.price if entering else 0), (leaving.price if leaving else 0)
    return (gained, lost) if gained * price_in - lost * price_out == quote else None
