"""The faults that the protocols of Coinbase have."""

from __future__ import annotations

from gapless.sim.faults.script import FRAME_RATES, PERIODS, WORLD

COMMON = (
    "disconnect",
    "reset",
    "half_open",
    "silent",
    "mute",
    "refuse_stream",
    "close_24h",
    *FRAME_RATES,
    "http_429",
    "http_5xx",
    "slow_rest",
    "wrong_page",
    *PERIODS,
    "heartbeats_lost",
    *WORLD,
)
