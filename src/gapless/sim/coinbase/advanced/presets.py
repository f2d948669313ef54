"""`calm` and `storm` of the simulated Advanced Trade."""

from gapless.sim.coinbase.presets import ADVANCED as PRESETS

__all__ = ["PRESETS"]
