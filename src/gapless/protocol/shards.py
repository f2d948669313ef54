"""Lays streams on connections: who stays where he is, who goes where there is room, what is opened and what ends."""

from collections.abc import Iterable, Mapping, Sequence

from gapless.venues.spec import Stream


def laid(
    now: Mapping[str, Sequence[Stream]], wanted: Iterable[Stream], most: int, *, venue: str
) -> dict[str, list[Stream]]:
    """Give the streams of each connection by its name, which reads venue/group/number; an empty list is one to end.

    A stream that has a connection keeps it. The others fill what has room in their group, at most `most` on one.
    """
    by_name = {stream.name: stream for stream in wanted}
    result: dict[str, list[Stream]] = {}
    for connection, streams in now.items():
        result[connection] = [by_name.pop(stream.name) for stream in streams if stream.name in by_name]
    for stream in by_name.values():
        prefix = f"{venue}/{stream.group}/"
        roomy = (name for name, held in result.items() if name.startswith(prefix) and 0 < len(held) < most)
        name = next(roomy, None) or _free(result, prefix)
        result.setdefault(name, []).append(stream)
    return result


def _free(taken: Mapping[str, Sequence[Stream]], prefix: str) -> str:
    number = 1
    while f"{prefix}{number}" in taken:
        number += 1
    return f"{prefix}{number}"
