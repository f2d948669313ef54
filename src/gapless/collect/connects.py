"""Attempts to connect, paced over all processes of the machine: a venue counts them by address."""

import asyncio

import msgspec

from gapless.budget.pace import Pace, Paced, taken
from gapless.model import MINUTE
from gapless.ports import BudgetStore, Clock

_STATE = msgspec.msgpack.Decoder(Paced)
_ENCODE = msgspec.msgpack.Encoder().encode
_PER = 5 * MINUTE


class Connects:
    """Whose turn it is to connect to a host: at most `most` attempts in any five minutes, in the order asked."""

    def __init__(self, budgets: BudgetStore, clock: Clock, host: str, most: int) -> None:
        self._budgets = budgets
        self._clock = clock
        self._key = f"connect {host}"
        self._pace = Pace(most, _PER)
        self._began = clock.wall() - clock.monotonic()
        self._order = asyncio.Lock()

    async def turn(self) -> None:
        """Wait until one may try to connect."""
        async with self._order:
            while wait := self._ask():
                await self._clock.sleep(wait)

    def _ask(self) -> int:
        answer = 0
        now = self._began + self._clock.monotonic()

        def change(record: bytes | None) -> bytes | None:
            nonlocal answer
            paced, answer = taken(self._pace, _STATE.decode(record) if record else Paced(), now)
            return None if answer else _ENCODE(paced)

        self._budgets.update(self._key, change)
        return answer
