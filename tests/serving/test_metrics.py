"""Metrics as Prometheus reads them."""

from __future__ import annotations

import asyncio
import shutil

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.errors import DataLossError
from serving.server.extras import Extras
from serving.server.metrics import Histogram
from serving.server.registry import ModelQuery, Registry
from serving.server.settings import ServerSettings

PREDICT = "/v1/models/m:predict"


def read(ask, path="/metrics"):
    """Values by the name and the labels of a sample."""
    response = ask("GET", path)
    assert response.status_code == 200
    samples = [sample for family in text_string_to_metric_families(response.text) for sample in family.samples]
    found = {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples}
    assert len(found) == len(samples), "two samples of one name and labels"
    return found


def select(samples, name, **labels):
    wanted = set(labels.items())
    # the parser calls every counter so, as OpenMetrics does
    names = (name, f"{name}_total")
    return {key[1:]: value for key, value in samples.items() if key[0] in names and wanted <= set(key[1:])}


def test_requests_are_counted_by_model_status_version_and_signature(ask_with):
    ask = ask_with(ServerSettings())
    for body in ({"instances": [1, 2, 3]}, {"instances": [1]}, {"instances": ["x"]}):
        ask("POST", PREDICT, json=body)
    samples = read(ask, "/monitoring/prometheus/metrics")
    served = {"model_name": "m", "version": "2", "signature": "serving_default", "entrypoint": "REST"}
    name = ":tensorflow:serving:request_count"
    assert list(select(samples, name, status="OK", API="predict", **served).values()) == [2]
    assert list(select(samples, name, status="INVALID_ARGUMENT", model_name="m", version="").values()) == [1]
    assert list(select(samples, ":tensorflow:serving:request_latency_count", API="predict", **served).values()) == [2]
    runs = select(samples, ":tensorflow:serving:runtime_latency_count", API="Predict", runtime="TF1", **served)
    assert list(runs.values()) == [2]
    assert list(select(samples, ":tensorflow:serving:request_example_counts_sum", **served).values()) == [4]
    assert list(select(samples, "penstock_runs_in_flight").values()) == [0]
    assert next(iter(select(samples, "process_resident_memory_bytes").values())) > 1e6
    microseconds = next(iter(select(samples, ":tensorflow:serving:request_latency_sum", **served).values()))
    assert 0 < microseconds < 60e6


def test_type_and_name_are_tensorflow_servings(ask_with):
    ask = ask_with(ServerSettings())
    ask("POST", PREDICT, json={"instances": [1]})
    lines = ask("GET", "/metrics").text.splitlines()
    assert "# TYPE :tensorflow:serving:request_count counter" in lines
    assert "# TYPE :tensorflow:serving:request_latency histogram" in lines
    assert any(line.startswith(":tensorflow:serving:request_latency_bucket{") and 'le="18"' in line for line in lines)


def test_unknown_models_share_one_series(ask_with):
    ask = ask_with(ServerSettings())
    for number in range(50):
        ask("POST", f"/v1/models/nope{number}:predict", json={"instances": [1]})
        ask("POST", "/v1/models/m:predict", json={"signature_name": f"s{number}", "instances": [1]})
        ask("POST", f"/v1/models/m/versions/{number + 7}:predict", json={"instances": [1]})
    counts = select(read(ask), ":tensorflow:serving:request_count")
    assert sorted(counts.values()) == [50, 50, 50]
    assert {dict(labels)["model_name"] for labels in counts} == {"(unknown)", "m"}


@pytest.mark.parametrize("path", ["/metrics", "/monitoring/prometheus/metrics"])
def test_metrics_can_be_left_out(ask_with, path):
    extras = Extras(ServerSettings(metrics=False))
    assert ask_with(extras)("GET", path).status_code == 404
    assert extras.observers == [extras.rollouts]
    runner = object()
    assert extras.wrap_runner(runner) is runner


def test_series_go_with_their_versions_and_a_missing_folder_shows(ask_with, tmp_path):
    extras = Extras()

    def load(version, path):
        if version == 9:
            raise DataLossError("half a file")
        return Fake(version)

    base = tmp_path / "m"
    registry = Registry({"m": base}, extras.wrap_load(load))
    ask = ask_with(extras, registry)
    push(base, 1)
    registry.refresh()
    ask("POST", PREDICT, json={"instances": [1]})
    assert {dict(key)["version"] for key in select(read(ask), ":tensorflow:serving:request_count")} == {"1"}

    push(base, 2)
    push(base, 9)
    registry.refresh()
    shutil.rmtree(base / "1")
    registry.refresh()
    push(base, 3)
    registry.refresh()
    samples = read(ask)
    assert not select(samples, ":tensorflow:serving:request_count", version="1")
    loads = select(samples, ":tensorflow:cc:saved_model:load_attempt_count")
    assert {(dict(key)["model_path"], dict(key)["status"]): value for key, value in loads.items()} == {
        (str(base / "2"), "success"): 1,
        (str(base / "3"), "success"): 1,
        (str(base / "9"), "fail"): 1,
    }
    assert select(samples, "penstock_model_base_missing", model_name="m") == {(("model_name", "m"),): 0}

    shutil.rmtree(base)
    registry.refresh()
    assert list(select(read(ask), "penstock_model_base_missing", model_name="m").values()) == [1]
    assert list(select(read(ask), "penstock_model_loaded", model_name="m").values()) == [1]
    assert registry.find(ModelQuery("m")).version == 3


def test_runs_in_flight_are_counted():
    extras = Extras()
    seen = []

    class Slow:
        async def run(self, inference):
            seen.append(extras.metrics.running)
            await asyncio.sleep(0)
            raise ValueError

    async def run_both():
        runner = extras.wrap_runner(Slow())
        return await asyncio.gather(runner.run(None), runner.run(None), return_exceptions=True)

    assert len(asyncio.run(run_both())) == 2
    assert (seen, extras.metrics.running) == ([1, 2], 0)


def test_a_histogram_counts_up_to_each_bound():
    histogram = Histogram((1, 10))
    for value in (1, 1.5, 10, 11):
        histogram.observe(value)
    assert (histogram.accumulate(), histogram.total) == ([("1", 1), ("10", 3), ("+Inf", 4)], 23.5)


def push(base, version):
    (base / str(version)).mkdir(parents=True)
    (base / str(version) / "saved_model.pb").touch()


class Fake:
    """Gives back what it is given."""

    def __init__(self, version):
        from serving.artifact import Signature, TensorSpec

        spec = {"x": TensorSpec("x:0", "float", (-1,))}
        self.version = version
        self.signatures = {"serving_default": Signature(spec, spec, "")}

    def run(self, _, feeds):
        return dict(feeds)
