"""Who may ask: the bearer token, and pages of other origins."""

import hmac
from typing import cast
from urllib.parse import parse_qs, urlsplit

import msgspec
from litestar.datastructures import Headers
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from gapless.serve.settings import ServeSettings

SOCKET_IO = "/socket.io/"
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


def guarded(app: ASGIApp, settings: ServeSettings) -> ASGIApp:
    """Put an application behind the token, and keep pages of other origins from sockets and from what acts.

    A browser lets any page open a WebSocket or send a plain POST to 127.0.0.1; only the origin tells them apart.
    A Socket.IO client in a browser can send no header with its WebSocket: there `?token=` will do, too.
    """
    wanted = settings.token.encode() if settings.token else None

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        kind, method = str(scope["type"]), str(scope.get("method", ""))
        if kind not in {"http", "websocket"}:
            await app(scope, receive, send)
            return
        headers = Headers.from_scope(scope)
        if wanted and method != "OPTIONS" and not hmac.compare_digest(_token(scope, headers), wanted):
            await _refuse(send, kind, 401, "a token is required: send the header Authorization: Bearer TOKEN")
        elif (kind == "websocket" or method in UNSAFE) and not may_ask(
            headers.get("origin"), headers.get("host"), settings
        ):
            sentence = f"pages of {headers['origin']} are not allowed; serve.cors_origins lists those that are"
            await _refuse(send, kind, 403, sentence)
        else:
            await app(scope, receive, send)

    return answer


def _token(scope: Scope, headers: Headers) -> bytes:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme == "Bearer":
        return given.encode()
    if str(scope["path"]).startswith(SOCKET_IO):
        return parse_qs(scope["query_string"]).get(b"token", [b""])[-1]
    return b""


def may_ask(origin: str | None, host: str | None, settings: ServeSettings) -> bool:
    """Say whether pages of an origin may ask us, who are known to them as `host`; without an origin it is no page."""
    return (
        origin is None
        or origin in settings.cors_origins
        or "*" in settings.cors_origins
        or urlsplit(origin).netloc == host
    )


async def _refuse(send: Send, kind: str, status: int, sentence: str) -> None:
    answer = "http.response" if kind == "http" else "websocket.http.response"
    headers = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]
    body = msgspec.json.encode({"error": sentence})
    await send(cast(Message, {"type": f"{answer}.start", "status": status, "headers": headers}))
    await send(cast(Message, {"type": f"{answer}.body", "body": body, "more_body": False}))
