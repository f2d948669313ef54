"""Whether ids are consecutive, and whether REST joins the streams without a hole and says the same."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gapless.doctor.asking import Asking
from gapless.doctor.check import Check, some
from gapless.doctor.listening import Ear
from gapless.model import MS, SECOND, Trade
from gapless.venues.spec import Hosts, Ids

_POLLS = 8
_PAUSE = SECOND // 2
_SHOWN = 20


class _Page(Struct, frozen=True):
    """What REST gave of a stream's tape, by id; `last` is the last id asked for, None where it was not by id."""

    ear: Ear
    rows: dict[int, Trade]
    last: int | None


def continuity(ears: Sequence[Ear], consecutive: frozenset[str]) -> Check:
    """Look for jumps, doubles and voids in the ids of trades, as they were received."""
    figures: dict[str, Any] = {}
    wrong: list[str] = []
    for ear in ears:
        ids = [row.seq for row in ear.trades]
        if not ids:
            continue
        covered = {seq for row in ear.trades for seq in range(ear.tape.first_of(row), row.seq + 1)}
        missing = max(covered) - min(covered) + 1 - len(covered)
        found = figures[f"{ear.stream.instrument} {ear.stream.kind}"] = {
            "events": len(ids),
            "first": min(ids),
            "last": max(ids),
            "missing": missing,
            "doubled": len(ids) - len(set(ids)),
            "backwards": sum(b < a for a, b in pairwise(ids)),
            "voids": sum(not row.size for row in ear.trades),
        }
        if missing and ear.stream.kind in consecutive:
            wrong.append(f"{ear.stream.name} misses {missing} of {missing + len(covered)} ids")
        if found["voids"] and ear.stream.kind in consecutive:
            wrong.append(f"{ear.stream.name} has {found['voids']} ids without a trade")
    if not figures:
        return Check("ids", "failed", "no trade was heard")
    if wrong:
        return Check("ids", "differs", "; ".join(wrong), figures)
    events = sum(found["events"] for found in figures.values())
    voids, holes = (sum(found[name] for found in figures.values()) for name in ("voids", "missing"))
    return Check(
        "ids", "ok",
        f"{events:,} trades on {len(figures)} tapes: consecutive where we rely on it; {voids} void, {holes} ids spent "
        f"elsewhere on tapes where they may be", figures,
    )  # fmt: skip


async def joined(asking: Asking, hosts: Hosts, ears: Sequence[Ear]) -> Check:
    """Fetch by REST what the streams brought: it must reach into it without a hole and be equal, field by field."""
    pages = [await _page(asking, hosts, ear) for ear in ears if ear.trades]
    # What a page has newer than its stream is still on its way here.
    await asking.clock.sleep(_PAUSE)
    figures: dict[str, Any] = {}
    wrong: list[str] = []
    for page in pages:
        name = page.ear.stream.name
        found = figures[f"{page.ear.stream.instrument} {page.ear.stream.kind}"] = _compared(page)
        for key, text in (("different", "differ from REST"), ("missing", "of REST never came by stream")):
            if found[key]:
                wrong.append(f"{name}: {len(found[key])} trades {text} ({some(found[key], 3)})")
                found[key] = found[key][:_SHOWN]
        if found["unknown"]:
            wrong.append(f"{name}: {found['unknown']} trades heard are not in the page of REST")
    compared = sum(found["compared"] for found in figures.values())
    if not compared:
        return Check("join", "failed", "REST and the streams had no trade in common", figures)
    if wrong:
        return Check("join", "differs", "; ".join(wrong), figures)
    return Check("join", "ok", f"{compared:,} trades by REST join the streams and are equal, field by field", figures)


async def _page(asking: Asking, hosts: Hosts, ear: Ear) -> _Page:
    """Fetch the newest ids heard, at most a page; where the venue cannot page by id, the newest there are."""
    history, last = asking.venue.history, ear.trades[-1].seq
    first = max(min(ear.tape.first_of(row) for row in ear.trades), last - asking.venue.limits.page_trades + 1)
    request = history.trades_request(hosts, ear.tape, Ids(first=first, last=last), keyed=False)
    body = await asking.get(request)
    rows = history.trades_page(body, ear.tape, first if request.by_id else None, 0).rows
    return _Page(ear, {row.seq: _bare(row) for row in rows if row.seq >= first}, last if request.by_id else None)


def _compared(page: _Page) -> dict[str, Any]:
    heard = {row.seq: _bare(row) for row in page.ear.trades if row.size}
    rows = _gathered(heard, page) if page.ear.stream.kind == "span" else page.rows
    upper = min(page.last or max(heard), max(rows)) if rows and heard else 0
    both = heard.keys() & rows.keys()
    return {
        "compared": len(both),
        "different": sorted(str(seq) for seq in both if heard[seq] != rows[seq]),
        "missing": sorted(str(seq) for seq in rows.keys() - heard.keys() if seq <= upper),
        "unknown": sum(min(rows) <= seq <= upper for seq in heard.keys() - rows.keys()) if rows else 0,
    }


def _gathered(heard: dict[int, Trade], page: _Page) -> dict[int, Trade]:
    """Join the single executions of a page as the rows that were heard join them; what those do not have stays."""
    left, joined = dict(page.rows), {}
    for row in heard.values():
        parts = [left.pop(seq) for seq in range(row.first_fill, row.seq + 1) if seq in left]
        if len(parts) == row.fills:
            size = sum(part.size for part in parts)
            near = page.ear.tape.inverse and abs(size - row.size) <= row.fills  # each is rounded alone
            joined[row.seq] = replace(
                parts[-1], size=row.size if near else size, fills=row.fills, first_fill=row.first_fill
            )
    return left | joined


def _bare(trade: Trade) -> Trade:
    return replace(trade, received=0)


async def lag(asking: Asking, hosts: Hosts, ear: Ear | None) -> Check:
    """Measure how long after the stream REST knows a trade."""
    if ear is None or not ear.trades:
        return Check("rest lag", "skipped", "no trade was heard by which it could be told")
    seq, received = ear.trades[-1].seq, ear.trades[-1].received
    request = asking.venue.history.trades_request(hosts, ear.tape, Ids(first=seq, last=seq), keyed=False)
    for poll in range(1, _POLLS + 1):
        page = asking.venue.history.trades_page(await asking.get(request), ear.tape, seq, 0)
        after = (asking.last.wall[1] - received) / MS
        if any(row.seq == seq for row in page.rows):
            figures = {"within_ms": round(after, 1), "polls": poll}
            how = "at once" if poll == 1 else f"at the {poll}th asking"
            return Check("rest lag", "ok", f"REST gave a trade {after:.0f} ms after the stream, {how}", figures)
        await asking.clock.sleep(_PAUSE)
    return Check(
        "rest lag",
        "differs",
        f"REST did not know a trade {after:.0f} ms after the stream",
        {"over_ms": round(after, 1)},
    )
