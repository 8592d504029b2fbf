"""Evaluator: TFX's component with an executor that predicts in large batches and hands TFMA the predictions.

TFMA then needs no model of its own, and gets each slice's rows as whole arrays: one row at a time, as its slice
extractor hands them on, is four times slower (docs/adr/0002). The evaluated rows with label and predictions stay
beside the metrics, in `predictions.parquet`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apache_beam as beam
from google.protobuf import json_format
from tfx.components.evaluator import component, constants
from tfx.dsl.components.base import base_beam_executor, executor_spec
from tfx.types import artifact_utils
from tfx.utils import json_utils, path_utils

from models.dataset import concatenate, dense_batches
from models.export import load_predictor, read_classes
from models.raw import RawType
from models.spec import ModelSpec, target_kind
from models.targets import LabelFacts
from pipeline.evaluation import BASELINE, CANDIDATE, LABEL
from pipeline.metrics import read_metrics, undefined

if TYPE_CHECKING:
    from models.dataset import Columns

ROWS_FILE = "predictions.parquet"
BATCH_ROWS = 65_536


class Executor(base_beam_executor.BaseBeamExecutor):  # type: ignore[misc]
    """Writes TFMA's metrics and validations, and the blessing."""

    def Do(  # noqa: N802  TFX calls it so
        self, input_dict: dict[str, list[Any]], output_dict: dict[str, list[Any]], exec_properties: dict[str, Any]
    ) -> None:
        """Evaluate the candidate, and the baseline when there is one, on the splits of `example_splits`."""
        output = Path(artifact_utils.get_single_uri(output_dict["evaluation"]))
        models = dict(
            zip([CANDIDATE, BASELINE], [*input_dict["model"], *input_dict.get("baseline_model", [])], strict=False)
        )
        file = output / ROWS_FILE
        _write_rows(input_dict["examples"], exec_properties, models, file)
        config = eval_config(exec_properties["eval_config"], has_baseline=BASELINE in models)
        with self._make_beam_pipeline() as pipeline:
            analyze(pipeline, file, list(models), config)
        _bless(output, output_dict["blessing"][0], input_dict["model"][0], config)


def analyze(pipeline: beam.Pipeline, file: Path, models: list[str], config: Any) -> None:
    """Write TFMA's results for the rows in `file`, by the slices of `config`, into the folder that it lies in."""
    import tensorflow_model_analysis as tfma
    from tensorflow_model_analysis.extractors.slice_key_extractor import SLICE_KEY_EXTRACTOR_STAGE_NAME

    slices = [tuple(spec.feature_keys) for spec in config.slicing_specs]
    # stands in for TFMA's slice extractor: the extracts come with their slice
    sliced = tfma.extractors.Extractor(SLICE_KEY_EXTRACTOR_STAGE_NAME, beam.Map(lambda extracts: extracts))
    evaluators = [tfma.evaluators.MetricsPlotsAndValidationsEvaluator(eval_config=config)]
    writers = tfma.default_writers(str(file.parent), eval_config=config)
    (
        pipeline
        | "Files" >> beam.Create([str(file)], reshuffle=False)
        | "Slice" >> beam.FlatMap(read_slices, slices, models)
        | "Evaluate" >> tfma.ExtractAndEvaluate(extractors=[sliced], evaluators=evaluators)
        | "Write" >> tfma.WriteResults(writers=writers)
    )


def read_slices(file: str, slices: list[tuple[str, ...]], models: list[str]) -> Iterator[dict[str, Any]]:
    """Yield TFMA extracts that each hold many rows of one slice, labels and predictions as `[rows, ...]` arrays."""
    import numpy as np
    import pyarrow.parquet as pq
    import tensorflow_model_analysis as tfma

    for batch in pq.ParquetFile(file).iter_batches(BATCH_ROWS):
        rows = batch.to_pandas()
        predictions = {name: np.stack(rows[name].to_numpy()) for name in models}
        labels = np.stack(rows[LABEL].to_numpy())
        for key, places in _slices(rows, slices):
            picked = {name: values[places] for name, values in predictions.items()}
            yield {
                tfma.LABELS_KEY: labels[places],
                tfma.PREDICTIONS_KEY: picked if len(models) > 1 else picked[models[0]],
                tfma.EXAMPLE_WEIGHTS_KEY: np.ones(len(places), "float32"),
                tfma.FEATURES_KEY: {},
                tfma.SLICE_KEY_TYPES_KEY: [key],
            }


