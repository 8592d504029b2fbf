"""The time that requests take, by a clock that stands still but for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from pipeline.errors import RunError
from pipeline.infra import trial
from pipeline.infra.trial import REQUESTS, WARM_UP, measure_p99_ms
from pipeline.problem import Budget


@pytest.fixture
def request_taking(monkeypatch: pytest.MonkeyPatch) -> Callable[[Iterator[float]], Callable[[int], None]]:
    """`request_taking(seconds)`: a request that takes the next of them each time."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(trial, "time", SimpleNamespace(monotonic=lambda: clock.now, perf_counter=lambda: clock.now))

    def make(seconds: Iterator[float]) -> Callable[[int], None]:
        def request(place: int) -> None:
            clock.now += next(seconds)

        return request

    return make


def repeat(*parts: tuple[int, float]) -> Iterator[float]:
    for count, seconds in parts:
        yield from [seconds] * count


def test_the_first_requests_do_not_count(request_taking):
    request = request_taking(repeat((WARM_UP, 0.05), (REQUESTS, 0.001)))
    assert measure_p99_ms(request, None) == pytest.approx(1.0)


def test_a_disturbed_round_is_measured_again(request_taking):
    busy = (REQUESTS - 10, 0.001), (10, 0.03)
    request = request_taking(repeat((WARM_UP, 0.001), *busy, (REQUESTS, 0.002)))
    assert measure_p99_ms(request, 20) == pytest.approx(2.0)


def test_without_a_limit_once_is_enough(request_taking):
    request = request_taking(repeat((WARM_UP, 0.001), (REQUESTS - 10, 0.001), (10, 0.03)))
    assert measure_p99_ms(request, None) == pytest.approx(30.0)


def test_a_slow_request_is_not_asked_for_ever(request_taking):
    # a round of two seconds to warm up, another to measure
    request = request_taking(repeat((4 + 4, 0.5)))
    assert measure_p99_ms(request, 50) == pytest.approx(500.0)


def test_a_budget_of_memory_needs_a_system_that_tells_it():
    assert list(trial._above(Budget(p99_ms=5), {"p99_ms": 5.0, "rss_mb": None})) == []
    with pytest.raises(RunError, match=r"budget\.rss_mb: this system does not tell"):
        list(trial._above(Budget(rss_mb=5), {"p99_ms": 5.0, "rss_mb": None}))
