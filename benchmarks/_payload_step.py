"""Step of payload.py, in a process of its own: one piece of work over one payload; prints its seconds as JSON.

Imports are not counted. Files lie in `FOLDER/FORMAT/Split-train/`; `FOLDER/parquet-source/` holds the pipeline's own.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _packages_first  # noqa: F401

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

from _examples import ingest, parquet

from models.raw import MISSING, RawType
from models.spec import InputSpec

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf
    from tfx.types import standard_artifacts

    Columns = dict[str, np.ndarray[Any, Any]]

COMPRESSION = {"tfrecord-gzip": "GZIP", "tfrecord": ""}
BEAM_ARGUMENTS = ["--runner=FnApiRunner"]
BATCH_ROWS = 16_384
"""What models.dataset reads at a time, so the same for TFRecord."""


def main() -> None:
    """Do one step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=["ingest", *STEPS])
    parser.add_argument("folder", type=Path)
    parser.add_argument("target", help="the payload's format; for ingest the problem's file")
    options = parser.parse_args()
    inputs_file = options.folder / "inputs.json"
    if options.step == "ingest":
        spec, rows = ingest(Path(options.target), options.folder / "source")
        inputs_file.write_text(spec.inputs.model_dump_json(), "utf-8")
        print(json.dumps({"rows": rows["train"]}))
        return
    inputs = InputSpec.model_validate_json(inputs_file.read_text("utf-8"))
    work: Callable[[], object] = STEPS[options.step](options.folder, options.target, inputs)
    began = time.perf_counter()
    work()
    print(json.dumps({"seconds": time.perf_counter() - began}))


def payload(folder: Path, kind: str) -> Path:
    """Return the payload's file."""
    split = folder / kind / "Split-train"
    names = {
        "parquet": "examples.parquet",
        "tfrecord-gzip": "examples-00000-of-00001.gz",
        "tfrecord": "examples-00000-of-00001",
    }
    return split / names[kind]


def prepare_write(folder: Path, kind: str, _inputs: InputSpec) -> Callable[[], None]:
    """Write the train split from Arrow batches that lie in memory, as pipeline.ingest writes Parquet."""
    import pyarrow.parquet as pq
    import tensorflow as tf
    from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

    from pipeline.ingest import BATCH_ROWS as GROUP_ROWS

    files = [pq.ParquetFile(file) for file in parquet(folder / "source", "train")]
    batches = [batch for file in files for batch in file.iter_batches(GROUP_ROWS)]
    target = payload(folder, kind)
    target.parent.mkdir(parents=True, exist_ok=True)

    def write_parquet() -> None:
        with pq.ParquetWriter(target, files[0].schema_arrow, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)

    def write_records() -> None:
        encoder = RecordBatchToExamplesEncoder()
        with tf.io.TFRecordWriter(str(target), COMPRESSION[kind]) as writer:
            for batch in batches:
                for record in encoder.encode(batch):
                    writer.write(record)

    return write_parquet if kind == "parquet" else write_records


def prepare_statistics(folder: Path, kind: str, _inputs: InputSpec) -> Callable[[], None]:
    """Run TFX's own StatisticsGen executor."""
    from tfx.components.statistics_gen.executor import Executor
    from tfx.types import standard_artifacts

    statistics = standard_artifacts.ExampleStatistics()
    statistics.uri = str(folder / f"statistics-{kind}")
    examples = describe(folder, kind)
    executor = Executor(beam_context(folder))
    return lambda: executor.Do({"examples": [examples]}, {"statistics": [statistics]}, {})


def beam_context(folder: Path) -> Any:
    """Return what TFX tells a Beam executor."""
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor

    return BaseBeamExecutor.Context(beam_pipeline_args=BEAM_ARGUMENTS, tmp_dir=str(folder / "tmp"), unique_id="0")


def describe(folder: Path, kind: str) -> "standard_artifacts.Examples":
    """Return the payload as the artifact that a component gets; without properties TFX takes it for TFRecord."""
    from tfx.proto import example_gen_pb2
    from tfx.types import standard_artifacts

    examples = standard_artifacts.Examples()
    examples.uri = str(folder / kind)
    examples.split_names = json.dumps(["train"])
    if kind == "parquet":
        examples.set_string_custom_property("payload_format", "FORMAT_PARQUET")
        file_format = example_gen_pb2.FileFormat.Name(example_gen_pb2.FILE_FORMAT_PARQUET)
        examples.set_string_custom_property("file_format", file_format)
    return examples


