"""What is told of the connections of a running gapless: a row each, and figures of them and of the stages."""

from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from gapless.collect.collector import Collector
from gapless.collect.connection import Connection
from gapless.collect.stages import BORDERS, Stage
from gapless.model import MS, SECOND
from gapless.model.times import iso
from gapless.ports import Clock
from gapless.protocol.phases import Subscribed

_LABELS = ("venue", "connection")


def row_of(venue: str, connection: Connection, now: int) -> dict[str, Any]:
    """Tell of a connection; `now` is monotonic ns. `rate` is messages a second over the last seconds."""
    tally, latency = connection.tally, connection.latency
    return {
        "id": connection.name,
        "venue": venue,
        "state": connection.session.phase.value,
        "uptime_s": round((now - connection.opened_at) / SECOND, 1) if connection.up else 0.0,
        "up_share": round(tally.up_share(now), 5),
        "rate": round(tally.flow.per_second, 1),
        "latency_ms": round(latency / MS, 2) if latency is not None else None,
        "streams": len(connection.streams),
        "products": len({stream.instrument for stream in connection.streams if stream.instrument}),
        "confirmed": connection.session.confirmed,
        "live": sum(one.phase is Subscribed.LIVE for one in connection.session.subscriptions.values()),
        "connects": tally.connects,
        "frames": tally.frames,
        "bytes": tally.volume,
        "malformed": tally.malformed,
        "rejected": rejected(connection),
        "errors": sum(_errors(connection).values()),
        "breaks": tally.breaks,
        "failed": tally.failed,
        "rotations": tally.rotations,
        "reconnects_ms": [round(ns / MS, 1) for ns in tally.reconnects],
        "closes": [
            {"at": iso(one.at), "code": one.code, "reason": one.reason, "lived_s": round(one.lived / SECOND, 1)}
            for one in tally.closes
        ],
    }


def rejected(connection: Connection) -> dict[str, str]:
    """Give which of its streams the venue has refused, and why."""
    subscriptions = connection.session.subscriptions.items()
    return {name: one.reason for name, one in subscriptions if one.phase is Subscribed.REJECTED}


def _errors(connection: Connection) -> dict[str, int]:
    tally = connection.tally
    return {
        "malformed": tally.malformed, "rejected": len(rejected(connection)), "break": tally.breaks,
        "connect": tally.failed,
    }  # fmt: skip


class ConnectionFigures:
    """The figures of connections by name, and the stages by venue, told when they are asked for: counting costs less.

    `collectors` may grow.
    """

    def __init__(self, collectors: Sequence[Collector], clock: Clock, registry: CollectorRegistry) -> None:
        self._collectors = collectors
        self._clock = clock
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Give all of them, for the registry."""
        yield from self._of_connections()
        stages = HistogramMetricFamily(
            "gapless_stage_seconds", "How long a stage takes: of a message, or of mending a connection.",
            labels=("venue", "stage"),
        )  # fmt: skip
        for collector in self._collectors:
            for name in (told := collector.wiring.stages).__struct_fields__:
                _add(stages, (collector.venue.name, name), getattr(told, name))
        yield stages

    def _of_connections(self) -> Iterator[Metric]:
        now = self._clock.monotonic()
        up = GaugeMetricFamily("gapless_connection_up", "Whether a connection stands.", labels=_LABELS)
        share = GaugeMetricFamily("gapless_connection_up_share", "The share of the time it stood.", labels=_LABELS)
        rate = GaugeMetricFamily("gapless_connection_rate", "Messages a second, recently.", labels=_LABELS)
        latency = GaugeMetricFamily("gapless_connection_latency_seconds", "Round trip of a ping.", labels=_LABELS)
        streams = GaugeMetricFamily("gapless_connection_streams", "Streams on a connection.", labels=_LABELS)
        frames = CounterMetricFamily("gapless_connection_messages", "Messages that came.", labels=_LABELS)
        volume = CounterMetricFamily("gapless_connection_bytes", "Bytes of these messages.", labels=_LABELS)
        turns = CounterMetricFamily("gapless_connection_rotations", "Replacements by a successor.", labels=_LABELS)
        errors = CounterMetricFamily("gapless_connection_errors", "What went wrong.", labels=(*_LABELS, "kind"))
        for collector in self._collectors:
            for one in collector.connections:
                names, tally = (collector.venue.name, one.name), one.tally
                up.add_metric(names, one.up)
                share.add_metric(names, tally.up_share(now))
                rate.add_metric(names, tally.flow.per_second)
                if one.latency is not None:
                    latency.add_metric(names, one.latency / SECOND)
                streams.add_metric(names, len(one.streams))
                frames.add_metric(names, tally.frames)
                volume.add_metric(names, tally.volume)
                turns.add_metric(names, tally.rotations)
                for kind, count in _errors(one).items():
                    errors.add_metric((*names, kind), count)
        yield from (up, share, rate, latency, streams, frames, volume, turns, errors)


def _add(family: HistogramMetricFamily, labels: Sequence[str], stage: Stage) -> None:
    buckets, count = [], 0
    for border, counted in zip((*BORDERS, 0), stage.counts, strict=True):
        count += counted
        buckets.append((f"{border / SECOND}" if border else "+Inf", count))
    family.add_metric(labels, buckets=buckets, sum_value=stage.total / SECOND)
