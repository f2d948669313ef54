"""Keeps every received frame with its receive time, in the capture format: a gzip file a connection and hour."""

import gzip
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from gapless.errors import BadInput
from gapless.model import HOUR
from gapless.model.times import iso

_JSON = msgspec.json.Decoder(msgspec.Raw)


class Recorder:
    """Writes `recv_ns payload` lines; a file begins anew with every hour and every run."""

    def __init__(self, folder: Path, note: Callable[..., None] = lambda name, subject, **fields: None) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"--record: {folder} cannot be written: {error.strerror}") from error
        self._folder = folder
        self._note = note
        self._failed = False
        self._files: dict[str, tuple[int, IO[bytes]]] = {}

    def frames(self, connection: str, frames: list[bytes], received: int) -> None:
        """Keep the frames of one batch; where that fails nothing is recorded any more, and collecting goes on."""
        if self._failed:
            return
        stamp = b"%d " % received
        try:
            self._file(connection, received).write(b"".join(stamp + _payload(frame) + b"\n" for frame in frames))
        except OSError as error:
            self._failed = True
            self._note("recording_ended", str(self._folder), reason=str(error))

    def _file(self, connection: str, received: int) -> IO[bytes]:
        hour = received // HOUR
        known = self._files.get(connection)
        if known and known[0] == hour:
            return known[1]
        if known:
            known[1].close()
        name = f"{connection.replace('/', '-')}-{iso(received)[:19].replace(':', '')}Z.gz"
        file: IO[bytes] = gzip.open(self._folder / name, "ab", compresslevel=3)  # type: ignore[assignment]  # noqa: SIM115
        self._files[connection] = (hour, file)
        return file

    def close(self) -> None:
        """Finish every file."""
        for _, file in self._files.values():
            with suppress(OSError):
                file.close()
        self._files.clear()


def _payload(frame: bytes) -> bytes:
    """Give a frame as it is; one that is no JSON, which a capture cannot hold as such, as a JSON string."""
    try:
        _JSON.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.encode(frame.decode(errors="replace"))
    return frame if b"\n" not in frame else frame.replace(b"\n", b" ")
