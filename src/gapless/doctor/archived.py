"""Whether the newest daily file is published, and matches its checksum."""

from gapless.collect.archives import PUBLISHED_AFTER, fetch_day
from gapless.doctor.asking import Asking
from gapless.doctor.check import Check
from gapless.errors import BadFile
from gapless.model import DAY, MINUTE, Instrument, iso
from gapless.venues.spec import Hosts

_DAYS = 3


async def archive(asking: Asking, hosts: Hosts, one: Instrument, now: int) -> Check:
    """Fetch the newest day's bars of a small instrument, which are at most 1,440 lines."""
    venue = asking.venue
    tape = one.scale("bars")
    newest = now // DAY * DAY - DAY
    for day in range(newest, newest - _DAYS * DAY, -DAY):
        url = venue.archives.url(hosts, one.symbol, "bars", day)
        if url is None:
            return Check("archive", "skipped", "there is none in this environment")
        try:
            found = await fetch_day(asking.http, venue, hosts, tape, day, received=0)
        except BadFile as trouble:
            return Check("archive", "differs", str(trouble), {"day": iso(day)[:10]})
        if found is None:
            continue
        checked = asking.last.url.endswith(".CHECKSUM") and asking.last.reply.status == 200
        late = day < newest and now - newest - DAY > PUBLISHED_AFTER
        figures = {"day": iso(day)[:10], "bars": len(found.bars), "checksum": checked, "instrument": one.id}
        sentence = (
            f"the file of {figures['day']} ({one.symbol}) is there, with {len(found.bars)} of {DAY // MINUTE} bars"
        )
        if not checked:
            return Check("archive", "differs", sentence + ", without a checksum beside it", figures)
        if late:
            return Check("archive", "differs", sentence + "; a later one should be there by now", figures)
        return Check("archive", "ok", sentence + ", and matches its checksum", figures)
    return Check("archive", "differs", f"no file of {one.symbol} of the last {_DAYS} days is published")
