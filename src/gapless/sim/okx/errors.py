"""Error replies of the REST API."""

from __future__ import annotations

import msgspec

from gapless.sim.venue import Refusal, Reply


def json_reply(body: bytes, status: int = 200) -> Reply:
    """Wraps a JSON body."""
    return Reply(status, body, {"Content-Type": "application/json"})


def error_reply(code: str, words: str, status: int) -> Reply:
    """Writes an error in the envelope of the API."""
    return json_reply(msgspec.json.encode({"code": code, "data": [], "msg": words}), status)


def missing(name: str) -> Refusal:
    """Says that a parameter is missing."""
    return Refusal(error_reply("50014", f"Parameter {name} can not be empty.", 400))


def wrong(name: str) -> Refusal:
    """Says that a parameter is out of range or no number."""
    return Refusal(error_reply("51000", f"Parameter {name} error", 400))


def unknown_instrument() -> Refusal:
    """Says that an instrument does not exist."""
    return Refusal(error_reply("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.", 200))


def no_before() -> Refusal:
    """Says that pages by time go backwards only."""
    return Refusal(error_reply("50039", "Do not use `before` when requesting by timestamp.", 200))
