"""Error replies of the REST API."""

from __future__ import annotations

import msgspec

from gapless.sim.requests import JSON, Words
from gapless.sim.venue import Refusal, Reply


def error_reply(code: str, words: str, status: int) -> Reply:
    """Writes an error in the envelope of the API."""
    return Reply(status, msgspec.json.encode({"code": code, "data": [], "msg": words}), dict(JSON))


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


WORDS = Words(
    missing=Reply(404, b'{"msg":"Not Found","code":"404","data":{}}', dict(JSON)),
    too_many=Reply(429, b'{"msg":"Too Many Requests","code":"50011"}', dict(JSON)),
    trouble=(
        error_reply("50001", "Service temporarily unavailable. Try again later", 503),
        error_reply("50026", "System error. Try again later", 500),
        Reply(502, b"<html><head><title>502 Bad Gateway</title></head></html>", {"Content-Type": "text/html"}),
    ),
    own={
        "http_50011": error_reply(
            "50011", "Rate limit reached. Please refer to API documentation and throttle requests accordingly", 200
        )
    },
    waits=False,
)
