"""The instruments of the synthetic market."""

from __future__ import annotations

from dataclasses import dataclass

from gapless.sim.synthetic.hashes import key_of

BLOCK_AGGS = 64  # aggregates of a block
BLOCK_IDS = 96  # trade ids that a block spends


@dataclass(frozen=True, slots=True)
class Listing:
    """One instrument: digits of price and size, price in ticks at the middle of its path, blocks of trades a day.

    `rank` is that of the coin whose price it follows, on every venue alike; None gives it a path of its own. The venue
    pads numbers to `pad` decimals of price and of size, or writes them as they are.
    """

    name: str
    base: str
    price_digits: int
    tick: int
    size_digits: int
    middle: int
    lot: int
    blocks: int
    quote: str = "USDT"
    rank: int | None = None
    pad: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Coin:
    """What is traded: digits of its price in dollars, tick in units of the last, price in ticks, typical lot."""

    base: str
    price_digits: int
    tick: int
    size_digits: int
    middle: int
    lot: int


_MAJORS = (
    Coin("BTC", 1, 1, 3, 912_000, 40),
    Coin("ETH", 2, 1, 3, 314_000, 300),
    Coin("SOL", 2, 1, 2, 13_800, 400),
    Coin("XRP", 4, 1, 1, 22_000, 3_000),
    Coin("BNB", 2, 1, 2, 90_300, 90),
    Coin("DOGE", 5, 1, 0, 14_600, 1_500),
    Coin("ADA", 4, 1, 0, 4_100, 600),
    Coin("LINK", 3, 1, 2, 13_300, 2_000),
    Coin("AVAX", 3, 1, 0, 13_900, 20),
    Coin("LTC", 2, 1, 3, 8_200, 3_000),
)
_FIRST_BLOCKS = 15_625  # 1.5 million ids a day
_LEAST_BLOCKS = 12
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def blocks_of(index: int) -> int:
    """Returns how many blocks of trades the instrument of a rank has a day; the first is the busiest."""
    return max(int(_FIRST_BLOCKS / (1 + 0.55 * index) ** 2.4), _LEAST_BLOCKS)


def coin(rank: int) -> Coin:
    """Returns the coin of a rank; those beyond the majors are made up."""
    if rank < len(_MAJORS):
        return _MAJORS[rank]
    word = key_of(rank, 77)
    base = "".join(_LETTERS[(word >> shift) % 26] for shift in (3, 13, 23)) + str(rank)
    return Coin(base, 2 + word % 4, 1, word % 3, 3_000 + word % 90_000, 50 + word % 900)


def listing(index: int) -> Listing:
    """Returns the instrument of a rank as Binance names it."""
    it = coin(index)
    name = it.base + "USDT"
    return Listing(name, it.base, it.price_digits, it.tick, it.size_digits, it.middle, it.lot, blocks_of(index))
