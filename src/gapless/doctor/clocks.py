"""Measures the venue's clock against the machine's and against the venue's own streams."""

from collections.abc import Sequence

from msgspec import Struct

from gapless.doctor.asking import Asking
from gapless.doctor.check import Check
from gapless.doctor.listening import Ear
from gapless.model import MS, SECOND, Environment
from gapless.venues.spec import Hosts

_SAMPLES = 5
_FAR = SECOND  # the machine's windows and the venue's are both minutes: a second apart does no harm
_DRIFT = 500e-6
_SKEW = SECOND
_ON_ITS_WAY = SECOND // 4  # an event may have waited so long at the venue before it was pushed


class Sample(Struct, frozen=True):
    """The venue's time at a moment of ours, ns; `half` is half the round trip, which is how wrong it may be."""

    venue: int
    wall: int
    mono: int
    half: int


async def sampled(asking: Asking, hosts: Hosts, count: int = _SAMPLES) -> Sample:
    """Ask the venue for its time a few times; give the sample with the shortest round trip."""
    found = []
    for _ in range(count):
        time = asking.venue.history.time(await asking.get(asking.venue.history.time_request(hosts)))
        (sent, came), (began, ended) = asking.last.wall, asking.last.mono
        found.append(Sample(time, (sent + came) // 2, (began + ended) // 2, (ended - began) // 2))
    return min(found, key=lambda sample: sample.half)


def pace(first: Sample, last: Sample) -> tuple[float, float]:
    """Give how fast the venue's clock goes by ours, 1 for the same, and how wrong that may be."""
    between = max(last.mono - first.mono, 1)
    return (last.venue - first.venue) / between, (first.half + last.half + MS) / between


def offset(first: Sample, last: Sample, environment: Environment) -> Check:
    """Say how far the machine's clock is from the venue's."""
    best = min(first, last, key=lambda sample: sample.half)
    ahead = best.wall - best.venue
    figures = {
        "offset_ms": round(ahead / MS, 3), "error_ms": round(best.half / MS, 3), "samples": 2 * _SAMPLES,
        "pace": round(pace(first, last)[0], 6),
    }  # fmt: skip
    if environment == "sim":
        days = ahead / SECOND / 86_400
        sentence = f"a simulated market keeps its own time, {days:.1f} days from ours, at {figures['pace']:.2f} x"
        return Check("clock", "ok", sentence, figures)
    sentence = (
        f"this machine is {abs(ahead) / MS:.0f} ms {'ahead of' if ahead > 0 else 'behind'} the venue, "
        f"give or take {best.half / MS:.0f} ms"
    )
    if abs(ahead) - best.half > _FAR:
        return Check("clock", "differs", sentence + ": set its clock, else request windows do not match", figures)
    return Check("clock", "ok", sentence, figures)


def drift(first: Sample, last: Sample, known: float, environment: Environment) -> Check:
    """Say whether the two clocks keep their pace; `known` is what it should be."""
    measured, error = pace(first, last)
    off = measured / known - 1
    figures = {
        "drift_ppm": round(off * 1e6, 1), "error_ppm": round(error / known * 1e6, 1),
        "seconds": round((last.mono - first.mono) / SECOND, 1),
    }  # fmt: skip
    sentence = (
        f"{figures['drift_ppm']:.0f} ppm over {figures['seconds']:.0f} s, give or take {figures['error_ppm']:.0f}"
    )
    # What a simulated market's pace should be is itself only measured.
    least = _DRIFT if environment != "sim" else 0.02
    return Check("drift", "differs" if abs(off) - error / known > least else "ok", sentence, figures)


def skew(sample: Sample, ears: Sequence[Ear], rate: float) -> Check:
    """Compare the time that REST tells with the times of the newest events that the streams pushed."""
    timed = [ear for ear in ears if ear.venue_time]
    if not timed:
        return Check("stream clock", "skipped", "no stream told a time")
    # The event that speaks for the latest clock: others were older when they were pushed.
    ahead = min(sample.venue - ear.venue_time - (sample.mono - ear.newest_at) * rate for ear in timed)
    error = (sample.half + _ON_ITS_WAY) * max(rate, 1)
    figures = {"rest_ahead_ms": round(ahead / MS, 1), "error_ms": round(error / MS, 1)}
    sentence = f"REST tells a time {abs(ahead) / MS:.0f} ms {'later' if ahead > 0 else 'earlier'} than the streams"
    if abs(ahead) - error > _SKEW:
        return Check(
            "stream clock", "differs", sentence + "; minutes would be taken for closed at a wrong time", figures
        )
    return Check("stream clock", "ok", sentence, figures)
