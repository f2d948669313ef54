"""What a client of the stream may say, and how it is answered."""

from typing import Any

import msgspec
from msgspec import Struct

from gapless.errors import BadInput

_ENCODE = msgspec.json.Encoder().encode
RequestId = int | str | None


class Subscribe(Struct, tag="subscribe", tag_field="op", forbid_unknown_fields=True):
    """Begin streams, each after its cursor in `after`, or now; `fast` is for trades on arrival, without cursors.

    `{"op":"subscribe","id":1,"streams":["trades:binance:BTCUSDT"],"after":{"trades:binance:BTCUSDT":"1f.0"}}`
    """

    streams: list[str]
    id: RequestId = None
    after: dict[str, str] = {}
    fast: bool = False


class Unsubscribe(Struct, tag="unsubscribe", tag_field="op", forbid_unknown_fields=True):
    """End streams: `{"op":"unsubscribe","id":2,"streams":["trades:binance:BTCUSDT"]}`."""

    streams: list[str]
    id: RequestId = None


class Ping(Struct, tag="ping", tag_field="op", forbid_unknown_fields=True):
    """Ask for a sign of life: `{"op":"ping","id":3}`."""

    id: RequestId = None


StreamRequest = Subscribe | Unsubscribe | Ping
_DECODER = msgspec.json.Decoder(StreamRequest)


class _Named(Struct):
    id: RequestId = None


def read_request(text: str) -> StreamRequest:
    """Read a request; what is none is `BadInput` with what is allowed."""
    try:
        request: StreamRequest = _DECODER.decode(text)
    except msgspec.DecodeError as error:
        raise BadInput(f"this is no request ({error}); allowed ops are subscribe, unsubscribe and ping") from error
    return request


def id_of(text: str) -> RequestId:
    """Give the id of a request that may be wrong otherwise."""
    try:
        return msgspec.json.decode(text, type=_Named).id
    except msgspec.DecodeError:
        return None


def done(request: RequestId, **more: Any) -> str:
    """Answer a request that was obeyed."""
    return _ENCODE({"id": request, "ok": True, **more}).decode()


def failed(request: RequestId, sentence: str) -> str:
    """Answer a request that was not obeyed; nothing has changed."""
    return _ENCODE({"id": request, "error": sentence}).decode()


def notice(stream: str, kind: str, **more: Any) -> str:
    """Tell something about a stream that is no event of it."""
    return _ENCODE({"stream": stream, "type": kind, **more}).decode()
