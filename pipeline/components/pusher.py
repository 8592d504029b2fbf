"""Pusher: TFX's component with an executor whose versions appear complete or not at all, with what is known of them.

Examples, schema and evaluation are inputs of it, so that ML Metadata knows what a pushed model was made of, and its
manifest too.
"""

import shutil
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from tfx.components.pusher import executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import artifact_utils, standard_artifacts, standard_component_specs
from tfx.types.channel import Channel
from tfx.types.component_spec import ChannelParameter
from tfx.utils import json_utils

from models.export import read_spec
from models.settings import Settings
from pipeline.blessing import read_blessing
from pipeline.card.facts import Card
from pipeline.card.page import write_card
from pipeline.errors import RunError
from pipeline.evaluation import EVAL_SPLIT, METRICS
from pipeline.fingerprint import file_digest, installed
from pipeline.infra.parity import PARITY_FILE
from pipeline.infra.parity import Parity as Certificate
from pipeline.infra.verdict import EDGE_NAME, read_verdict
from pipeline.metrics import SliceMetrics, read_metrics
from pipeline.problem import Problem
from pipeline.splits import judged
from pipeline.warm_up import write_warm_up
from serving.artifact import SCHEMA_FILE
from serving.errors import ServingError
from serving.history import Event
from serving.manifest import Lineage, Parity
from serving.push import Candidate, Pushed, push

ENVIRONMENT = Path("assets.extra", "environment.txt")
"""What was installed when the model was pushed, as `pip install -r` takes it."""


class PushRequest(Settings):
    """What Pusher is told beside its inputs.

    Attributes:
        base: the folder that is watched.
        run: TFX's id of the run.
        problem: the YAML with every default.
        code: digest of the code that made the model.
        lock: digest of the lock file.
    """

    base: Path
    run: str
    problem: JsonValue
    code: str
    lock: str


class Executor(executor.Executor):  # type: ignore[misc]
    """Pushes a blessed model; TFX's executor checks the blessing and records the result."""

    def Do(  # noqa: N802  TFX calls it so
        self, input_dict: dict[str, list[Any]], output_dict: dict[str, list[Any]], exec_properties: dict[str, Any]
    ) -> None:
        """Push as `custom_config` (a JSON PushRequest) says; a model already there is only recorded."""
        artifact = artifact_utils.get_single_instance(output_dict["pushed_model"])
        Path(artifact.uri).mkdir(parents=True, exist_ok=True)
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(artifact)
            return
        request = PushRequest.model_validate(json_utils.loads(exec_properties["custom_config"]))
        pushed = _push(Path(self.GetModelPath(input_dict)), input_dict, request)
        if pushed.withdrawn:
            self._MarkNotPushed(artifact)
            artifact.set_string_custom_property("withheld", _explain(pushed.withdrawn))
            return
        self._MarkPushed(artifact, str(pushed.path), str(pushed.version))
        artifact.set_int_custom_property("fresh", int(pushed.fresh))


def _explain(rollback: Event) -> str:
    why = f" ({rollback.why})" if rollback.why else ""
    return (
        f"this model was rolled back on {rollback.at:%Y-%m-%d %H:%M} UTC by {rollback.who}{why}; "
        f"`penstock models rollback {rollback.replaced}` serves it after all"
    )


def _push(model: Path, inputs: dict[str, list[Any]], request: PushRequest) -> Pushed:
    problem = Problem.model_validate(request.problem)
    evaluation = Path(artifact_utils.get_single_uri(inputs["evaluation"]))
    metrics = [each for each in read_metrics(evaluation) if EVAL_SPLIT not in each.slice]
    blessing = read_blessing(evaluation)
    gates = [gate.words() for gate in blessing.gates if not gate.slice]
    sliced = len(blessing.gates) - len(gates)
    gates += [f"{sliced} of slices"] if sliced else []
    lineage = read_lineage(inputs, request)
    infra = Path(artifact_utils.get_single_uri(inputs["infra_blessing"]))
    parity, edge = _parity(infra), read_verdict(infra).edge
    examples = Path(artifact_utils.get_split_uri(inputs["examples"], judged(problem.split)))
    schema = _find_schema(inputs)

    def write_extras(folder: Path) -> None:
        write_warm_up(model, examples, problem.name, folder)
        write_card(Card(problem, read_spec(model), lineage, metrics, gates, parity, blessing.threshold, edge), folder)
        (folder / ENVIRONMENT).write_text(installed(), "utf-8")
        shutil.copyfile(schema, folder / SCHEMA_FILE)

    beside = (infra / EDGE_NAME, edge) if edge else None
    candidate = Candidate(model, write_extras, lineage, _defined(metrics[0]), parity, beside)
    try:
        return push(candidate, request.base, problem.push.keep)
    except ServingError as error:
        raise RunError(f"nothing was pushed: {error}") from error


def read_lineage(inputs: dict[str, list[Any]], request: PushRequest) -> Lineage:
    """Return what the model was made of, from the properties of the examples and the schema's file."""
    examples = artifact_utils.get_single_instance(inputs["examples"])
    splits = artifact_utils.decode_split_names(examples.split_names)
    return Lineage(
        run=request.run,
        source=examples.get_string_custom_property("content_digest"),
        spans=tuple(examples.get_string_custom_property("spans").split()),
        data={split: examples.get_string_custom_property(f"digest_{split}") for split in splits},
        rows={split: examples.get_int_custom_property(f"rows_{split}") for split in splits},
        schema_digest=file_digest(_find_schema(inputs)),
        code=request.code,
        lock=request.lock,
        problem=request.problem,
    )


def _find_schema(inputs: dict[str, list[Any]]) -> Path:
    (schema,) = Path(artifact_utils.get_single_uri(inputs["schema"])).glob("*.pbtxt")
    return schema


def _parity(infra: Path) -> Parity | None:
    """Return how far the ways to ask the model differ, by InfraValidator's certificate."""
    certificate = Certificate.model_validate_json((infra / PARITY_FILE).read_bytes())
    measured = [each for each in certificate.differences.values() if each is not None]
    return Parity(rows=certificate.rows, largest=max(measured)) if measured else None


def _defined(metrics: SliceMetrics) -> dict[str, float]:
    """Return the model's own metrics that are numbers: there is no precision where nothing is predicted positive."""
    return {name: value for name, value in metrics.values.items() if name in METRICS and value == value}


class PusherSpec(standard_component_specs.PusherSpec):  # type: ignore[misc]
    """TFX's inputs, and what the manifest tells of."""

    INPUTS = {  # noqa: RUF012  TFX's way to declare
        **standard_component_specs.PusherSpec.INPUTS,
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "schema": ChannelParameter(type=standard_artifacts.Schema),
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
    }


class Pusher(base_component.BaseComponent):  # type: ignore[misc]
    """TFX's Pusher with the executor and the inputs above; `channels` by their names in PusherSpec."""

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, request: PushRequest, **channels: Any) -> None:
        config = json_utils.dumps(request.model_dump(mode="json"))
        pushed = Channel(type=standard_artifacts.PushedModel)
        super().__init__(spec=PusherSpec(**channels, custom_config=config, pushed_model=pushed))