def _slices(rows: Any, slices: list[tuple[str, ...]]) -> Iterator[tuple[tuple[tuple[str, str], ...], Any]]:
    """Yield each slice's key, `((column, value), ...)`, with the places of its rows; all rows have the key `()`."""
    import numpy as np

    for columns in slices:
        if not columns:
            yield (), np.arange(len(rows))
            continue
        for values, places in rows.groupby(list(columns), observed=True).indices.items():
            texts = values if isinstance(values, tuple) else (values,)
            yield tuple(zip(columns, map(str, texts), strict=True)), places


def eval_config(text: str, *, has_baseline: bool) -> Any:
    """Return the JSON EvalConfig with TFMA's defaults; without a baseline nothing is compared with one."""
    import tensorflow_model_analysis as tfma
    from tensorflow_model_analysis.proto import config_pb2

    config = json_format.Parse(text, config_pb2.EvalConfig())
    return tfma.utils.update_eval_config_with_defaults(config, has_baseline=has_baseline, rubber_stamp=True)


def _write_rows(examples: list[Any], properties: dict[str, Any], models: dict[str, Any], file: Path) -> None:
    """Write slice columns (as text), label and each model's prediction (a list) of the evaluated splits."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    settings = json_utils.loads(properties["settings"])
    spec = ModelSpec.model_validate_json(settings["spec"])
    types: dict[str, RawType] = spec.inputs.types | settings["slice_types"]
    target = spec.inputs.target
    folders = [
        Path(artifact_utils.get_split_uri(examples, split)) for split in json_utils.loads(properties["example_splits"])
    ]
    batches = list(
        dense_batches([file for folder in folders for file in sorted(folder.iterdir())], types, spec.inputs.lengths)
    )
    columns = concatenate(iter(batches))
    facts = LabelFacts(read_classes(_saved_model(models[CANDIDATE])))
    table = {name: as_text(columns[name]) for name in settings["slice_types"]}
    table[LABEL] = list(evaluated_labels(columns[target.column], target, facts))
    for name, model in models.items():
        table[name] = list(predict_rows(_saved_model(model), batches, spec, facts))
    pq.write_table(pa.table(table), file)


def evaluated_labels(labels: Any, target: Any, facts: LabelFacts) -> Any:
    """Return raw labels `[rows]` in the form that the metrics compare with predictions."""
    return target_kind(target).evaluated(as_text(labels) if labels.dtype == object else labels, target, facts)


def as_text(column: Any) -> Any:
    """Return `[rows]` raw values as text: the label and the values of slices."""
    import numpy as np

    texts = [value.decode() if isinstance(value, bytes) else str(value) for value in column]
    return np.array(texts, dtype=object)


def _saved_model(model: Any) -> Path:
    return Path(path_utils.serving_model_path(model.uri))


def predict_rows(folder: Path, batches: "list[Columns]", spec: ModelSpec, facts: LabelFacts) -> Any:
    """Return `[rows, 1]` or `[rows, any]` predictions; classes are in `facts`' order, whose model it may be."""
    import numpy as np

    predict, target = load_predictor(folder), target_kind(spec.inputs.target)
    answers = [predict({name: columns[name] for name in spec.inputs.columns}) for columns in batches]
    found = np.concatenate([target.predicted(answer, facts) for answer in answers])
    predictions = found.reshape(len(found), -1)
    own = read_classes(folder)
    if target.ITEMS or own == facts.classes:
        return predictions
    # a class that the other model does not know has no probability
    known = np.append(predictions, np.zeros((len(predictions), 1), predictions.dtype), axis=1)
    return known[:, [own.index(name) if name in own else len(own) for name in facts.classes]]


def _bless(output: Path, blessing: Any, model: Any, config: Any) -> None:
    """Record the verdict as TFX does; without gates a model is blessed unless its loss is NaN."""
    import tensorflow_model_analysis as tfma

    gated = [metric_name(metric) for spec in config.metrics_specs for metric in spec.metrics if has_gate(metric)]
    accepted = not gated or tfma.load_validation_result(str(output)).validation_ok
    blessed = accepted and not undefined(read_metrics(output)[0], gated)
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    Path(blessing.uri).mkdir(parents=True, exist_ok=True)
    Path(blessing.uri, name).touch()
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(blessed))
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)


def metric_name(metric: Any) -> str:
    """Return the name that the YAML uses."""
    return str(json.loads(metric.config)["name"])


def has_gate(metric: Any) -> bool:
    """Whether a bound is left; without a baseline those that compare with it are not."""
    return any(entry.threshold.ByteSize() for entry in metric.per_slice_thresholds)


class Evaluator(component.Evaluator):  # type: ignore[misc]
    """TFX's Evaluator, with the executor above.

    `settings` (the model's spec, types of the slice columns, code digest) is one more execution property: the stock
    component has no custom_config, and its cache key must see them.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, settings: dict[str, Any], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.exec_properties["settings"] = json_utils.dumps(settings)
