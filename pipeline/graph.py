"""build_pipeline: a problem to a TFX pipeline, one short function a stage. Nothing is read or written here."""

from pathlib import Path
from typing import Any, NamedTuple

from tfx.components.example_validator.component import ExampleValidator
from tfx.components.schema_gen.component import SchemaGen
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.components.trainer.component import Trainer
from tfx.components.tuner.component import Tuner
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.experimental.conditionals.conditional import Cond
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import infra_validator_pb2, trainer_pb2
from tfx.types import standard_artifacts
from tfx.types.channel import Channel

from models.discovery import discover
from models.raw import RawType
from models.search import Tuning, space_digest
from models.spec import ModelSpec, target_kind
from pipeline import ingest
from pipeline.beam_arguments import LOCAL
from pipeline.components.baseline import ServedModel
from pipeline.components.cross_validation import CrossValidation, Request
from pipeline.components.data_gate import DataGate, DataVerdict, PassedVerdict, PreviousVerdict
from pipeline.components.evaluator import Evaluator
from pipeline.components.evaluator import Request as JudgeRequest
from pipeline.components.example_gen import ExampleGen
from pipeline.components.feature_ranking import FeatureRanking
from pipeline.components.infra_validator import InfraValidator
from pipeline.components.infra_validator import Request as InfraRequest
from pipeline.components.pusher import Pusher
from pipeline.components.statistics_gen import StatisticsGen
from pipeline.components.transform import Transform
from pipeline.components.warm_start import LatestModelOfOtherData
from pipeline.evaluation import METRICS
from pipeline.examples.ranking import Ranking
from pipeline.fingerprint import code_digest
from pipeline.gate.judge import CHECKS, GateRequest
from pipeline.metadata.connection import connection_config
from pipeline.problem import Problem
from pipeline.pushing import PushRequest
from pipeline.splits import judged
from pipeline.stage import Stage
from pipeline.workspace import Workspace


class Plan(NamedTuple):
    """All that a pipeline is made of.

    Attributes:
        problem: the YAML.
        spec: the model, complete.
        request: what ExampleGen reads.
        gate: what the data must be like.
        schema_file: the curated schema under its digest, None to infer one.
        slice_types: raw types of the columns that slices are made of.
        run_id: makes the push check run in each run.
        stages: what was read of the source.
        lock: digest of the lock file.
        served: digest of the model that is served; empty if none is.
        ranking: of the features, if they were selected.
        hold: the model waits for `penstock push`.
    """

    problem: Problem
    spec: ModelSpec
    request: ingest.Request
    gate: GateRequest
    schema_file: Path | None
    slice_types: dict[str, RawType]
    run_id: str
    stages: tuple[Stage, ...]
    lock: str = ""
    served: str = ""
    ranking: Ranking | None = None
    hold: bool = False


class _Data(NamedTuple):
    """The components that read and judge the data."""

    examples: Any
    schema: Any
    verdict: Any
    components: list[Any]

    def passed(self) -> Cond:
        """What stands under it runs if the gate does not block."""
        return Cond(self.verdict.outputs["verdict"].future()[0].property("blocked") == 0)


def build_pipeline(plan: Plan, workspace: Workspace) -> Pipeline:
    """Return the pipeline; run it with a runner of pipeline.runners."""
    data = _data(plan)
    with data.passed():
        ranking = [_ranking(plan.ranking, data.examples)] if plan.ranking else []
        transform = _transform(plan, data.examples, data.schema)
        start = [_warm_start(data.examples)] if plan.spec.training.warm_start else []
        trainer = _trainer(plan, workspace, (data.examples, transform, *start))
        baseline = _baseline(plan, trainer)
        evaluator = _evaluator(plan, data.examples, trainer, baseline)
        infra = _infra_validator(plan, data.examples, trainer)
        pusher = _pusher(plan, workspace, data, (trainer, evaluator, infra))
        last = [_cross_validation(plan, data.examples, transform, pusher)] if plan.problem.evaluation.folds else []
    components = [*ranking, transform, *start, trainer, baseline, evaluator, infra, pusher, *last]
    return _pipeline(plan, workspace, [*data.components, *components])


def build_tuning_pipeline(plan: Plan, workspace: Workspace) -> Pipeline:
    """Return the pipeline that looks for hyperparameters; what it has in common with the other comes from the cache."""
    data = _data(plan)
    with data.passed():
        transform = _transform(plan, data.examples, data.schema)
        tuner = _tuner(plan, workspace, data.examples, transform)
    return _pipeline(plan, workspace, [*data.components, transform, tuner])


