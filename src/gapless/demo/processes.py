"""The three processes of a demonstration, started and ended by the id that was started."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from gapless.errors import BadInput, CouldNot

_STOP_WITHIN = 10.0


def free_port() -> int:
    """Give a port of the loopback that nobody holds now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Child:
    """A `gapless` command as a child process; what it says on standard error goes to a file."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, arguments: list[str], *, module: str = "gapless", state: Path | None = None) -> None:
        """Start `python -m MODULE ARGUMENTS`."""
        # Its standard input is a pipe from us: when we die, however, the child sees the end of it and stops.
        environment = {**os.environ, "GAPLESS_TETHERED": "1"}
        if state is not None:
            environment["GAPLESS_STATE"] = str(state)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, *arguments,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log, env=environment,
                limit=2**24,
            )  # fmt: skip

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The child; it must have been started."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process

    async def line(self) -> bytes:
        """Read one line of its output; its own words when it ends instead."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise await self.failure()
        return line

    async def failure(self) -> Exception:
        """Say why it ended."""
        status = await self.process.wait()
        said = self.log.read_text(errors="replace").strip().splitlines()
        sentence = said[-1].removeprefix("gapless: ") if said else f"the {self.name} ended with status {status}"
        return BadInput(sentence) if status == 2 else CouldNot(sentence)

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self._process is not None and self._process.returncode is not None

    async def output(self) -> bytes:
        """Wait for its end and give what it printed."""
        out, _ = await self.process.communicate()
        if self.process.returncode:
            raise await self.failure()
        return out

    async def stop(self) -> None:
        """Ask it to stop, and end it if it does not."""
        if self._process is None or self.ended:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_WITHIN):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
