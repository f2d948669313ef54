"""Fetches a venue's public daily files and reads them, checked against the checksum beside them."""

import asyncio
import hashlib
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from gapless.collect.files import unpacked
from gapless.errors import BadFile, Unavailable
from gapless.model import DAY, Tape, TapeKind
from gapless.ports import Http
from gapless.venues.spec import ArchiveRows, Hosts, Venue

PUBLISHED_AFTER = DAY // 2  # a day's file is there some hours after its end; before that it is not asked for


async def fetch_day(
    http: Http, venue: Venue, hosts: Hosts, tape: Tape, day: int, *, received: int
) -> ArchiveRows | None:
    """Give the rows of one UTC day (its start in ns), None where no file is published.

    Raises `BadFile` when the file does not match its checksum or cannot be read.
    """
    symbol = tape.instrument.partition(":")[2]
    url = venue.archives.url(hosts, symbol, tape.kind, day)
    if url is None:
        return None
    reply = await http.get(url, {})
    if reply.status == 404:
        return None
    if reply.status != 200:
        raise Unavailable(f"the archive answered HTTP {reply.status}")
    name = PurePosixPath(urlsplit(url).path).name
    checksum = await http.get(url + ".CHECKSUM", {})
    if checksum.status == 200:
        stated = checksum.body.split()[:1]
        if stated != [hashlib.sha256(reply.body).hexdigest().encode()]:
            raise BadFile(f"{name} does not match its checksum")
    return await asyncio.to_thread(_read, venue, name, reply.body, tape, received)


def _read(venue: Venue, name: str, body: bytes, tape: Tape, received: int) -> ArchiveRows:
    kind: TapeKind = tape.kind
    fields = venue.archives.fields(unpacked(name, body).splitlines(), kind)
    return venue.archives.read(fields, tape, received)
