"""What a simulator is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SimOptions:
    """Options of `gapless sim`; `at_ms` is market time, `speed` market seconds a real second, `port` 0 a free one."""

    venue: str = "binance"
    port: int = 0
    captures: tuple[Path, ...] = ()
    speed: float = 1.0
    seed: int = 1
    instruments: int = 8
    faults: str = "none"
    journal: Path | None = None
    at_ms: int | None = None
    world: Path | None = None
    api_key: str = "sim-key"


def read_time(text: str) -> int:
    """Reads ISO 8601 (no zone: UTC) or an epoch by its magnitude (s, ms, us, ns) as ms."""
    from datetime import UTC, datetime

    from gapless.sim.errors import SimError

    if text.isascii() and text.isdigit():
        value = int(text)
        for bound, over in ((10**11, -3), (10**14, 0), (10**17, 3)):
            if value < bound:
                return int(value * 1000) if over < 0 else value // int(10**over)
        return value // 10**6
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise SimError(f"time {text!r} cannot be read; give ISO 8601 such as 2026-01-07T12:00, or an epoch") from None
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)
