"""Step of pipeline.py, in a process of its own: a stock TFX pipeline over a CSV file; prints its figures as JSON.

Components, in their stock form: CsvExampleGen, StatisticsGen, SchemaGen, ExampleValidator, Transform (materialised),
Trainer, Resolver, Evaluator, Pusher. Two choices are in stock's favour: functions by dotted path (a module_file is
packed and pip-installed twice, 4 s each) and Beam's FnApiRunner (the default runner looks for a Prism binary first).
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import _packages_first  # noqa: F401

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

from tfx import v1 as tfx

from models.spec import ModelSpec
from pipeline.lineage import read_runs
from pipeline.metrics import read_metrics
from pipeline.problem import Problem, load_problem
from pipeline.resolve import read_columns, resolve
from pipeline.workspace import Workspace

TFMA_METRICS = {
    "auc": "AUC",
    "pr_auc": "AUCPrecisionRecall",
    "accuracy": "BinaryAccuracy",
    "precision": "Precision",
    "recall": "Recall",
    "log_loss": "BinaryCrossEntropy",
    "calibration": "Calibration",
    "example_count": "ExampleCount",
}
"""TFMA's own metrics, under our names."""


def main() -> None:
    """Run the pipeline and print seconds by component, rows and metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problem", type=Path)
    parser.add_argument("csv", type=Path, help="a folder with SPLIT/table.csv")
    parser.add_argument("home", type=Path, help="an empty folder")
    parser.add_argument("rows", type=json.loads, help="rows by split, as JSON")
    options = parser.parse_args()
    loaded = load_problem(options.problem)
    spec = resolve(loaded.problem, read_columns(loaded, whole=True))
    workspace = Workspace(options.home, "stock")
    workspace.folder.mkdir(parents=True)
    tfx.orchestration.LocalDagRunner().run(build(loaded.problem, spec, workspace, options))
    (run,) = read_runs(workspace, 1)
    metrics = read_metrics(Path(run.output("ModelEvaluation").uri))
    found = {
        "components": {found.component: found.seconds for found in run.executions},
        "states": {found.component: found.state for found in run.executions},
        "metrics": metrics[0].values,
        "slices": len(metrics) - 1,
        "pushed": run.output("PushedModel").custom_properties["pushed"].int_value == 1,
    }
    print(json.dumps(found))


def build(problem: Problem, spec: ModelSpec, workspace: Workspace, options: argparse.Namespace) -> Any:
    """Return the pipeline, its components named as ours are."""
    components = tfx.components
    splits = [tfx.proto.Input.Split(name=split, pattern=f"{split}/*") for split in options.rows]
    examples = components.CsvExampleGen(str(options.csv), input_config=tfx.proto.Input(splits=splits))
    examples = examples.with_id("ExampleGen")
    statistics = components.StatisticsGen(examples=examples.outputs["examples"])
    schema = components.SchemaGen(statistics=statistics.outputs["statistics"], infer_feature_shape=False)
    validator = components.ExampleValidator(statistics.outputs["statistics"], schema.outputs["schema"])
    transform = components.Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="_stock_model.preprocessing_fn",
        custom_config={"spec": spec.model_dump_json()},
    )
    trainer = build_trainer(spec, transform, schema, options.rows["train"])
    evaluated = build_evaluated(problem, examples, trainer, workspace, list(options.rows)[-1])
    return tfx.dsl.Pipeline(
        pipeline_name=workspace.name,
        pipeline_root=str(workspace.artifacts),
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(workspace.metadata)
        ),
        components=[examples, statistics, schema, validator, transform, trainer, *evaluated],
        beam_pipeline_args=["--runner=FnApiRunner"],
    )


def build_trainer(spec: ModelSpec, transform: Any, schema: Any, rows: int) -> Any:
    """Return the Trainer; `rows` of the train split make as many steps an epoch as ours takes."""
    batches = -(-rows // (spec.training.batch_size or 1024))
    return tfx.components.Trainer(
        run_fn="_stock_model.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        train_args=tfx.proto.TrainArgs(num_steps=batches * spec.training.epochs),
        eval_args=tfx.proto.EvalArgs(),
        custom_config={"spec": spec.model_dump_json()},
    )


def build_evaluated(problem: Problem, examples: Any, trainer: Any, workspace: Workspace, split: str) -> list[Any]:
    """Return Resolver, Evaluator (of one split) and Pusher."""
    baseline = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("Baseline")
    evaluator = tfx.components.Evaluator(
        examples=examples.outputs["examples"],
        example_splits=[split],
        model=trainer.outputs["model"],
        baseline_model=baseline.outputs["model"],
        eval_config=build_eval_config(problem),
    )
    destination = tfx.proto.PushDestination(
        filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(workspace.serving))
    )
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=destination,
    )
    return [baseline, evaluator, pusher]


def build_eval_config(problem: Problem) -> Any:
    """Return TFMA's metrics, the problem's slices and its gate of the AUC; TFMA predicts with the model itself."""
    from tensorflow_model_analysis.proto import config_pb2

    gate = problem.evaluation.gates["auc"]
    threshold = config_pb2.MetricThreshold(
        value_threshold=config_pb2.GenericValueThreshold(lower_bound={"value": gate.min}),
        change_threshold=config_pb2.GenericChangeThreshold(
            direction=config_pb2.MetricDirection.HIGHER_IS_BETTER, absolute={"value": -gate.not_worse_than_served_by}
        ),
    )
    metrics = [
        config_pb2.MetricConfig(
            class_name=tfma, config=json.dumps({"name": name}), threshold=threshold if name == "auc" else None
        )
        for name, tfma in TFMA_METRICS.items()
    ]
    return config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(signature_name="serving_default", label_key=problem.target.column)],
        slicing_specs=[config_pb2.SlicingSpec(feature_keys=keys) for keys in [(), *problem.evaluation.sliced]],
        metrics_specs=[config_pb2.MetricsSpec(metrics=metrics)],
    )


if __name__ == "__main__":
    main()
