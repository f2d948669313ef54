"""Reads archive files as lines: zip, gzip, zstandard or plain, with the checksum that lies beside them."""

import gzip
import hashlib
import io
import zipfile
import zlib
from pathlib import Path

import zstandard

from gapless.errors import BadFile, UnknownName


def load(path: Path) -> tuple[list[bytes], str, bool]:
    """Read a file; give its lines, its sha256, and whether a checksum beside it was found and matched."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UnknownName(f"there is no file {path}") from None
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {error.strerror}") from error
    digest = hashlib.sha256(raw).hexdigest()
    verified = _checked(path, digest)
    return unpacked(str(path), raw).splitlines(), digest, verified


def _checked(path: Path, digest: str) -> bool:
    beside = path.with_name(path.name + ".CHECKSUM")
    if not beside.is_file():
        return False
    words = beside.read_text("ascii", "replace").split()
    if not words or words[0].lower() != digest:
        raise BadFile(f"{path} does not match its checksum in {beside.name}; fetch it again")
    return True


def unpacked(name: str, raw: bytes) -> bytes:
    """Unpack the content of a file by the ending of its name; `BadFile` when it is corrupt or truncated."""
    try:
        return _by_ending(name, raw)
    except (zipfile.BadZipFile, zstandard.ZstdError, OSError, EOFError, zlib.error) as error:
        raise BadFile(f"{name} is corrupt or truncated: {error}") from error


def _by_ending(name: str, raw: bytes) -> bytes:
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            names = [inner for inner in archive.namelist() if inner.endswith(".csv")]
            if len(names) != 1:
                raise BadFile(f"{name} holds {len(names)} CSV files; exactly one is allowed")
            return archive.read(names[0])
    if name.endswith(".gz"):
        return gzip.decompress(raw)
    if name.endswith(".zst"):
        return _zstandard(raw)
    return raw


def _zstandard(raw: bytes) -> bytes:
    """Unpack every frame; a frame that does not end is an error, where the library gives what there is."""
    parts = []
    while raw:
        frame = zstandard.ZstdDecompressor().decompressobj()
        parts.append(frame.decompress(raw))
        if not frame.eof:
            raise EOFError("a frame ends too early")
        raw = frame.unused_data
    return b"".join(parts)
