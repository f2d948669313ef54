"""Operations of a WebSocket connection and the replies of the venue, word by word."""

from __future__ import annotations

import json
from typing import Any

from gapless.sim.connection import Connection
from gapless.sim.events import frame
from gapless.sim.hub import Hub
from gapless.sim.okx.names import NAMED_BY, VALUED, route_of, stream_name
from gapless.sim.okx.sources import BookSource
from gapless.sim.okx.table import Table
from gapless.sim.synthetic.hashes import key_of

OPERATIONS = ("subscribe", "unsubscribe", "login")
LONGEST_ID = 32
MOVED = (
    "This channel has been migrated to the '/business' URL. Please subscribe using the new URL. More details can refer "
    "to: https://www.okx.com/help-center/changes-to-v5-api-websocket-subscription-parameter-and-url."
)
NOT_BUSINESS = (
    'This channel is not supported by "/business" URL. Please use "/private" URL for private channels, or "/public" '
    "URL for public channels."
)
UPGRADE = "The connection will soon be closed for a service upgrade. Please reconnect."


def connection_id(connection: Connection) -> str:
    """Returns the venue's name of a connection."""
    return f"{key_of(connection.number) & 0xFFFFFFFF:08x}"


class Refused(Exception):
    """An operation, or one of its arguments, that the venue refuses: code and words."""

    def __init__(self, code: str, words: str) -> None:
        """Takes what is told."""
        super().__init__(words)
        self.code = code
        self.words = words


class Operations:
    """Carries out the text messages of one connection."""

    def __init__(self, hub: Hub, table: Table, connection: Connection) -> None:
        """Binds a connection to its hub."""
        self._hub = hub
        self._table = table
        self._connection = connection

    def carry_out(self, text: str, now: float) -> None:
        """Carries out one message that arrived at monotonic `now`, and answers it."""
        number: Any = None
        try:
            message = _decoded(text)
            number = _checked_id(message.get("id"))
            operation = message.get("op")
            if operation not in OPERATIONS:
                raise Refused("60019", f"Invalid op: {operation}")
            if self._connection.too_many(now, self._table.operations, self._table.operations_s):
                raise Refused("60014", "Requests too frequent.")
            if operation == "login":
                raise Refused("60009", "Login failed.")
            arguments = message.get("args")
            if not isinstance(arguments, list) or not arguments:
                raise Refused("60012", f"Invalid request: {text}")
            for argument in arguments:
                self._one(operation, argument, text, number)
        except Refused as refused:
            self._refuse(refused, number)

    def _one(self, operation: str, argument: Any, text: str, number: Any) -> None:
        try:
            if not isinstance(argument, dict) or not isinstance(argument.get("channel"), str):
                raise Refused("60012", f"Invalid request: {text}")
            name = stream_name(argument)
            if operation == "subscribe":
                self._check(argument)
        except Refused as refused:
            self._refuse(refused, number)
            return
        hub, connection = self._hub, self._connection
        if operation == "unsubscribe":
            hub.unsubscribe(connection, [name])
        else:
            hub.subscribe(connection, [name])
        self._say({"event": operation, "arg": argument}, number)
        source = hub.sources.get(name)
        if operation == "subscribe" and isinstance(source, BookSource) and connection.hears(name):
            connection.send(frame(source.snapshot(hub.now).encode()))

    def _check(self, argument: dict[str, Any]) -> None:
        channel = argument["channel"]
        route, own = route_of(channel), self._connection.route
        if own == "private" or channel in VALUED:
            raise Refused("60011", "Please log in")
        if route is None:
            raise Refused("60018", _unknown(argument))
        if route != own:
            raise Refused("64001", MOVED) if route == "business" else Refused("64002", NOT_BUSINESS)
        name = argument.get("instId")
        symbol = self._hub.market.symbols.get(name) if isinstance(name, str) else None
        if channel != "instruments" and name is not None and (symbol is None or not symbol.known(self._hub.now)):
            raise Refused("60018", _unknown(argument))
        if not any(argument.get(key) for key in NAMED_BY):
            raise Refused("60027", f"Parameter {'instType' if channel == 'instruments' else 'instId'} can not be empty")
        if (stream := self._hub.strikes.refuses([stream_name(argument)])) is not None:
            raise Refused(
                "64007", f"Operation {stream} failed due to WebSocket internal error. Please try again later."
            )

    def _refuse(self, refused: Refused, number: Any) -> None:
        self._say({"event": "error", "code": refused.code, "msg": refused.words}, number)

    def _say(self, words: dict[str, Any], number: Any) -> None:
        told = {**({"id": number} if number is not None else {}), **words, "connId": connection_id(self._connection)}
        self._connection.write(frame(json.dumps(told, separators=(",", ":")).encode()))


def _decoded(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except json.JSONDecodeError:
        message = None
    if not isinstance(message, dict):
        raise Refused("60012", f"Invalid request: {text}")
    return message


def _checked_id(number: Any) -> Any:
    fits = number is None or (isinstance(number, str) and number.isalnum() and len(number) <= LONGEST_ID)
    if not fits:
        raise Refused("60033", "Parameter id error")
    return number


def _unknown(argument: dict[str, Any]) -> str:
    told = ",".join(f"{key}:{argument[key]}" for key in ("channel", *NAMED_BY) if argument.get(key))
    return (
        f"Wrong URL or {told} doesn't exist. Please use the correct URL, channel and parameters referring to API "
        "document."
    )
