"""Transform: TFX's component with an executor that analyses whole Arrow batches straight from the Parquet payload.

The stock executor takes twice as long here: it reads every split, transforms rows to be stored and builds its Beam
graph in several passes (docs/adr/0002). The Trainer applies the transform graph itself, so nothing is materialised.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apache_beam as beam
from tfx.components.transform import component
from tfx.dsl.components.base import base_beam_executor, executor_spec
from tfx.types import artifact_utils
from tfx.utils import json_utils

from models.dataset import read_batches, to_dense, to_matrix
from models.preprocess import preprocess
from models.raw import RawType, tensor_dtype
from models.spec import InputSpec

if TYPE_CHECKING:
    import pyarrow as pa

ANALYZED_SPLIT = "train"


class Executor(base_beam_executor.BaseBeamExecutor):  # type: ignore[misc]
    """Writes a standard TransformGraph: `transform_fn`, `transformed_metadata` and `metadata`."""

    def Do(  # noqa: N802  TFX calls it so
        self, input_dict: dict[str, list[Any]], output_dict: dict[str, list[Any]], exec_properties: dict[str, Any]
    ) -> None:
        """Analyse the train split with the features of `custom_config["inputs"]` (a JSON InputSpec)."""
        import tensorflow_transform.beam as tft_beam
        from tensorflow_transform.tf_metadata import metadata_io

        inputs = InputSpec.model_validate_json(json_utils.loads(exec_properties["custom_config"])["inputs"])
        folder = artifact_utils.get_split_uri(input_dict["examples"], ANALYZED_SPLIT)
        graph = artifact_utils.get_single_uri(output_dict["transform_graph"])
        files = sorted(str(file) for file in Path(folder).iterdir())
        raw = _raw_metadata(inputs)
        with self._make_beam_pipeline() as pipeline, tft_beam.Context(temp_dir=self._get_tmp_dir()):
            batches = (
                pipeline
                | "Files" >> beam.Create(files, reshuffle=False)
                | "Read" >> beam.FlatMap(read_dense, inputs.types, inputs.lengths)
            )
            transform = (batches, raw) | tft_beam.AnalyzeDataset(lambda columns: preprocess(columns, inputs))
            transform | tft_beam.WriteTransformFn(graph)  # pylint: disable=expression-not-assigned
        metadata_io.write_metadata(_metadata(inputs), str(Path(graph, "metadata")))


def read_dense(file: str, types: dict[str, RawType], lengths: dict[str, int]) -> "Iterator[pa.RecordBatch]":
    """Yield the file's rows as lists of exactly one value, or of their length, missing values as their markers."""
    import numpy as np
    import pyarrow as pa

    for batch in read_batches([Path(file)], list(types)):
        lists = []
        for name, raw_type in types.items():
            offsets = pa.array(np.arange(batch.num_rows + 1) * lengths.get(name, 1), pa.int64())
            column = batch.column(name)
            if name in lengths:
                values = pa.array(to_matrix(column, raw_type, lengths[name]).reshape(-1), column.type.value_type)
            else:
                values = to_dense(column, raw_type)
            lists.append(pa.LargeListArray.from_arrays(offsets, values))
        yield pa.RecordBatch.from_arrays(lists, names=list(types))


def _raw_metadata(inputs: InputSpec) -> Any:
    """Describe the batches of `read_dense`: one dense `[batch]` tensor per column, `[batch, length]` of a list."""
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2
    from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig

    arrow = {"bytes": pa.large_binary(), "int": pa.int64(), "float": pa.float32()}
    schema = pa.schema([(name, pa.large_list(arrow[raw_type])) for name, raw_type in inputs.types.items()])
    dense = schema_pb2.TensorRepresentation
    shapes = {name: schema_pb2.FixedShape() for name in inputs.types}
    for name, length in inputs.lengths.items():
        shapes[name].dim.add(size=length)
    return TensorAdapterConfig(
        schema,
        {name: dense(dense_tensor=dense.DenseTensor(column_name=name, shape=shape)) for name, shape in shapes.items()},
    )


def _metadata(inputs: InputSpec) -> Any:
    """Return the raw columns as tf.Transform's DatasetMetadata, for readers of the standard artifact."""
    import tensorflow as tf
    from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

    spec = {name: tf.io.VarLenFeature(tensor_dtype(raw_type)) for name, raw_type in inputs.types.items()}
    return dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))


class Transform(component.Transform):  # type: ignore[misc]
    """TFX's Transform, with the executor above."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
