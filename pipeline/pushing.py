"""From a trained and judged model to a version that is served: by Pusher in a run, or later by `penstock push`.

Examples, schema and evaluation belong to it, so that the version's manifest tells what the model was made of.
"""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import JsonValue

from models.export import read_spec
from models.settings import Settings
from pipeline.blessing import read_blessing
from pipeline.card.facts import Card
from pipeline.card.page import write_card
from pipeline.errors import BlockedError, InputError, RunError
from pipeline.evaluation import EVAL_SPLIT, METRICS
from pipeline.fingerprint import file_digest, installed
from pipeline.infra.parity import PARITY_FILE
from pipeline.infra.parity import Parity as Certificate
from pipeline.infra.verdict import EDGE_NAME, read_infra, read_verdict
from pipeline.lineage import Run, read_properties
from pipeline.metadata.connection import open_store
from pipeline.metrics import SliceMetrics, read_metrics
from pipeline.problem import Problem
from pipeline.splits import judged
from pipeline.warm_up import write_warm_up
from pipeline.workspace import Workspace
from serving.artifact import SCHEMA_FILE
from serving.errors import ServingError
from serving.history import Event
from serving.manifest import Lineage, Parity
from serving.push import Candidate, Pushed, push

ENVIRONMENT = Path("assets.extra", "environment.txt")
"""What was installed when the model was pushed, as `pip install -r` takes it."""
HELD = "it waits for `penstock push`"
MODEL_FOLDER = "Format-Serving"
"""Where TFX's Trainer puts the SavedModel in its artifact."""
LIVE = 2
"""ml_metadata's Artifact.State of what is as it was written."""


class PushRequest(Settings):
    """What Pusher is told beside its inputs.

    Attributes:
        base: the folder that is watched.
        run: TFX's id of the run.
        problem: the YAML with every default.
        code: digest of the code that made the model.
        lock: digest of the lock file.
        hold: the model waits for `penstock push`.
    """

    base: Path
    run: str
    problem: JsonValue
    code: str
    lock: str
    hold: bool = False


class Judged(NamedTuple):
    """A model that was trained and judged.

    Attributes:
        model: the folder of the SavedModel.
        examples: ML Metadata's artifact of the rows.
        schema: the folder of what they were held against.
        evaluation: the folder with metrics and blessing.
        infra: the folder with the certificate of parity.
    """

    model: Path
    examples: Any
    schema: Path
    evaluation: Path
    infra: Path


def push_model(judged_model: Judged, request: PushRequest) -> Pushed:
    """Make a model the version that is served, with its warm-up, card, environment and schema.

    Raises:
        RunError: nothing was pushed.
    """
    problem = Problem.model_validate(request.problem)
    metrics = [each for each in read_metrics(judged_model.evaluation) if EVAL_SPLIT not in each.slice]
    blessing = read_blessing(judged_model.evaluation)
    gates = [gate.words() for gate in blessing.gates if not gate.slice]
    sliced = len(blessing.gates) - len(gates)
    gates += [f"{sliced} of slices"] if sliced else []
    lineage = _read_lineage(judged_model, request)
    parity, edge = _read_parity(judged_model.infra), read_verdict(judged_model.infra).edge
    rows = Path(judged_model.examples.uri, f"Split-{judged(problem.split)}")

    def write_extras(folder: Path) -> None:
        write_warm_up(judged_model.model, rows, problem.name, folder)
        spec = read_spec(judged_model.model)
        write_card(Card(problem, spec, lineage, metrics, gates, parity, blessing.threshold, edge), folder)
        (folder / ENVIRONMENT).write_text(installed(), "utf-8")
        shutil.copyfile(_find_schema(judged_model), folder / SCHEMA_FILE)

    beside = (judged_model.infra / EDGE_NAME, edge) if edge else None
    candidate = Candidate(judged_model.model, write_extras, lineage, _defined(metrics[0]), parity, beside)
    try:
        return push(candidate, request.base, problem.push.keep, problem.push.rollout)
    except ServingError as error:
        raise RunError(f"nothing was pushed: {error}") from error