def _pipeline(plan: Plan, workspace: Workspace, components: list[Any]) -> Pipeline:
    return Pipeline(
        pipeline_name=plan.problem.name,
        pipeline_root=str(workspace.artifacts),
        metadata_connection_config=connection_config(workspace),
        components=components,
        enable_cache=True,
        beam_pipeline_args=list(LOCAL),
    )


def _data(plan: Plan) -> _Data:
    examples = ExampleGen(request=plan.request.model_dump_json())
    statistics = StatisticsGen(
        examples=examples.outputs["examples"], code=code_digest(["pipeline.components.statistics_gen"])
    )
    schema = _schema(plan, statistics)
    validator = ExampleValidator(statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"])
    previous = _previous_data(examples)
    gate = DataGate(
        examples=examples.outputs["examples"],
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        anomalies=validator.outputs["anomalies"],
        previous=previous.outputs["verdict"],
        request=plan.gate.model_dump_json(),
    )
    passed = _passed_data(gate)
    return _Data(examples, schema, passed, [examples, statistics, schema, validator, previous, gate, passed])


def _schema(plan: Plan, statistics: StatisticsGen) -> Any:
    if plan.schema_file:
        return ImportSchemaGen(schema_file=str(plan.schema_file)).with_id("SchemaGen")
    return SchemaGen(statistics=statistics.outputs["statistics"], infer_feature_shape=False)


def _previous_data(examples: Any) -> Resolver:
    return Resolver(
        strategy_class=PreviousVerdict, examples=examples.outputs["examples"], verdict=Channel(type=DataVerdict)
    ).with_id("PreviousData")


def _passed_data(gate: Any) -> Resolver:
    return Resolver(
        strategy_class=PassedVerdict, verdict=gate.outputs["verdict"], passed=Channel(type=DataVerdict)
    ).with_id("PassedData")


def _ranking(ranking: Ranking, examples: Any) -> Any:
    code = code_digest(["pipeline.components.feature_ranking"])
    return FeatureRanking(examples=examples.outputs["examples"], content=ranking.model_dump_json(), code=code)


def _transform(plan: Plan, examples: Any, schema: Any) -> Transform:
    return Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="models.preprocess.preprocess",
        materialize=False,
        disable_analyzer_cache=True,
        disable_statistics=True,
        custom_config={"inputs": plan.spec.inputs.model_dump_json(), "code": code_digest(transform_modules(plan.spec))},
    )


def _warm_start(examples: Any) -> Resolver:
    return Resolver(
        strategy_class=LatestModelOfOtherData,
        examples=examples.outputs["examples"],
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
    ).with_id("WarmStart")


def _trainer(plan: Plan, workspace: Workspace, inputs: tuple[Any, ...]) -> Trainer:
    """Return the Trainer of examples, transform graph and, for a warm start, the model to start from."""
    examples, transform, *start = inputs
    return Trainer(
        run_fn="models.train.run_fn",
        examples=examples.outputs["examples"],
        transform_graph=transform.outputs["transform_graph"],
        train_args=trainer_pb2.TrainArgs(splits=["train"]),
        eval_args=trainer_pb2.EvalArgs(splits=["eval"]),
        base_model=start[0].outputs["model"] if start else None,
        custom_config={
            "spec": plan.spec.model_dump_json(),
            "code": code_digest(trainer_modules(plan.spec)),
            "checkpoints": str(workspace.checkpoints),
        },
    )


def _tuner(plan: Plan, workspace: Workspace, examples: Any, transform: Transform) -> Tuner:
    tuning = plan.problem.tuning or Tuning()
    trials = workspace.tuning / space_digest(plan.spec, tuning)
    return Tuner(
        tuner_fn="models.tune.tuner_fn",
        examples=examples.outputs["examples"],
        transform_graph=transform.outputs["transform_graph"],
        train_args=trainer_pb2.TrainArgs(splits=["train"]),
        eval_args=trainer_pb2.EvalArgs(splits=["eval"]),
        custom_config={
            "spec": plan.spec.model_dump_json(),
            "tuning": tuning.model_dump_json(),
            "trials": str(trials),
            "code": code_digest(["models.tune", *trainer_modules(plan.spec)]),
        },
    )


def _baseline(plan: Plan, trainer: Trainer) -> Resolver:
    return Resolver(
        strategy_class=ServedModel,
        config={"served": plan.served},
        candidate=trainer.outputs["model"],
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
    ).with_id("Baseline")


