"""Attempts to connect, paced over all processes of the machine: a venue counts them by address."""

import asyncio

import msgspec

from gapless.budget.pace import Pace, Paced, taken
from gapless.model import MINUTE, SECOND
from gapless.ports import BudgetStore, Clock

_STATE = msgspec.msgpack.Decoder(Paced)
_ENCODE = msgspec.msgpack.Encoder().encode
_PER = 5 * MINUTE


class Connects:
    """Whose turn it is to connect to a host, in the order asked: at most `most` attempts in any five minutes.

    Where a venue counts them by the second, at most `a_second` in any.
    """

    def __init__(self, budgets: BudgetStore, clock: Clock, host: str, most: int, a_second: int | None = None) -> None:
        self._budgets = budgets
        self._clock = clock
        self._paces = {f"connect {host}": Pace(most, _PER)}
        if a_second is not None:
            self._paces[f"connect {host} a second"] = Pace(a_second, SECOND)
        self._began = clock.wall() - clock.monotonic()
        self._order = asyncio.Lock()

    async def turn(self) -> None:
        """Wait until one may try to connect."""
        async with self._order:
            for key, pace in self._paces.items():
                while wait := self._ask(key, pace):
                    await self._clock.sleep(wait)

    def _ask(self, key: str, pace: Pace) -> int:
        answer = 0
        now = self._began + self._clock.monotonic()

        def change(record: bytes | None) -> bytes | None:
            nonlocal answer
            paced, answer = taken(pace, _STATE.decode(record) if record else Paced(), now)
            return None if answer else _ENCODE(paced)

        self._budgets.update(key, change)
        return answer
