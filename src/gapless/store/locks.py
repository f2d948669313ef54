"""One collector a tape: an operating-system lock that dies with its process."""

import sys
from pathlib import Path

from gapless.errors import StoreBusy


class TapeLocks:
    """Holds tapes of a store by locking one byte a tape of a file beside it."""

    def __init__(self, path: str) -> None:
        self._file = None if path == ":memory:" else Path(f"{path}.lock").open("a+b")  # noqa: SIM115

    def hold(self, tapes: list[int]) -> None:
        """Take the tapes, or raise `StoreBusy` and take none."""
        if self._file is None or sys.platform == "win32":
            return
        import fcntl

        for tape in tapes:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, tape)
            except OSError:
                self.release()
                raise StoreBusy(
                    "another `gapless run` already collects one of these instruments into this store"
                ) from None

    def release(self) -> None:
        """Let go of every tape."""
        if self._file is not None:
            self._file.close()
            self._file = None
