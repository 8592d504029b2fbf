"""DataGate: stops a run whose data no model should be trained on. The verdict is an artifact; the rest is skipped."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorflow_metadata.proto.v0.anomalies_pb2 import Anomalies
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.common import resolver
from tfx.types import standard_artifacts
from tfx.types.artifact import Artifact, Property, PropertyType

from pipeline.gate.judge import Case, GateRequest, judge
from schemas.anomalies import Anomaly, explain
from schemas.store import read_schema


class DataVerdict(Artifact):  # type: ignore[misc]
    """What the gate said of a run's data, with what the next run's data is compared with.

    Properties: `blocked` (0 or 1), `content` (digest of the rows), `span`, `named` (the data in words).
    """

    TYPE_NAME = "DataVerdict"
    PROPERTIES = {  # noqa: RUF012  TFX reads it so
        "blocked": Property(type=PropertyType.INT),
        "content": Property(type=PropertyType.STRING),
        "span": Property(type=PropertyType.INT),
        "named": Property(type=PropertyType.STRING),
    }


class PreviousVerdict(resolver.ResolverStrategy):  # type: ignore[misc]
    """The verdict on the data to compare with: the last that passed, of other rows than `examples`.

    Of data with spans: of the span before; of data without, or where no earlier span passed: of the last run.
    """

    def resolve_artifacts(self, store: Any, input_dict: dict[str, list[Any]]) -> dict[str, list[Any]] | None:
        """Choose among `verdict`."""
        (examples,) = input_dict["examples"]
        passed = [each for each in input_dict["verdict"] if not each.blocked]
        # rows that have passed once are judged as they were then, whatever came after them
        first = min((each.id for each in passed if each.content == content(examples)), default=math.inf)
        others = [each for each in passed if each.id < first]
        earlier = [each for each in others if each.span < examples.span]
        chosen = sorted(earlier or others, key=lambda each: (each.span if earlier else 0, each.id))[-1:]
        return {"examples": [], "verdict": chosen}


class PassedVerdict(resolver.ResolverStrategy):  # type: ignore[misc]
    """The verdict that what follows stands under: this run's if it blocks, else the first that passed the same rows.

    A verdict is an input of all that follows. Were it always this run's, another limit of the gate would train the
    same model again.
    """

    def resolve_artifacts(self, store: Any, input_dict: dict[str, list[Any]]) -> dict[str, list[Any]] | None:
        """Choose among `passed` by the rows of `verdict`."""
        (verdict,) = input_dict["verdict"]
        passed = [each for each in input_dict["passed"] if not each.blocked and each.content == verdict.content]
        chosen = verdict if verdict.blocked else min(passed, key=lambda each: each.id, default=verdict)
        return {"passed": [], "verdict": [chosen]}


def content(examples: Any) -> str:
    """Return the digest of the rows, by split."""
    names = sorted(name for name in examples.mlmd_artifact.custom_properties if name.startswith("digest_"))
    return " ".join(examples.get_string_custom_property(name) for name in names)


@component
def DataGate(  # noqa: N802  TFX names components as classes
    verdict: OutputArtifact[DataVerdict],
    examples: InputArtifact[standard_artifacts.Examples],
    statistics: InputArtifact[standard_artifacts.ExampleStatistics],
    schema: InputArtifact[standard_artifacts.Schema],
    anomalies: InputArtifact[standard_artifacts.ExampleAnomalies],
    previous: InputArtifact[DataVerdict] = None,
    request: Parameter[str] = "",
) -> None:
    """Judge the examples by `request` (a JSON `pipeline.gate.judge.GateRequest`)."""
    del statistics  # what ExampleValidator has judged; the gate counts all splits as one
    case = Case(
        request=GateRequest.model_validate_json(request),
        examples=Path(examples.uri),
        schema=read_schema(next(Path(schema.uri).glob("*.pbtxt"))),
        anomalies=tuple(_read(Path(anomalies.uri))),
        overlapping=examples.get_int_custom_property("rows_overlapping"),
        previous=Path(previous.uri) if previous else None,
        compared_with=str(previous.id) if previous else "",
        named=previous.named if previous else "",
    )
    judged = judge(case, Path(verdict.uri))
    spans = examples.get_string_custom_property("spans").split()
    verdict.blocked = int(judged.is_blocked)
    verdict.content = content(examples)
    verdict.span = examples.span
    verdict.named = f"span {spans[-1]}" if spans else f"the run of {_started(examples)}"


def _started(examples: Any) -> str:
    """Return when the examples were written."""
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(examples.mlmd_artifact.create_time_since_epoch / 1000, UTC):%Y-%m-%d %H:%M}"


def _read(folder: Path) -> Iterator[Anomaly]:
    for file in sorted(folder.glob("Split-*/SchemaDiff.pb")):
        split = Anomalies.FromString(file.read_bytes())
        yield from explain(split, split.baseline)
