"""What is counted of requests, runs and loads; `exposition` tells of it.

Requests are counted in plain lists under one lock: names and labels are made when somebody asks. Models that the server
does not know share one series, and versions that are gone lose theirs, so there are never more than is served.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from serving.errors import ServingError
from serving.server.inference import Exchange, Inference, Outputs, Runner
from serving.server.model import Servable
from serving.server.overview import list_versions
from serving.server.registry import Registry
from serving.server.served_model import Load

UNKNOWN = "(unknown)"

_LATENCIES_US = tuple(10 * 1.8**power for power in range(33))
_ROWS = tuple(2.0**power for power in range(15))


class Key(NamedTuple):
    """The labels of a series. `version` and `signature` are empty of requests that never got to a model."""

    model_name: str
    version: str
    signature: str
    method: str
    entrypoint: str


@dataclass(slots=True)
class Histogram:
    """How many values there were up to each bound, and beyond all; and their sum."""

    bounds: Sequence[float]
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def accumulate(self) -> list[tuple[str, float]]:
        """Prometheus's buckets: bound, and how many values were not above it."""
        buckets, seen = [], 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            seen += count
            buckets.append(("+Inf" if bound == float("inf") else f"{bound:.6g}", float(seen)))
        return buckets


@dataclass(slots=True)
class Series:
    """What is counted for one set of labels."""

    statuses: Counter[str] = field(default_factory=Counter)
    latency_us: Histogram = field(default_factory=lambda: Histogram(_LATENCIES_US))
    runtime_us: Histogram = field(default_factory=lambda: Histogram(_LATENCIES_US))
    rows: Histogram = field(default_factory=lambda: Histogram(_ROWS))


class Metrics:
    """Counts requests (it is an `Observer`), loads and runs. Whoever reads the attributes holds `lock`.

    Attributes:
        registry: the models that are known; until it is set, none.
        series: what is counted of requests.
        loads: attempts by version's folder and `success` or `fail`.
        load_us: microseconds of the successful ones, by folder.
        running: requests that a model computes or waits to compute.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.registry: Registry | None = None
        self.series: dict[Key, Series] = {}
        self.loads: Counter[tuple[str, str]] = Counter()
        self.load_us: Counter[str] = Counter()
        self.running = 0

    def observe(self, exchange: Exchange) -> None:
        """Count a request that has been answered."""
        inference = exchange.inference
        key = self._label(exchange)
        with self.lock:
            series = self.series.get(key)
            if series is None:
                series = self.series[key] = Series()
            series.statuses[exchange.code.name] += 1
            series.latency_us.observe(exchange.seconds * 1e6)
            if inference is not None and exchange.outputs is not None:
                series.runtime_us.observe(exchange.run_seconds * 1e6)
                series.rows.observe(_count_rows(inference))

    def _label(self, exchange: Exchange) -> Key:
        name, inference = exchange.query.name, exchange.inference
        if inference is not None:
            return Key(name, str(inference.servable.version), inference.signature_name, exchange.method, exchange.api)
        known = self.registry is not None and name in self.registry.folders
        return Key(name if known else UNKNOWN, "", "", exchange.method, exchange.api)

    def count_loads(self, load: Load) -> Load:
        """Return `load`, counted and timed."""

        def load_and_count(version: int, path: Path) -> Servable:
            started = time.perf_counter()
            try:
                servable = load(version, path)
            except ServingError:
                self._count_load(path, "fail", 0)
                raise
            self._count_load(path, "success", time.perf_counter() - started)
            return servable

        return load_and_count

    def _count_load(self, path: Path, status: str, seconds: float) -> None:
        with self.lock:
            self.loads[str(path), status] += 1
            if status == "success":
                self.load_us[str(path)] += int(seconds * 1e6)

    def meter(self, runner: Runner) -> Runner:
        """Return `runner`, with its runs in flight counted."""
        return _MeteredRunner(runner, self)

    def change_running(self, change: int) -> None:
        """Note that a run began (1) or ended (-1)."""
        with self.lock:
            self.running += change

    def forget_missing(self) -> None:
        """Drop what counts versions that are gone, or the series would grow with every push."""
        with self.lock:
            if self.registry is not None:
                known = {name: _name_versions(self.registry, name) for name in self.registry.folders}
                self.series = {key: each for key, each in self.series.items() if _is_known(key, known)}
            for path, status in list(self.loads):
                if not Path(path).is_dir():
                    del self.loads[path, status]
                    self.load_us.pop(path, None)


@dataclass(frozen=True, slots=True)
class _MeteredRunner:
    runner: Runner
    metrics: Metrics

    async def run(self, inference: Inference) -> Outputs:
        self.metrics.change_running(1)
        try:
            return await self.runner.run(inference)
        finally:
            self.metrics.change_running(-1)


def _name_versions(registry: Registry, name: str) -> set[str]:
    return {"", *(str(status.version) for status in list_versions(registry, name))}


def _is_known(key: Key, known: Mapping[str, set[str]]) -> bool:
    return key.model_name == UNKNOWN or key.version in known.get(key.model_name, ())


def _count_rows(inference: Inference) -> int:
    first = next(iter(inference.feeds.values()))
    return len(first) if first.ndim else 1
