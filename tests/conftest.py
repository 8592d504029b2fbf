"""Shared by all tests: the warnings of TensorFlow's packages, and tf.Transform over small tables."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    import numpy as np
    import tensorflow_transform as tft

    from models.spec import InputSpec

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# the first call of many functions imports what they need, whatever the machine is busy with
settings.register_profile("penstock", deadline=None, max_examples=50)
settings.load_profile("penstock")

Table = Mapping[str, Sequence[Any]]
Analyze = Callable[..., "tft.TFTransformOutput"]

THIRD_PARTY_WARNINGS = ("ignore:DEFAULT_FILE_NAME will be deprecated soon",)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Filter what TensorFlow's packages warn of, and nothing else, in the tests that import them."""
    for item in items:
        if item.get_closest_marker("tensorflow"):
            for warning in THIRD_PARTY_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(autouse=True)
def _stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that runs in this process neither imports TensorFlow behind a test's back nor ends the process."""
    monkeypatch.setattr("pipeline.imports.import_ahead", lambda *_: None)
    monkeypatch.setattr("pipeline.imports.leave", sys.exit)


@pytest.fixture(scope="session")
def analyze(tmp_path_factory: pytest.TempPathFactory) -> Analyze:
    """`analyze(inputs, table)`: what the Transform component makes of `table` (`{column: values}`, None: missing).

    The values of a column of lists are lists.

    `others` are more targets: the transformed label of each comes under the name of its column. An analysis takes
    seconds, so tests share one.
    """

    def run(inputs: InputSpec, table: Table, others: Sequence[Any] = ()) -> tft.TFTransformOutput:
        import tensorflow_transform as tft

        from models.preprocess import preprocess
        from models.spec import target_kind
        from pipeline.components import transform

        def with_others(columns: dict[str, Any], inputs: InputSpec) -> dict[str, Any]:
            labels = {target.column: target_kind(target).transform(columns[target.column], target) for target in others}
            return preprocess(columns, inputs) | labels

        root = tmp_path_factory.mktemp("transform")
        write_examples(root / "examples" / "Split-train", inputs, table)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transform, "preprocess", with_others)
            run_transform(inputs, root)
        return tft.TFTransformOutput(str(root / "graph"))

    return run


class Transformed(NamedTuple):
    """A table of features after tf.Transform."""

    inputs: InputSpec
    output: tft.TFTransformOutput

    def __call__(self, feature: str, values: list[Any] | dict[str, list[Any]]) -> np.ndarray[Any, Any]:
        """The feature's transformed values; `values` by column, or of its own one. Other columns are missing."""
        from models.preprocess import transformed_name

        given = values if isinstance(values, dict) else {feature: values}
        rows = len(next(iter(given.values())))
        raw = {name: self._tensor(name, given.get(name, [None] * rows)) for name in self.inputs.columns}
        result: np.ndarray[Any, Any] = self.output.transform_features_layer()(raw)[transformed_name(feature)].numpy()
        return result

    def _tensor(self, name: str, values: list[Any]) -> Any:
        import tensorflow as tf

        from models.raw import MISSING, tensor_dtype

        raw_type, length = self.inputs.types[name], self.inputs.lengths.get(name)
        marker = MISSING[raw_type]
        if length is None:
            return tf.constant([marker if value is None else value for value in values], tensor_dtype(raw_type))
        padded = [[*(value or []), *[marker] * (length - len(value or []))] for value in values]
        return tf.constant(padded, tensor_dtype(raw_type), [len(values), length])


@pytest.fixture(scope="session")
def transform_table(analyze: Analyze) -> Callable[..., Transformed]:
    """`transform_table(columns, features, label)`: `{name: (raw type, values)}`, settings by feature, one more column.

    The label is one of several classes.
    """

    def run(columns: Mapping[str, Any], features: Mapping[str, Any], label: Sequence[str]) -> Transformed:
        from models.spec import InputSpec

        types = {name: raw_type for name, (raw_type, _) in columns.items()}
        target = {"kind": "multiclass", "column": "label"}
        inputs = InputSpec.model_validate({"types": types | {"label": "bytes"}, "features": features, "target": target})
        table = {name: values for name, (_, values) in columns.items()}
        return Transformed(inputs, analyze(inputs, table | {"label": label}))

    return run


def write_examples(folder: Path, inputs: InputSpec, table: Table) -> None:
    """Write the Parquet form of examples: a large list of values, or null, per row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"bytes": pa.large_binary(), "int": pa.int64(), "float": pa.float32()}
    arrays = {
        name: pa.array([as_list(value) for value in table[name]], pa.large_list(types[raw_type]))
        for name, raw_type in inputs.types.items()
    }
    folder.mkdir(parents=True)
    pq.write_table(pa.table(arrays), folder / "examples.parquet")


def as_list(value: Any) -> list[Any] | None:
    """A value of a table, or a list of them, as an example holds it."""
    if value is None:
        return None
    return [
        each.encode() if isinstance(each, str) else each for each in (value if isinstance(value, list) else [value])
    ]


def run_transform(inputs: InputSpec, root: Path) -> None:
    """Run the Transform component's executor from `root/examples` to `root/graph`."""
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types import artifact_utils, standard_artifacts
    from tfx.utils import json_utils

    from pipeline.components.transform import Executor

    examples, graph = standard_artifacts.Examples(), standard_artifacts.TransformGraph()
    examples.uri, graph.uri = str(root / "examples"), str(root / "graph")
    examples.split_names = artifact_utils.encode_split_names(["train"])
    context = BaseBeamExecutor.Context(beam_pipeline_args=[], tmp_dir=str(root / "tmp"), unique_id="1")
    properties = {"custom_config": json_utils.dumps({"inputs": inputs.model_dump_json()})}
    Executor(context).Do({"examples": [examples]}, {"transform_graph": [graph]}, properties)
