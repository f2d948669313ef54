"""`calm` and `storm` of the simulated Exchange."""

from gapless.sim.coinbase.presets import EXCHANGE as PRESETS

__all__ = ["PRESETS"]
