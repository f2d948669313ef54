"""Whether each family of streams delivers, and on which route."""

from collections.abc import Sequence
from typing import Any

from gapless.doctor.check import Check
from gapless.doctor.listening import Ear, Listening
from gapless.errors import Unavailable
from gapless.model import MS, Instrument

_SPEAKING = 20  # events of an instrument after which each of its families should have spoken


async def routes(listening: Listening, ears: list[Ear], instruments: Sequence[Instrument], seconds: float) -> Check:
    """Wait for every stream; where one stays silent although its instrument is not, try the other routes."""
    await listening.hear(ears, seconds)
    spoken: dict[str, int] = {}
    for ear in ears:
        spoken[ear.stream.instrument] = spoken.get(ear.stream.instrument, 0) + ear.events
    silent = [
        ear
        for ear in ears
        if not ear.events and (spoken[ear.stream.instrument] >= _SPEAKING or not any(spoken.values()))
    ]
    elsewhere = await _elsewhere(listening, ears, silent, instruments, seconds)
    figures = {kind: _family(listening, [ear for ear in ears if ear.stream.kind == kind]) for kind in _kinds(ears)}
    said = [_silence(listening, kind, silent, elsewhere) for kind in _kinds(silent)]
    if broken := listening.broken():
        said += [f"the {group} connection was closed: {how}" for group, how in broken.items()]
    if listening.malformed:
        said.append(f"{listening.malformed} frames could not be read")
    if said:
        return Check("routes", "differs", "; ".join(said), figures)
    slowest = max(family["first_ms"] for family in figures.values() if family["first_ms"] is not None)
    sentence = f"{', '.join(figures)} deliver on their own routes, the slowest after {slowest / 1_000:.1f} s"
    quiet = [ear.stream.name for ear in ears if not ear.events]
    return Check("routes", "ok", sentence + (f"; quiet: {', '.join(quiet)}" if quiet else ""), figures)


def _kinds(ears: Sequence[Ear]) -> list[str]:
    return list(dict.fromkeys(ear.stream.kind for ear in ears))


def _family(listening: Listening, ears: list[Ear]) -> dict[str, Any]:
    first = [ear.at - ear.asked_at for ear in ears if ear.at is not None]
    return {
        "group": ears[0].stream.group,
        "streams": len(ears),
        "acknowledged": sum(ear.acknowledged for ear in ears),
        "delivering": sum(ear.events > 0 for ear in ears),
        "events": sum(ear.events for ear in ears),
        "first_ms": round(max(first) / MS, 1) if first else None,
        "rejected": {ear.stream.name: ear.rejected for ear in ears if ear.rejected},
    }


async def _elsewhere(
    listening: Listening, ears: list[Ear], silent: list[Ear], instruments: Sequence[Instrument], seconds: float
) -> dict[str, list[str]]:
    """Give, for each family that is silent on its route, the routes on which one of its streams delivers."""
    by_id = {one.id: one for one in instruments}
    groups = dict.fromkeys(ear.stream.group for ear in ears)
    urls = {listening.url(group): group for group in groups}
    found: dict[str, list[str]] = {}
    tries: list[Ear] = []
    for ear in {ear.stream.kind: ear for ear in reversed(silent)}.values():
        others = [group for url, group in urls.items() if url != listening.url(ear.stream.group)]
        for group in others:
            try:
                tries.append(await listening.elsewhere(ear, by_id[ear.stream.instrument], group))
            except Unavailable:
                continue
    await listening.hear(tries, seconds)
    for ear in tries:
        if ear.events:
            found.setdefault(ear.stream.kind, []).append(ear.stream.group)
    return found


def _silence(listening: Listening, kind: str, silent: list[Ear], elsewhere: dict[str, list[str]]) -> str:
    mine = [ear for ear in silent if ear.stream.kind == kind]
    group = mine[0].stream.group
    names = ", ".join(ear.stream.name for ear in mine[:3])
    if reasons := [ear.rejected for ear in mine if ear.rejected]:
        return f"{kind} ({names}) is rejected on {group}: {reasons[0]}"
    word = "acknowledged and silent" if all(ear.acknowledged for ear in mine) else "not even acknowledged"
    if groups := elsewhere.get(kind):
        return f"{kind} ({names}) is {word} on {group}, and delivers on {' and '.join(groups)}"
    return f"{kind} ({names}) is {word} on {group}, and delivers on no route"
