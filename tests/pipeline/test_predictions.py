"""The rows that are judged: slices, classes in one order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow


def test_another_models_probabilities_stand_by_the_classes_of_the_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    from models.spec import ModelSpec
    from models.targets import LabelFacts
    from pipeline import predictions

    spec = ModelSpec.model_validate(
        {
            "inputs": {
                "types": {"x": "float", "y": "bytes"},
                "features": {"x": {"kind": "numeric"}},
                "target": {"kind": "multiclass", "column": "y"},
            },
            "model": {"family": "mlp"},
        }
    )
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], "float32")

    def load(folder: Path) -> Any:
        return lambda columns: {"label": np.array([b"b", b"c"], object), "probabilities": probabilities}

    monkeypatch.setattr(predictions, "predictor", load)
    monkeypatch.setattr(predictions, "read_classes", lambda folder: ("b", "gone", "c"))
    batches = [{"x": np.zeros(2, "float32")}]
    found = predictions.predict_rows(Path("unused"), batches, spec.inputs, LabelFacts(("a", "b", "c")))
    np.testing.assert_allclose(found, [[0, 0.7, 0.1], [0, 0.1, 0.6]])


def test_a_number_is_cut_at_its_quantiles() -> None:
    from models.raw import MISSING_INT
    from pipeline.judging import Buckets
    from pipeline.predictions import slice_values

    columns = {
        "age": np.array([1, 2, 3, 4, 5, 6, 7, 8, MISSING_INT]),
        "same": np.full(3, 5.0),
        "shop": np.array([b"a", "größe".encode()], object),
    }
    found = slice_values(Buckets(column="age", quantiles=2), columns).tolist()
    assert found == ["1 to 4.5"] * 4 + ["4.5 to 8"] * 4 + ["missing"]
    assert slice_values(Buckets(column="same", quantiles=4), columns).tolist() == ["5"] * 3
    assert slice_values("shop", columns).tolist() == ["a", "größe"]


def test_a_missing_value_is_a_slice_by_that_name() -> None:
    from models.raw import MISSING_INT
    from pipeline.predictions import slice_values

    columns = {
        "age": np.array([3, MISSING_INT]),
        "price": np.array([np.nan, 0.5], "float32"),
        "shop": np.array([b"", b"a"], object),
    }
    assert slice_values("age", columns).tolist() == ["3", "missing"]
    assert slice_values("price", columns).tolist() == ["missing", "0.5"]
    assert slice_values("shop", columns).tolist() == ["missing", "a"]


def test_slices_come_in_the_order_of_their_numbers() -> None:
    import pyarrow as pa

    from pipeline.predictions import slice_rows

    values = [
        "10 to 20",
        "2013-11-01",
        "missing",
        "9 to 10",
        "-1.5 to 9",
        "2013-10-02",
        "b 10",
        "b 9",
        "1e+06 to 2e+06",
    ]
    found = [dict(key)["x"] for key in slice_rows(pa.table({"x": values}), [("x",)]) if key]
    numbers = ["-1.5 to 9", "9 to 10", "10 to 20", "2013-10-02", "2013-11-01", "1e+06 to 2e+06"]
    assert found == [*numbers, "b 9", "b 10", "missing"]


def test_slices_are_the_combinations_that_there_are() -> None:
    import pyarrow as pa

    from pipeline.predictions import slice_rows

    table = pa.table({"shop": ["a", "b", "a", "a"], "day": ["1", "1", "2", "1"]})
    found = {key: rows.tolist() for key, rows in slice_rows(table, [("shop",), ("shop", "day")]).items()}
    assert found == {
        (): [0, 1, 2, 3],
        (("shop", "a"),): [0, 2, 3],
        (("shop", "b"),): [1],
        (("shop", "a"), ("day", "1")): [0, 3],
        (("shop", "a"), ("day", "2")): [2],
        (("shop", "b"), ("day", "1")): [1],
    }
