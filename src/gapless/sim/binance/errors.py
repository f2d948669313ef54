"""Error replies of the REST API."""

from __future__ import annotations

import msgspec

from gapless.sim.venue import Refusal, Reply


def json_reply(body: bytes, status: int = 200) -> Reply:
    """Wraps a JSON body."""
    return Reply(status, body, {"Content-Type": "application/json;charset=UTF-8"})


def refusal(code: int, message: str, status: int = 400) -> Refusal:
    """Makes one reply `{"code":..,"msg":".."}` with its HTTP status."""
    return Refusal(json_reply(msgspec.json.encode({"code": code, "msg": message}), status))


def mandatory(name: str) -> Refusal:
    """Says that a parameter is missing."""
    return refusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str) -> Refusal:
    """Says that a parameter is no number."""
    return refusal(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")


def bad_limit() -> Refusal:
    """Says that a limit is out of range."""
    return refusal(-1130, "Data sent for parameter 'limit' is not valid.")