def push_run(workspace: Workspace, run: Run) -> Pushed:
    """Push the model of a run that held it back, with all that was known of it then, and tell ML Metadata.

    Raises:
        InputError: the run did not come as far as Pusher, or its artifacts are not as they were.
        BlockedError: the model was refused, or somebody rolled it back.
        RunError: nothing was pushed.
    """
    config = read_properties(workspace, run).get("Pusher", {}).get("custom_config")
    if config is None:
        raise InputError(f"run {run.run_id}: expected one that came as far as Pusher, received one that stopped before")
    parts = {name: run.output(name) for name in ("Model", "Examples", "Schema", "ModelEvaluation", "InfraBlessing")}
    gone = [name for name, part in parts.items() if part is None or part.state != LIVE or not Path(part.uri).is_dir()]
    if gone:
        raise InputError(
            f"run {run.run_id}: its {', '.join(gone)} is not as it was written; `penstock run` makes it anew"
        )
    refusals = [*read_blessing(Path(parts["ModelEvaluation"].uri)).refusals, *read_infra(run).refusals]
    if refusals:
        raise BlockedError(f"run {run.run_id}: its model was refused: {'; '.join(refusals)}")
    folders = (Path(parts[name].uri) for name in ("Schema", "ModelEvaluation", "InfraBlessing"))
    made = Judged(Path(parts["Model"].uri, MODEL_FOLDER), parts["Examples"], *folders)
    request = PushRequest.model_validate_json(config).model_copy(update={"base": workspace.serving})
    pushed = push_model(made, request)
    if pushed.withdrawn:
        raise BlockedError(explain(pushed.withdrawn))
    if pushed.fresh:
        _record(workspace, run.output("PushedModel"), pushed)
    return pushed


def explain(rollback: Event) -> str:
    """Return why a model is not pushed that somebody rolled back."""
    why = f" ({rollback.why})" if rollback.why else ""
    command = (
        f"rollout start --canary {rollback.version}` tries it again"
        if rollback.action == "rollout"
        else f"models rollback {rollback.replaced}` serves it after all"
    )
    return f"this model was rolled back on {rollback.at:%Y-%m-%d %H:%M} UTC by {rollback.who}{why}; `penstock {command}"


def _record(workspace: Workspace, artifact: Any, pushed: Pushed) -> None:
    """Let ML Metadata know the push as Pusher would have told it: what the version was made of is kept by it."""
    properties = artifact.custom_properties
    properties["pushed"].int_value = 1
    properties["pushed_destination"].string_value = str(pushed.path)
    properties["pushed_version"].string_value = str(pushed.version)
    properties["fresh"].int_value = 1
    properties["withheld"].string_value = ""
    with open_store(workspace) as store:
        store.put_artifacts([artifact])


def _read_lineage(judged_model: Judged, request: PushRequest) -> Lineage:
    """Return what the model was made of, from the properties of the examples and the schema's file."""
    facts = judged_model.examples.custom_properties
    splits = json.loads(judged_model.examples.properties["split_names"].string_value)
    return Lineage(
        run=request.run,
        source=facts["content_digest"].string_value,
        spans=tuple(facts["spans"].string_value.split()),
        data={split: facts[f"digest_{split}"].string_value for split in splits},
        rows={split: facts[f"rows_{split}"].int_value for split in splits},
        schema_digest=file_digest(_find_schema(judged_model)),
        code=request.code,
        lock=request.lock,
        problem=request.problem,
    )


def _find_schema(judged_model: Judged) -> Path:
    (schema,) = judged_model.schema.glob("*.pbtxt")
    return schema


def _read_parity(infra: Path) -> Parity | None:
    """Return how far the ways to ask the model differ, by InfraValidator's certificate."""
    certificate = Certificate.model_validate_json((infra / PARITY_FILE).read_bytes())
    measured = [each for each in certificate.differences.values() if each is not None]
    return Parity(rows=certificate.rows, largest=max(measured)) if measured else None


def _defined(metrics: SliceMetrics) -> dict[str, float]:
    """Return the model's own metrics that are numbers: there is no precision where nothing is predicted positive."""
    return {name: value for name, value in metrics.values.items() if name in METRICS and value == value}
