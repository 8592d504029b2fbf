"""ExampleGen: any source as a standard `Examples` artifact with a Parquet payload, written by Beam part by part."""

import hashlib
from pathlib import Path

import apache_beam as beam
from tfx.dsl.component.experimental.annotations import BeamComponentParameter, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_artifacts

from pipeline.ingest import Counts, Part, Request, count_written, plan_parts, write_part


@component(use_beam=True)
def ExampleGen(  # noqa: N802  TFX names components as classes
    examples: OutputArtifact[standard_artifacts.Examples],
    request: Parameter[str],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Ingest the rows of `request` (a JSON `pipeline.ingest.Request`); what was written are the artifact's properties.

    No element of the Beam pipeline is a row: a worker gets the description of a part, and writes its file.
    """
    parsed = Request.model_validate_json(request)
    parts, planned = plan_parts(parsed, Path(examples.uri))
    with beam_pipeline as pipeline:
        described = pipeline | beam.Create([part.model_dump_json() for part in parts], reshuffle=len(parts) > 1)
        described | beam.Map(lambda text: write_part(Part.model_validate_json(text)))  # pylint: disable=W0106
    describe(examples, parsed, count_written(parts, planned))


def describe(examples: standard_artifacts.Examples, request: Request, counts: Counts) -> None:
    """Set the artifact's properties: payload, rows, digests and spans."""
    examples.split_names = artifact_utils.encode_split_names(list(counts.rows))
    examples.set_string_custom_property("payload_format", "FORMAT_PARQUET")
    examples.set_string_custom_property(
        "file_format", example_gen_pb2.FileFormat.Name(example_gen_pb2.FILE_FORMAT_PARQUET)
    )
    for split, rows in counts.rows.items():
        examples.set_int_custom_property(f"rows_{split}", rows)
        examples.set_string_custom_property(f"digest_{split}", counts.digests[split])
    examples.set_int_custom_property("rows_without_label", counts.dropped)
    examples.set_int_custom_property("rows_overlapping", counts.overlap)
    examples.set_string_custom_property("content_digest", " ".join(request.stages))
    examples.set_string_custom_property("query", request.query)
    examples.set_string_custom_property("query_digest", hashlib.sha256(request.query.encode()).hexdigest())
    examples.set_string_custom_property("spans", " ".join(request.spans))
    examples.span, examples.version = request.span, request.version
