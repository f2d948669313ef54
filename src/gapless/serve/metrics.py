"""What the faces count about themselves, in the registry of the process."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class FaceMetrics:
    """Counters of the HTTP API and the stream."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Histogram(
            "gapless_http_seconds", "Time to answer a request", ["path", "status"], registry=registry, buckets=_SECONDS
        )
        self.clients = Gauge("gapless_stream_clients", "Connections to the stream", registry=registry)
        self.events = Counter("gapless_stream_events", "Events sent to clients of the stream", registry=registry)
        self.lagged = Counter("gapless_stream_lagged", "Times that a client was too slow", registry=registry)
        self.reads = Counter(
            "gapless_stream_catchup", "Steps of the log that were read for a single client", registry=registry
        )
