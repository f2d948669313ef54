"""What the routes and the stream share."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from gapless.query.market import Market
from gapless.serve.metrics import FaceMetrics
from gapless.serve.ring import Ring
from gapless.serve.settings import ServeSettings
from gapless.serve.system import System
from gapless.serve.thread import ReadingThread

P = ParamSpec("P")
R = TypeVar("R")


class Faces:
    """The running system with what is needed to serve it: a thread for answers, the ring for streams, metrics."""

    def __init__(self, system: System, settings: ServeSettings) -> None:
        self.system = system
        self.settings = settings
        self.metrics = FaceMetrics(system.registry)
        self.answers = ReadingThread("answers")
        self.ring = Ring(system, settings)

    async def ask(self, work: Callable[Concatenate[Market, P], R], *args: P.args, **named: P.kwargs) -> R:
        """Ask the market something, off the loop."""
        return await self.answers.run(work, self.system.market, *args, **named)

    def close(self) -> None:
        """Let the threads end."""
        self.answers.close()
        self.ring.close()
