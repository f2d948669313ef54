"""Programs of the user's own, run without a shell."""

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from contextlib import suppress

from gapless.errors import Unavailable


class Programs:
    """Runs programs, each in a process group of its own, which ends with whoever waits for it."""

    def there(self, name: str) -> bool:
        """Say whether there is such a program."""
        return shutil.which(name) is not None

    async def run(self, arguments: Sequence[str], text: bytes) -> int:
        """Run a program with a text on its standard input; give its exit status. What it prints is not kept."""
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
            )
        except OSError as error:
            raise Unavailable(f"{arguments[0]} cannot be run: {error.strerror}") from error
        try:
            await process.communicate(text)
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise
        return process.returncode or 0
