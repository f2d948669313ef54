"""Control messages of a WebSocket connection and the replies of the venue, word by word."""

from __future__ import annotations

import json
from typing import Any, Protocol

METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
VARIANTS = ", ".join(f"`{method}`" for method in METHODS)


class Subscriber(Protocol):
    """What a control message can act on."""

    combined: bool

    def subscribe(self, names: list[str]) -> bool:
        """Adds streams; False when there would be too many."""
        ...

    def unsubscribe(self, names: list[str]) -> None:
        """Removes streams."""
        ...

    def subscribed(self) -> list[str]:
        """Lists streams."""
        ...


class Refused(Exception):
    """A control message that the venue refuses: code and words."""

    def __init__(self, code: int, message: str, *, nested: bool = False) -> None:
        """Takes the reply; some come nested in `error`."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.nested = nested


def answer(text: str, subscriber: Subscriber, futures: bool) -> str:
    """Carries out one message and returns the reply."""
    number: Any = None
    try:
        message = _decode(text)
        number = message.get("id")
        _check_id(number, futures)
        result = _carry_out(text, message, subscriber)
    except Refused as refusal:
        reply: dict[str, Any] = {"code": refusal.code, "msg": refusal.message}
        if refusal.nested:
            reply = {"error": reply}
        if isinstance(number, int | str):
            reply["id"] = number
        return json.dumps(reply, separators=(",", ":"))
    return json.dumps({"result": result, "id": number}, separators=(",", ":"))


def _decode(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except json.JSONDecodeError as error:
        raise Refused(3, f"Invalid JSON: expected value at line {error.lineno} column {error.colno}") from None
    if not isinstance(message, dict):
        raise Refused(2, f"Invalid request: missing field `method` at line 1 column {len(text)}")
    return message


def _check_id(number: Any, futures: bool) -> None:
    natural = isinstance(number, int) and not isinstance(number, bool)
    if futures:
        if number is not None and not (natural and number >= 0):
            raise Refused(2, "Invalid request: request ID must be an unsigned integer")
    elif number is not None and not natural and not (isinstance(number, str) and len(number) <= 36):
        raise Refused(2, "Invalid request: request ID must be an unsigned integer")


def _carry_out(text: str, message: dict[str, Any], subscriber: Subscriber) -> Any:
    if "method" not in message:
        raise Refused(2, f"Invalid request: missing field `method` at line 1 column {len(text)}")
    method, params = message["method"], message.get("params")
    if method not in METHODS:
        column = text.find(json.dumps(method)) + len(json.dumps(method))
        raise Refused(
            2, f"Invalid request: unknown variant `{method}`, expected one of {VARIANTS} at line 1 column {column}"
        )
    if method == "LIST_SUBSCRIPTIONS":
        return subscriber.subscribed()
    if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
        if not isinstance(params, list) or not params:
            raise Refused(2, "Invalid request: streams must have non-zero length", nested=True)
        if not all(isinstance(name, str) for name in params):
            raise Refused(2, "Invalid request: property name must be a string")
        if method == "UNSUBSCRIBE":
            subscriber.unsubscribe(params)
        elif not subscriber.subscribe(params):
            raise Refused(2, "Invalid request: too many parameters")
        return None
    return _property(method, params if isinstance(params, list) else [], subscriber)


def _property(method: str, params: list[Any], subscriber: Subscriber) -> Any:
    wanted = 2 if method == "SET_PROPERTY" else 1
    if len(params) > wanted:
        raise Refused(2, "Invalid request: too many parameters")
    if not params or not isinstance(params[0], str):
        raise Refused(2, "Invalid request: property name must be a string")
    if params[0] != "combined":
        raise Refused(0, "Unknown property")
    if method == "GET_PROPERTY":
        return subscriber.combined
    if len(params) < 2 or not isinstance(params[1], bool):
        raise Refused(1, "Invalid value type: expected Boolean")
    subscriber.combined = params[1]
    return None
