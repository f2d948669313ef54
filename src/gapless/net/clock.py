"""The machine's clock."""

import asyncio
import time


class SystemClock:
    """Time of this machine."""

    def wall(self) -> int:
        """Give the machine's time, ns UTC."""
        return time.time_ns()

    def monotonic(self) -> int:
        """Give ns that never go back."""
        return time.monotonic_ns()

    async def sleep(self, ns: int) -> None:
        """Wait."""
        await asyncio.sleep(ns / 1e9)
