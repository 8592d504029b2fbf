"""Evaluator: TFX's component with an executor that predicts in large batches, lets TFMA judge, and asks the gates.

TFMA needs no model of its own then, and gets each slice's rows as whole arrays: one row at a time, as its slice
extractor hands them on, is four times slower (docs/adr/0002). The judged rows with label and predictions stay beside
the metrics.
"""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apache_beam as beam
from tfx.components.evaluator import component, constants
from tfx.dsl.components.base import base_beam_executor, executor_spec
from tfx.types import artifact_utils
from tfx.utils import json_utils, path_utils

from models.raw import RawType
from models.settings import Settings
from models.spec import ModelSpec
from pipeline.blessing import BLESSING_FILE, Blessing, Rows, judge
from pipeline.components.importance import write_importance
from pipeline.evaluation import (
    BASELINE,
    CANDIDATE,
    COUNT,
    EVAL_SPLIT,
    LABEL,
    build_eval_config,
    formula_of,
    metric_names,
    metric_settings,
)
from pipeline.formulas.binary import best_threshold
from pipeline.judging import EVEN, Evaluation
from pipeline.metrics import LOSSES
from pipeline.predictions import ROWS_FILE, Judges, can_judge, extracts, judged_rows, slice_name, slice_rows, stacked

PROGRESS = logging.getLogger("penstock.progress")


class Request(Settings):
    """How to judge, and the key of its cache.

    Attributes:
        spec: the candidate.
        evaluation: slices and gates.
        slice_types: raw types of the columns that slices are made of.
        split: that is judged.
        code: digest of the code that judges.
    """

    spec: ModelSpec
    evaluation: Evaluation
    slice_types: dict[str, RawType]
    split: str
    code: str = ""

    @property
    def slices(self) -> list[tuple[str, ...]]:
        """The names of the slices' columns."""
        return [tuple(slice_name(key) for key in keys) for keys in self.evaluation.sliced]


class Executor(base_beam_executor.BaseBeamExecutor):  # type: ignore[misc]
    """Writes TFMA's metrics, the verdict of the gates and the blessing."""

    def Do(  # noqa: N802  TFX calls it so
        self, input_dict: dict[str, list[Any]], output_dict: dict[str, list[Any]], exec_properties: dict[str, Any]
    ) -> None:
        """Judge the candidate, beside the baseline when there is one."""
        request = Request.model_validate_json(json_utils.loads(exec_properties["settings"])["request"])
        output = Path(artifact_utils.get_single_uri(output_dict["evaluation"]))
        models = _models(input_dict, request)
        files = _write_rows(input_dict["examples"], request, models, output)
        threshold = _threshold(request, files)
        names = metric_names(request.spec.inputs.target, request.evaluation)
        settings = metric_settings(request.spec.inputs.target, request.evaluation, threshold)
        examples = Path(artifact_utils.get_split_uri(input_dict["examples"], request.split))

        def judge_by_resamples() -> Blessing:
            blessing = _judge(request, files[0], threshold if "threshold" in settings else None, settings)
            (output / BLESSING_FILE).write_text(blessing.model_dump_json(indent=1), "utf-8")
            write_importance(examples, models[CANDIDATE], request.spec.inputs, settings, output)
            return blessing

        PROGRESS.info("judging by slice, resampling")
        # NumPy and TensorFlow leave the interpreter to Beam while they work
        with ThreadPoolExecutor(1) as pool:
            judging = pool.submit(judge_by_resamples)
            with self._make_beam_pipeline() as pipeline:
                analyze(pipeline, files, list(models), build_eval_config(names, settings, request.slices, list(models)))
            blessing = judging.result()
        _bless(output_dict["blessing"][0], input_dict["model"][0], blessed=blessing.blessed)


