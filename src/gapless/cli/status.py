"""`gapless status` and `gapless book`: what a running gapless says."""

from typing import Annotated, Any

import typer

from gapless.cli.options import AsJson, InEnvironment, Store, environment
from gapless.cli.service import Url, ask


def status(url: Url = None, store: Store = None, json: AsJson = False, env: InEnvironment = None) -> int:
    """Print how a running gapless stands; without one, what the store holds."""
    import msgspec

    from gapless.errors import CouldNot

    try:
        report: dict[str, Any] = ask(url, "/system/status")
    except CouldNot:
        report = _of_store(store, env)
    if json:
        print(msgspec.json.encode(report).decode())
    else:
        for key, value in report.items():
            _say(key, value)
    return 0


def book(
    instrument: Annotated[str, typer.Argument(help="An id whose book is kept (collect.books).")],
    depth: Annotated[int, typer.Option("--depth", min=1, max=1000, help="Levels a side.")] = 10,
    url: Url = None,
    json: AsJson = False,
) -> int:
    """Print the full order book of a running gapless, best levels in the middle."""
    from urllib.parse import urlencode

    import msgspec

    answer = ask(url, "/api/v1/book?" + urlencode({"id": instrument, "depth": depth}))
    if json:
        print(msgspec.json.encode(answer).decode())
        return 0
    print(f"{answer['instrument']}  {answer['state']}  update {answer['update']}  {answer['time'] or ''}")
    for price, size in reversed(answer["asks"]):
        print(f"{'':>20} {price:>16} {size:>18}")
    for price, size in answer["bids"]:
        print(f"{size:>20} {price:>16}")
    return 0


def _of_store(store: str | None, env: str | None) -> dict[str, Any]:
    from gapless.adapters import open_store
    from gapless.model import iso
    from gapless.query.audit import audit

    reader = open_store(store, environment=environment(env), readonly=True)
    found = audit(reader)
    return {
        "status": "not running",
        "store": {"path": reader.path, "bytes": reader.size(), "rows": sum(tape.rows for tape in found)},
        "tapes": len(found),
        "gaps": {"open": sum(len(tape.holes) for tape in found)},
        "jobs": [{"name": j.name, "last_run": iso(j.last_run), "result": j.result} for j in reader.jobs()],
    }


def _say(key: str, value: Any) -> None:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        print(f"{key}:")
        for item in value:
            if closes := item.pop("closes", None):
                last = closes[-1]
                item["last_close"] = f"{last['code']} {last['reason'] or 'without a reason'} after {last['lived_s']} s"
            print("  " + _parts({name: one for name, one in item.items() if one not in ({}, [])}))
    elif isinstance(value, dict):
        print(f"{key}: {_parts(value)}")
    else:
        print(f"{key}: {_shown(value)}")


def _parts(values: dict[str, Any]) -> str:
    return "  ".join(f"{name} {_shown(value)}" for name, value in values.items() if value is not None)


def _shown(value: Any) -> str:
    """Write a value for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return f"({_parts(value)})"
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    return "-" if value is None else str(value)
