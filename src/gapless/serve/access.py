"""Who may ask: the bearer token, and pages of other origins."""

import hmac
from urllib.parse import urlsplit

from litestar.datastructures import Headers
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from gapless.serve.settings import ServeSettings

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


def guarded(app: ASGIApp, settings: ServeSettings) -> ASGIApp:
    """Put an application behind the token, and keep pages of other origins from sockets and from what acts.

    A browser lets any page open a WebSocket or send a plain POST to 127.0.0.1; only the origin tells them apart.
    """
    wanted = f"Bearer {settings.token}".encode() if settings.token else None

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await app(scope, receive, send)
            return
        headers = Headers.from_scope(scope)
        given = headers.get("authorization", "").encode()
        preflight = scope["type"] == "http" and scope["method"] == "OPTIONS"
        if wanted and not preflight and not hmac.compare_digest(given, wanted):
            await _refuse(send, scope, 401, "a token is required: send the header Authorization: Bearer TOKEN")
        elif _acts(scope) and not _same_origin(headers, settings):
            await _refuse(send, scope, 403, f"pages of {headers['origin']} are not allowed; serve.cors_origins lists those that are")
        else:
            await app(scope, receive, send)

    return answer


def _acts(scope: Scope) -> bool:
    return scope["type"] == "websocket" or scope["method"] in UNSAFE


def _same_origin(headers: Headers, settings: ServeSettings) -> bool:
    origin = headers.get("origin")
    return (
        origin is None
        or origin in settings.cors_origins
        or "*" in settings.cors_origins
        or urlsplit(origin).netloc == headers.get("host")
    )


async def _refuse(send: Send, scope: Scope, status: int, sentence: str) -> None:
    import msgspec

    kind = "http.response" if scope["type"] == "http" else "websocket.http.response"
    headers = [(b"content-type", b"application/json")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    begin: Message = {"type": f"{kind}.start", "status": status, "headers": headers}  # type: ignore[typeddict-item, misc, assignment]
    body: Message = {"type": f"{kind}.body", "body": msgspec.json.encode({"error": sentence}), "more_body": False}  # type: ignore[typeddict-item, misc, assignment]
    await send(begin)
    await send(body)
