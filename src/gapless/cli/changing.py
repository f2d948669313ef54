"""`gapless rotate`, `add`, `remove` and `priority`: change a running gapless without losing an event."""

from typing import Annotated, Any

import typer

from gapless.cli.options import AsJson, one_of
from gapless.cli.service import Url, ask
from gapless.errors import BadInput

_PATIENCE = 600.0
Ids = Annotated[list[str], typer.Argument(help="Instruments such as binance:BTCUSDT.", metavar="ID ...")]


def rotate(
    connection: Annotated[
        str | None, typer.Argument(help="A connection as `gapless status` names it; all of them when absent.")
    ] = None,
    url: Url = None,
    json: AsJson = False,
) -> int:
    """Replace connections to venues: each successor overlaps the old connection by id before that is closed."""
    answer = ask(url, "/api/v1/rotate", {"connection": connection}, seconds=_PATIENCE)
    if json:
        return _printed(answer, failed=bool(answer["failed"]))
    print(f"{len(answer['rotated'])} replaced in {answer['seconds']:.1f} s")
    for one in answer["failed"]:
        print(f"{one['connection']} stays: {one['reason']}")
    return 1 if answer["failed"] else 0


def add(ids: Ids, url: Url = None, json: AsJson = False) -> int:
    """Collect further instruments in a running gapless."""
    return _change(url, {"add": ids}, json=json)


def remove(ids: Ids, url: Url = None, json: AsJson = False) -> int:
    """End the collection of instruments in a running gapless; what is held stays."""
    return _change(url, {"remove": ids}, json=json)


def priority(
    action: Annotated[str | None, typer.Argument(help="add or remove; the list alone when absent.")] = None,
    ids: Annotated[list[str] | None, typer.Argument(help="Instruments that are collected.", metavar="ID ...")] = None,
    url: Url = None,
    json: AsJson = False,
) -> int:
    """Put instruments of a running gapless first: delivered first under load, repaired first; it outlasts restarts."""
    if one_of(action, "priority", ("add", "remove")) is None:
        answer = ask(url, "/api/v1/priority") | {"refused": []}
    elif not ids:
        raise BadInput(f"priority {action}: name instruments, as in `gapless priority {action} binance:BTCUSDT`")
    else:
        answer = ask(url, "/api/v1/priority", {str(action): ids})
    if json:
        return _printed(answer, failed=bool(answer["refused"]))
    for name in answer["priority"] or ["no instrument comes first"]:
        print(name)
    for one in answer["refused"]:
        print(f"{one['id']}: {one['reason']}")
    return 1 if answer["refused"] else 0


def _change(url: str | None, body: dict[str, Any], *, json: bool) -> int:
    answer = ask(url, "/api/v1/collect", body, seconds=_PATIENCE)
    if json:
        return _printed(answer, failed=bool(answer["refused"]))
    for what in ("added", "removed"):
        for name in answer[what]:
            print(f"{what} {name}")
    for one in answer["refused"]:
        print(f"{one['id']}: {one['reason']}")
    return 1 if answer["refused"] else 0


def _printed(answer: dict[str, Any], *, failed: bool) -> int:
    import msgspec

    print(msgspec.json.encode(answer).decode())
    return 1 if failed else 0
