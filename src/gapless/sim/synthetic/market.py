"""The synthetic market."""

from __future__ import annotations

from gapless.sim.errors import SimError
from gapless.sim.market import Market


def synthetic_market(seed: int, instruments: int, at_ms: int | None, *, futures: bool) -> Market:
    """Builds the market."""
    raise SimError("the synthetic market is not built yet; give --capture FILE")
