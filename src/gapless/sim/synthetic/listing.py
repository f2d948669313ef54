"""The instruments of the synthetic market."""

from __future__ import annotations

from dataclasses import dataclass

from gapless.sim.synthetic.hashes import key_of

BLOCK_AGGS = 64  # aggregates of a block
BLOCK_IDS = 96  # trade ids that a block spends


@dataclass(frozen=True, slots=True)
class Listing:
    """One instrument: digits of price and size, price in ticks at the middle of its path, blocks of trades a day."""

    name: str
    base: str
    price_digits: int
    tick: int
    size_digits: int
    middle: int
    lot: int
    blocks: int


# base, price digits, tick in units of the last digit, size digits, middle price in ticks, typical lot in steps
_MAJORS = (
    ("BTC", 1, 1, 3, 912_000, 40),
    ("ETH", 2, 1, 3, 314_000, 300),
    ("SOL", 2, 1, 2, 13_800, 400),
    ("XRP", 4, 1, 1, 22_000, 3_000),
    ("BNB", 2, 1, 2, 90_300, 90),
    ("DOGE", 5, 1, 0, 14_600, 1_500),
    ("ADA", 4, 1, 0, 4_100, 600),
    ("LINK", 3, 1, 2, 13_300, 2_000),
    ("AVAX", 3, 1, 0, 13_900, 20),
    ("LTC", 2, 1, 3, 8_200, 3_000),
)
_FIRST_BLOCKS = 15_625  # 1.5 million ids a day
_LEAST_BLOCKS = 12
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def listing(index: int) -> Listing:
    """Returns the instrument of a rank; the first is the busiest, names beyond the majors are made up."""
    blocks = max(int(_FIRST_BLOCKS / (1 + 0.55 * index) ** 2.4), _LEAST_BLOCKS)
    if index < len(_MAJORS):
        base, digits, tick, size_digits, middle, lot = _MAJORS[index]
        return Listing(base + "USDT", base, digits, tick, size_digits, middle, lot, blocks)
    word = key_of(index, 77)
    base = "".join(_LETTERS[(word >> shift) % 26] for shift in (3, 13, 23)) + str(index)
    return Listing(base + "USDT", base, 2 + word % 4, 1, word % 3, 3_000 + word % 90_000, 50 + word % 900, blocks)