def prepare_analyze(folder: Path, kind: str, inputs: InputSpec) -> Callable[[], None]:
    """Run our Transform: its executor over Parquet, the same analysis behind tfx_bsl's TFXIO over TFRecord."""
    import tensorflow_transform.beam  # noqa: F401  the executor imports it late; it must not count
    from tfx.types import standard_artifacts

    from pipeline.components.transform import Executor

    if kind != "parquet":
        return prepare_record_analysis(folder, kind, inputs)
    graph = standard_artifacts.TransformGraph()
    graph.uri = str(folder / "graph-parquet")
    executor = Executor(beam_context(folder))
    properties = {"custom_config": json.dumps({"inputs": inputs.model_dump_json()})}
    examples = describe(folder, kind)
    return lambda: executor.Do({"examples": [examples]}, {"transform_graph": [graph]}, properties)


def prepare_record_analysis(folder: Path, kind: str, inputs: InputSpec) -> Callable[[], None]:
    """Run AnalyzeDataset over TFRecord in batches as large as our own."""
    import apache_beam as beam
    import tensorflow_transform.beam as tft_beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

    from models.preprocess import preprocess

    def analyze() -> None:
        source = TFExampleRecord(
            str(payload(folder, kind)), schema=dense_schema(inputs), telemetry_descriptors=["step"]
        )
        options = PipelineOptions(BEAM_ARGUMENTS)
        with beam.Pipeline(options=options) as pipeline, tft_beam.Context(temp_dir=str(folder / "tmp")):
            data = (pipeline | source.BeamSource(batch_size=BATCH_ROWS), source.TensorAdapterConfig())
            transform = data | tft_beam.AnalyzeDataset(lambda columns: preprocess(columns, inputs))
            transform | tft_beam.WriteTransformFn(str(folder / f"graph-{kind}"))

    return analyze


def dense_schema(inputs: InputSpec) -> Any:
    """Return a schema by which TFXIO gives one dense `[batch]` tensor a column, missing values as their markers."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    types = {"bytes": schema_pb2.BYTES, "int": schema_pb2.INT, "float": schema_pb2.FLOAT}
    schema = schema_pb2.Schema()
    for name, raw_type in inputs.types.items():
        schema.feature.add(name=name, type=types[raw_type])
        dense = schema.tensor_representation_group[""].tensor_representation[name].dense_tensor
        dense.column_name = name
        dense.shape.SetInParent()
        setattr(dense.default_value, f"{raw_type}_value", MISSING[raw_type])
    return schema


def prepare_read(folder: Path, kind: str, inputs: InputSpec) -> Callable[[], object]:
    """Read whole dense columns, as the Trainer does before it transforms them."""
    import tensorflow as tf

    from models.dataset import concatenate, dense_batches

    file = payload(folder, kind)
    features = {name: parsed_feature(raw_type) for name, raw_type in inputs.types.items()}

    def read_records() -> "Columns":
        records = tf.data.TFRecordDataset(str(file), COMPRESSION[kind], buffer_size=2**23)
        parsed = records.batch(BATCH_ROWS).map(lambda batch: tf.io.parse_example(batch, features), num_parallel_calls=2)
        return concatenate(parsed.as_numpy_iterator())

    def read_parquet() -> "Columns":
        return concatenate(dense_batches([file], inputs.types, inputs.lengths))

    return read_parquet if kind == "parquet" else read_records


def parsed_feature(raw_type: RawType) -> "tf.io.FixedLenFeature":
    """Return how tf.io.parse_example reads a column of one value or none."""
    import tensorflow as tf

    from models.raw import tensor_dtype

    return tf.io.FixedLenFeature([], tensor_dtype(raw_type), MISSING[raw_type])


STEPS = {
    "write": prepare_write,
    "statistics": prepare_statistics,
    "analyze": prepare_analyze,
    "read": prepare_read,
}

if __name__ == "__main__":
    main()
