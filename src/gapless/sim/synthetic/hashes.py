"""Hashes of 64 bits over columns: the only source of chance in the synthetic market."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gapless.sim.rows import Ints

Words = NDArray[np.uint64]
Floats = NDArray[np.float64]

_A, _B, _C = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(0x9E3779B97F4A7C15)
_MASK = (1 << 64) - 1


def key_of(*parts: int) -> int:
    """Mixes integers into a key of 64 bits."""
    state = 0x243F6A8885A308D3
    for part in parts:
        state = (state ^ (part & _MASK)) * 0x9E3779B97F4A7C15 & _MASK
        state ^= state >> 29
        state = state * 0xBF58476D1CE4E5B9 & _MASK
        state ^= state >> 32
    return state


def hashed(key: int, numbers: Ints) -> Words:
    """Hashes every number under a key (splitmix64)."""
    z = numbers.astype(np.uint64) * _C + np.uint64(key)
    z ^= z >> np.uint64(30)
    z *= _A
    z ^= z >> np.uint64(27)
    z *= _B
    z ^= z >> np.uint64(31)
    return z


def uniform(words: Words) -> Floats:
    """Turns hashes into numbers in (0, 1)."""
    return ((words >> np.uint64(11)).astype(np.float64) + 0.5) * (1.0 / (1 << 53))


def below(words: Words, bound: int) -> Ints:
    """Turns hashes into integers in [0, bound)."""
    return ((words >> np.uint64(16)) % np.uint64(bound)).astype(np.int64)
