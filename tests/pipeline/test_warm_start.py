"""Which model the next one starts from."""

from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.tensorflow

OUTPUT, INPUT = 4, 3
"""Types of ML Metadata's events."""


def artifact(number, rows=""):
    properties = {"digest_train": SimpleNamespace(string_value=rows)} if rows else {}
    return SimpleNamespace(id=number, custom_properties=properties)


def blessing(model, *, blessed=1):
    properties = {"current_model_id": model, "blessed": blessed}
    return SimpleNamespace(get_int_custom_property=properties.__getitem__)


class Store:
    """ML Metadata with a Trainer's execution for each model, of the same number, that read examples and a graph."""

    def __init__(self, models):
        self.models = models
        self.artifacts = {1000 + number: artifact(1000 + number, rows) for number, rows in models.items()}
        self.artifacts |= {2000 + number: artifact(2000 + number) for number in models}

    def get_events_by_artifact_ids(self, numbers):
        made = [SimpleNamespace(artifact_id=number, execution_id=number, type=OUTPUT) for number in numbers]
        return made + [SimpleNamespace(artifact_id=number, execution_id=9999, type=INPUT) for number in numbers]

    def get_events_by_execution_ids(self, numbers):
        return [
            SimpleNamespace(artifact_id=kind + number, execution_id=number, type=INPUT)
            for number in numbers
            for kind in (1000, 2000)
        ] + [SimpleNamespace(artifact_id=number, execution_id=number, type=OUTPUT) for number in numbers]

    def get_artifacts_by_id(self, numbers):
        return [self.artifacts[number] for number in numbers]


@pytest.fixture
def choose():
    from pipeline.components.warm_start import LatestModelOfOtherData

    def chosen(rows, models, blessings):
        inputs = {
            "examples": [SimpleNamespace(mlmd_artifact=artifact(1, rows))],
            "model": [artifact(number) for number in models],
            "model_blessing": blessings,
        }
        found = LatestModelOfOtherData().resolve_artifacts(Store(models), inputs)
        return [each.id for each in found["model"]]

    return chosen


def test_the_first_run_starts_from_nothing(choose):
    assert choose("a", {}, []) == []


def test_the_latest_blessed_model_counts(choose):
    models = {1: "a", 2: "b", 3: "c"}
    assert choose("d", models, [blessing(1), blessing(2), blessing(3, blessed=0)]) == [2]


def test_the_same_rows_start_from_the_same_model(choose):
    models = {1: "a", 2: "b", 3: "c"}
    blessings = [blessing(number) for number in models]
    assert choose("a", models, blessings) == []
    assert choose("b", models, blessings) == [1]
    assert choose("c", models, blessings) == [2]


def test_a_model_that_was_not_blessed_has_still_begun_its_rows(choose):
    models = {1: "a", 2: "b", 3: "c"}
    assert choose("b", models, [blessing(1), blessing(2, blessed=0), blessing(3)]) == [1]
