"""ExampleGen: any source as a standard `Examples` artifact with a Parquet payload."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_artifacts

from pipeline.ingest import Request, write_examples


@component
def ExampleGen(  # noqa: N802  TFX names components as classes
    examples: OutputArtifact[standard_artifacts.Examples], request: Parameter[str]
) -> None:
    """Ingest the table of `request` (a JSON `pipeline.ingest.Request`); row counts are properties of the artifact."""
    counts = write_examples(Request.model_validate_json(request), Path(examples.uri))
    examples.split_names = artifact_utils.encode_split_names(list(counts.rows))
    examples.set_string_custom_property("payload_format", "FORMAT_PARQUET")
    examples.set_string_custom_property(
        "file_format", example_gen_pb2.FileFormat.Name(example_gen_pb2.FILE_FORMAT_PARQUET)
    )
    for split, rows in counts.rows.items():
        examples.set_int_custom_property(f"rows_{split}", rows)
    examples.set_int_custom_property("rows_without_label", counts.dropped)
