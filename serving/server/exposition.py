"""Prometheus metrics under TensorFlow Serving's names, with version and signature beside its labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from serving.server.metrics import Histogram, Metrics
from serving.server.registry import Registry
from serving.server.request_log import RequestLog

PATHS = ("/monitoring/prometheus/metrics", "/metrics")

_SERVING = ":tensorflow:serving:"
_LOADING = ":tensorflow:cc:saved_model:"
_TOTAL = re.compile(rb"(?m)^(# (?:HELP|TYPE) :\S+)_total ")


@dataclass(frozen=True, slots=True)
class Exposition:
    """Writes Prometheus's text format: the metrics, and the process's memory, files and time.

    Attributes:
        log: whose dropped entries are told, where there is one.
    """

    metrics: Metrics
    registry: Registry
    log: RequestLog | None = None

    def write(self) -> bytes:
        """All samples as of now."""
        self.metrics.forget_missing()
        collectors = CollectorRegistry()
        collectors.register(self)
        ProcessCollector(registry=collectors)
        # prometheus_client ends the name of every counter in _total; TensorFlow Serving does not.
        return _TOTAL.sub(rb"\1 ", generate_latest(collectors))

    def describe(self) -> Sequence[Metric]:
        """Nothing: without it, prometheus_client would collect once more to learn the names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All samples (prometheus_client)."""
        with self.metrics.lock:
            yield from _collect_requests(self.metrics)
            yield from _collect_loads(self.metrics)
            running = self.metrics.running
        yield GaugeMetricFamily("penstock_runs_in_flight", "Requests that models compute or wait for.", running)
        yield from _collect_models(self.registry)
        if self.log is not None:
            words = "Sampled requests that the log had no room for."
            yield CounterMetricFamily("penstock_request_log_dropped", words, self.log.dropped)


def _collect_requests(metrics: Metrics) -> Iterator[Metric]:
    count = Metric(f"{_SERVING}request_count", "The total number of requests.", "counter")
    latency = _histogram("request_latency", "Wall time in microseconds of a request.", "API")
    runtime = _histogram("runtime_latency", "Wall time in microseconds of the model.", "API", "runtime")
    rows = _histogram("request_example_counts", "Rows of a request.")
    for key, series in metrics.series.items():
        labels = {
            "model_name": key.model_name,
            "version": key.version,
            "signature": key.signature,
            "entrypoint": key.entrypoint,
        }
        own, title = list(labels.values()), _to_title(key.method)
        called = key.method if key.entrypoint == "REST" else title
        for status, times in series.statuses.items():
            count.add_sample(count.name, labels | {"API": called, "status": status}, times)
        _add(latency, [*own, called], series.latency_us)
        _add(runtime, [*own, title, "TF1"], series.runtime_us)
        _add(rows, own, series.rows)
    yield from (count, latency, runtime, rows)


def _collect_loads(metrics: Metrics) -> Iterator[Metric]:
    attempts = Metric(f"{_LOADING}load_attempt_count", "How often a SavedModel was loaded, or failed to.", "counter")
    for (path, status), times in metrics.loads.items():
        attempts.add_sample(attempts.name, {"model_path": path, "status": status}, times)
    latency = Metric(f"{_LOADING}load_latency", "Microseconds that loading SavedModels took.", "counter")
    for path, microseconds in metrics.load_us.items():
        latency.add_sample(latency.name, {"model_path": path}, microseconds)
    yield from (attempts, latency)


def _collect_models(registry: Registry) -> Iterator[Metric]:
    missing = GaugeMetricFamily("penstock_model_base_missing", "1: its folder is gone.", labels=["model_name"])
    loaded = GaugeMetricFamily("penstock_model_loaded", "1: a version answers requests.", labels=["model_name"])
    unavailable = registry.list_unavailable()
    for name, base in registry.folders.items():
        missing.add_metric([name], not base.is_dir())
        loaded.add_metric([name], name not in unavailable)
    yield from (missing, loaded)


def _histogram(name: str, documentation: str, *labels: str) -> HistogramMetricFamily:
    names = ["model_name", "version", "signature", "entrypoint", *labels]
    return HistogramMetricFamily(f"{_SERVING}{name}", documentation, labels=names)


def _add(family: HistogramMetricFamily, labels: Sequence[str], histogram: Histogram) -> None:
    if any(histogram.counts):
        family.add_metric(labels, histogram.accumulate(), histogram.total)


def _to_title(method: str) -> str:
    return "".join(word.capitalize() for word in method.split("_"))
