"""What 24 h tickers come to, in units of 10^-12: as it is told, else by what else is told."""

from gapless.errors import BadNumber
from gapless.model import Ticker
from gapless.model.number import divided, wide

DIGITS = 12
"""More than any venue writes sums and percentages with."""

ONE: int = 10**DIGITS


def turnover(ticker: Ticker) -> int:
    """Give the quote volume; untold, it is the volume at the last price. Raises `BadNumber`."""
    if ticker.quote_volume:
        return wide(ticker.quote_volume, DIGITS)
    return wide(ticker.volume, DIGITS) * wide(ticker.last, DIGITS) // ONE


def change(ticker: Ticker) -> int:
    """Give by how many per cent the price changed since its day began. Raises `BadNumber`."""
    if ticker.change_percent:
        return wide(ticker.change_percent, DIGITS)
    opened, last = wide(ticker.open, DIGITS), wide(ticker.last, DIGITS)
    if opened <= 0:
        raise BadNumber(f"nothing has changed from {ticker.open}")
    return divided((last - opened) * 100 * ONE, opened)
