"""The routes that change what runs: connections, instruments, which of them come first."""

from typing import Any

from litestar import get, post
from litestar.datastructures import State
from litestar.params import JSONBody
from msgspec import Struct

from gapless.serve.faces import Faces

Answer = dict[str, Any]


class Rotation(Struct, forbid_unknown_fields=True):
    """Which connection is to be replaced; none means all."""

    connection: str | None = None


class Change(Struct, forbid_unknown_fields=True):
    """Of which instruments something is to hold from now on, and of which no longer."""

    add: list[str] = []
    remove: list[str] = []


@post("/api/v1/settle", tags=["system"], status_code=200)
async def settle(state: State) -> Answer:
    """Compare every tape with its venue and repair what is missing; answers when that is done."""
    return await _faces(state).system.settle()


@post("/api/v1/rotate", tags=["system"], status_code=200)
async def rotate(state: State, data: JSONBody[Rotation]) -> Answer:
    """Replace connections to venues without losing an event; answers when that is done."""
    return await _faces(state).system.rotate(data.connection)


@post("/api/v1/collect", tags=["system"], status_code=200)
async def collect(state: State, data: JSONBody[Change]) -> Answer:
    """Begin and end instruments while everything else goes on; answers when their streams are confirmed."""
    return await _faces(state).system.change(data.add, data.remove)


@get("/api/v1/priority", tags=["system"])
async def priority(state: State) -> Answer:
    """List the instruments that come first: delivered first under load, repaired first."""
    return {"priority": _faces(state).system.priority()}


@post("/api/v1/priority", tags=["system"], status_code=200)
async def prioritise(state: State, data: JSONBody[Change]) -> Answer:
    """Put instruments first, and others no longer; `refused` names those that are not collected."""
    return _faces(state).system.prioritise(data.add, data.remove)


def _faces(state: State) -> Faces:
    faces: Faces = state.faces
    return faces


ROUTES = [settle, rotate, collect, priority, prioritise]
