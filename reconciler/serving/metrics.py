"""What ``/metrics`` tells, for Prometheus: how many requests, how they ended, how long they took. No label names a
principal, an account or a key."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counters of one server, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "reconciler_requests", "Requests answered.", ["operation", "error"], registry=self._registry
        )
        self._seconds = Histogram(
            "reconciler_request_seconds",
            "Seconds from a whole request to its answer.",
            ["operation"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._kept: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self._in_flight = Gauge("reconciler_requests_in_flight", "Requests being answered.", registry=self._registry)

    def answered(self, operation: str, error: str, seconds: float) -> None:
        """Count an answer. ``error`` is the public name, empty for none; ``operation`` one that exists, or a word for
        all others: strangers do not make up labels."""
        kept = self._kept.get((operation, error))
        if kept is None:
            kept = self._requests.labels(operation, error), self._seconds.labels(operation)
            self._kept[operation, error] = kept
        kept[0].inc()
        kept[1].observe(seconds)

    def page(self, in_flight: int) -> bytes:
        """The page, with how many requests are being answered."""
        self._in_flight.set(in_flight)
        return generate_latest(self._registry)