def _evaluator(plan: Plan, examples: Any, trainer: Trainer, baseline: Resolver) -> Evaluator:
    request = JudgeRequest(
        spec=plan.spec,
        evaluation=plan.problem.evaluation.model_copy(update={"folds": None}),
        slice_types=plan.slice_types,
        split=judged(plan.problem.split),
        code=code_digest(evaluator_modules(plan.spec)),
    )
    return Evaluator(
        request=request,
        examples=examples.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=baseline.outputs["model"],
        example_splits=[request.split],
    )


def _infra_validator(plan: Plan, examples: Any, trainer: Trainer) -> InfraValidator:
    return InfraValidator(
        request=InfraRequest(
            spec=plan.spec,
            budget=plan.problem.budget,
            edge=plan.problem.push.edge,
            split="eval",
            code=code_digest(infra_modules(plan.spec)),
        ),
        model=trainer.outputs["model"],
        examples=examples.outputs["examples"],
        serving_spec=infra_validator_pb2.ServingSpec(model_name=plan.problem.name),
    )


def _pusher(plan: Plan, workspace: Workspace, data: _Data, judged_model: tuple[Any, ...]) -> Pusher:
    trainer, evaluator, infra = judged_model
    request = PushRequest(
        base=workspace.serving,
        run=plan.run_id,
        problem=plan.problem.model_dump(mode="json", by_alias=True),
        code=code_digest(made_by(plan.spec)),
        lock=plan.lock,
        hold=plan.hold,
    )
    return Pusher(
        request,
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=infra.outputs["blessing"],
        examples=data.examples.outputs["examples"],
        schema=data.schema.outputs["schema"],
        evaluation=evaluator.outputs["evaluation"],
    )


def _cross_validation(plan: Plan, examples: Any, transform: Transform, pusher: Pusher) -> Any:
    request = Request(
        spec=plan.spec,
        rows=plan.request,
        evaluation=plan.problem.evaluation.model_copy(update={"slices": (), "gates": {}}),
        code=code_digest(cross_validation_modules(plan.spec)),
    )
    made = CrossValidation(
        examples=examples.outputs["examples"],
        transform_graph=transform.outputs["transform_graph"],
        request=request.model_dump_json(),
    )
    # nothing that is pushed depends on it, and it takes the longest
    made.add_upstream_node(pusher)
    return made


def made_by(spec: ModelSpec) -> list[str]:
    """Return the modules that a model is made by, from the rows that were read to the metrics."""
    return [
        "pipeline.components.example_gen",
        *transform_modules(spec),
        *trainer_modules(spec),
        *evaluator_modules(spec),
    ]


def gate_modules() -> list[str]:
    """Return the modules whose change must run DataGate again."""
    return ["pipeline.components.data_gate", *(f"{CHECKS}.{name}" for name in discover(CHECKS))]


def _inputs_modules(spec: ModelSpec) -> list[str]:
    """Return the plug-ins that the model's inputs use."""
    return [f"models.targets.{spec.inputs.target.kind}", *(f"models.features.{kind}" for kind in spec.inputs.kinds())]


def transform_modules(spec: ModelSpec) -> list[str]:
    """Return the modules whose change must run Transform again."""
    return ["pipeline.components.transform", *_inputs_modules(spec)]


def trainer_modules(spec: ModelSpec) -> list[str]:
    """Return the modules whose change must run Trainer again."""
    return ["models.train", f"models.families.{spec.model.family}", *_inputs_modules(spec)]


def evaluator_modules(spec: ModelSpec) -> list[str]:
    """Return the modules whose change must run Evaluator again."""
    formulas = {METRICS[name].formula for name in target_kind(spec.inputs.target).METRICS}
    own = [f"pipeline.formulas.{name}" for name in sorted(formulas) if name]
    return ["pipeline.components.evaluator", "pipeline.row_metrics", *own, f"models.targets.{spec.inputs.target.kind}"]


def infra_modules(spec: ModelSpec) -> list[str]:
    """Return the modules whose change must run InfraValidator again."""
    return ["pipeline.components.infra_validator", "serving.server.run", f"models.targets.{spec.inputs.target.kind}"]


def cross_validation_modules(spec: ModelSpec) -> list[str]:
    """Return the modules whose change must run CrossValidation again."""
    return ["pipeline.components.cross_validation", *evaluator_modules(spec), *trainer_modules(spec)]
