"""What the faces count about themselves, in the registry of the process."""

import time
from collections.abc import Collection

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


def measured(app: ASGIApp, metrics: "FaceMetrics", paths: Collection[str]) -> ASGIApp:
    """Time the answers of an application, by path; what is none of `paths` counts as `other`."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        began = time.perf_counter()
        status = "none"

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        await app(scope, receive, noted)
        path = scope["path"] if scope["path"] in paths else "other"
        metrics.requests.labels(path, status).observe(time.perf_counter() - began)

    return answer


class FaceMetrics:
    """Counters of the HTTP API, the stream and Socket.IO."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Histogram(
            "gapless_http_seconds", "Time to answer a request", ["path", "status"], registry=registry, buckets=_SECONDS
        )
        self.clients = Gauge("gapless_stream_clients", "Connections to the stream", registry=registry)
        self.events = Counter("gapless_stream_events", "Events sent to clients of the stream", registry=registry)
        self.lagged = Counter("gapless_stream_lagged", "Times that a client was too slow", registry=registry)
        self.pushed_to = Gauge("gapless_socketio_clients", "Socket.IO clients", registry=registry)
        self.pushed = Counter("gapless_socketio_events", "Events handed to Socket.IO clients", registry=registry)
        self.reads = Counter(
            "gapless_stream_catchup", "Steps of the log that were read for a single client", registry=registry
        )