def analyze(pipeline: beam.Pipeline, files: Sequence[Path], models: Sequence[str], config: Any) -> None:
    """Write TFMA's results for the rows in `files`, by the slices of `config`, beside the first of them."""
    import tensorflow_model_analysis as tfma
    from tensorflow_model_analysis.extractors.slice_key_extractor import SLICE_KEY_EXTRACTOR_STAGE_NAME

    config = tfma.utils.update_eval_config_with_defaults(config, has_baseline=len(models) > 1)
    slices = [tuple(spec.feature_keys) for spec in config.slicing_specs if spec.feature_keys]
    # stands in for TFMA's slice extractor: the extracts come with their slice
    sliced = tfma.extractors.Extractor(SLICE_KEY_EXTRACTOR_STAGE_NAME, beam.Map(lambda extracts: extracts))
    evaluators = [tfma.evaluators.MetricsPlotsAndValidationsEvaluator(eval_config=config)]
    writers = tfma.default_writers(str(files[0].parent), eval_config=config)
    (
        pipeline
        | "Files" >> beam.Create(list(files), reshuffle=False)
        | "Slice" >> beam.FlatMap(extracts, slices, models)
        | "Evaluate" >> tfma.ExtractAndEvaluate(extractors=[sliced], evaluators=evaluators)
        | "Write" >> tfma.WriteResults(writers=writers)
    )


def _models(inputs: dict[str, list[Any]], request: Request) -> dict[str, Path]:
    """Return the candidate's folder, and the baseline's if it can be judged on the same rows."""
    found = {CANDIDATE: Path(path_utils.serving_model_path(inputs["model"][0].uri))}
    for model in inputs.get("baseline_model", []):
        folder = Path(path_utils.serving_model_path(model.uri))
        examples = Path(artifact_utils.get_split_uri(inputs["examples"], request.split))
        if can_judge(folder, request.spec.inputs, examples):
            found[BASELINE] = folder
        else:
            logging.getLogger(__name__).warning("%s can't be compared with: another label, or columns missing", folder)
    return found


def _write_rows(examples: list[Any], request: Request, models: Mapping[str, Path], output: Path) -> list[Path]:
    """Write the judged rows, and those of the eval split beside them; return the files."""
    import pyarrow.parquet as pq

    judges = Judges(request.spec, models, request.evaluation.sliced, request.slice_types)
    files = {request.split: output / ROWS_FILE}
    if request.split != "eval":
        files["eval"] = output / EVAL_SPLIT / ROWS_FILE
    for split, file in files.items():
        PROGRESS.info("predicting the %s split", split)
        file.parent.mkdir(exist_ok=True)
        folder = Path(artifact_utils.get_split_uri(examples, split))
        pq.write_table(judged_rows(folder, judges), file)
    return list(files.values())


def _threshold(request: Request, files: Sequence[Path]) -> float:
    """Return the threshold that the YAML has, or the one whose decisions on the eval split cost least."""
    import pyarrow.parquet as pq

    costs = request.evaluation.costs
    if costs is None:
        return request.evaluation.threshold or EVEN
    table = pq.read_table(files[-1], columns=[LABEL, CANDIDATE])
    return best_threshold(stacked(table[LABEL]), stacked(table[CANDIDATE]), costs.false_positive, costs.false_negative)


def _judge(request: Request, file: Path, threshold: float | None, settings: Mapping[str, Any]) -> Blessing:
    import pyarrow.parquet as pq

    table, evaluation = pq.read_table(file), request.evaluation
    predictions = {name: stacked(table[name]) for name in (CANDIDATE, BASELINE) if name in table.column_names}
    rows = Rows(stacked(table[LABEL]), predictions, slice_rows(table, request.slices))
    names = [name for name in metric_names(request.spec.inputs.target, evaluation) if name != COUNT]
    metrics, gates, broken = judge(rows, {name: formula_of(name, settings) for name in names}, evaluation, LOSSES)
    return Blessing(
        blessed=not broken and all(gate.passed for gate in gates),
        split=request.split,
        threshold=threshold,
        confidence=evaluation.confidence,
        metrics=tuple(metrics),
        gates=tuple(gates),
        broken=tuple(broken),
    )


def _bless(blessing: Any, model: Any, *, blessed: bool) -> None:
    """Record the verdict as TFX does."""
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    Path(blessing.uri).mkdir(parents=True, exist_ok=True)
    Path(blessing.uri, name).touch()
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(blessed))
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)


class Evaluator(component.Evaluator):  # type: ignore[misc]
    """TFX's Evaluator, with the executor above.

    `request` is one more execution property: the stock component has no custom_config, and its cache key must see it.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, request: Request, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.exec_properties["settings"] = json_utils.dumps({"request": request.model_dump_json()})
