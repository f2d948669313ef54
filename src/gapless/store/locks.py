"""One collector a tape: an operating-system lock that dies with its process."""

import sys
from pathlib import Path

from gapless.errors import StoreBusy


class TapeLocks:
    """Holds tapes of a store by locking one byte a tape of a file beside it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = None if path == ":memory:" else Path(f"{path}.lock").open("a+b")  # noqa: SIM115

    def hold(self, tapes: dict[int, str]) -> None:
        """Take tapes, by key with the name of their instrument, or raise `StoreBusy` and take none."""
        if self._file is None or sys.platform == "win32":
            return
        import fcntl

        taken: dict[int, str] = {}
        for tape, instrument in tapes.items():
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, tape)
                taken[tape] = instrument
            except OSError:
                self.free(taken)
                raise StoreBusy(
                    f"another `gapless run` already collects {instrument} into {self._path}; "
                    "stop it, or name another store"
                ) from None

    def free(self, tapes: dict[int, str]) -> None:
        """Let go of tapes."""
        if self._file is None or sys.platform == "win32":
            return
        import fcntl

        for tape in tapes:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, tape)

    def release(self) -> None:
        """Let go of every tape."""
        if self._file is not None:
            self._file.close()
            self._file = None
