"""What the report says of a run's model: its metrics and gates, curves, training and what its features are worth."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.export import read_classes, read_spec
from models.settings import Settings
from pipeline.blessing import BLESSING_FILE, Blessing, read_blessing
from pipeline.components.importance import Importance, read_importance
from pipeline.errors import InputError
from pipeline.evaluation import BASELINE, CANDIDATE, LABEL, METRICS
from pipeline.formulas import Array
from pipeline.infra.verdict import BLESSING_TYPE, Verdict, read_verdict
from pipeline.predictions import ROWS_FILE, stacked
from pipeline.report import curves

if TYPE_CHECKING:
    from pipeline.lineage import Run

EPOCHS_FILE = "epochs.jsonl"
SERVING_FOLDER = "Format-Serving"
"""Where TFX's Trainer puts the SavedModel."""


class ModelSources(Settings):
    """Where the model's components left what.

    Attributes:
        evaluation: folder of the Evaluator: verdict, judged rows, importance.
        model: folder of the SavedModel.
        training: folder of the training's logs.
        infra: folder of the InfraValidator; None if the run did not come so far.
    """

    evaluation: Path
    model: Path
    training: Path
    infra: Path | None = None


class Epoch(Settings):
    """Loss and metrics by name after an epoch: over its training rows, and on the eval split."""

    epoch: int
    train: dict[str, float]
    eval: dict[str, float]


class Judgement(Settings):
    """The numbers of the curves, of the candidate and, if there is one, of the served model; empty if not the label's.

    Attributes:
        roc, precision_recall: of a probability.
        calibration: by model.
        decided: the candidate's decisions at the threshold.
        scores: negative and positive rows by probability.
        confusion: rows by true and told class; the last one may be all others.
        classes: by class or label, in the order of their ids.
        density, residuals: of a number, or of the middle one of its quantiles.
        levels: of quantiles, by model.
        recall_by_k: of an answer of items.
    """

    roc: tuple[curves.Curve, ...] = ()
    precision_recall: tuple[curves.Curve, ...] = ()
    calibration: tuple[tuple[curves.CalibrationBin, ...], ...] = ()
    decided: curves.Decided | None = None
    scores: tuple[tuple[int, ...], ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    classes: tuple[curves.ClassRow, ...] = ()
    density: curves.Density | None = None
    residuals: tuple[curves.Residuals, ...] = ()
    levels: tuple[tuple[curves.Level, ...], ...] = ()
    recall_by_k: tuple[curves.Curve, ...] = ()


class ModelFacts(Settings):
    """What the report says of the model.

    Attributes:
        blessing: metrics with their intervals, and the gates' answers.
        judgement: the curves.
        epochs: of the training; empty if they are gone.
        importance: of the features; None if nobody measured it.
        infra: what a server of its own showed; None if it was not asked.
    """

    blessing: Blessing
    judgement: Judgement
    epochs: tuple[Epoch, ...] = ()
    importance: Importance | None = None
    infra: Verdict | None = None


def model_sources(run: "Run") -> ModelSources | None:
    """Return where the run's model left what; None of a run without a verdict on one."""
    evaluation, model, training = (run.output(name) for name in ("ModelEvaluation", "Model", "ModelRun"))
    if evaluation is None or model is None or training is None or not Path(evaluation.uri, BLESSING_FILE).exists():
        return None
    infra = run.output(BLESSING_TYPE)
    return ModelSources(
        evaluation=Path(evaluation.uri),
        model=Path(model.uri, SERVING_FOLDER),
        training=Path(training.uri),
        infra=Path(infra.uri) if infra else None,
    )


def read_model(sources: ModelSources) -> ModelFacts:
    """Return what there is to say of a model.

    Raises:
        InputError: what a component left is gone or damaged.
    """
    try:
        blessing = read_blessing(sources.evaluation)
        return ModelFacts(
            blessing=blessing,
            judgement=_judge(sources, blessing),
            epochs=_epochs(sources.training / EPOCHS_FILE),
            importance=read_importance(sources.evaluation),
            infra=read_verdict(sources.infra) if sources.infra else None,
        )
    except (OSError, ValueError) as error:
        raise InputError(f"{sources.evaluation}: expected what an Evaluator leaves: {error}") from error


def _epochs(file: Path) -> tuple[Epoch, ...]:
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return tuple(Epoch.model_validate(json.loads(line)) for line in lines)


class _Judged(NamedTuple):
    """The judged rows: labels, predictions of the candidate first, names of the classes, quantiles, threshold."""

    labels: Array
    predictions: tuple[Array, ...]
    classes: tuple[str, ...]
    quantiles: tuple[float, ...]
    threshold: float


def _judge(sources: ModelSources, blessing: Blessing) -> Judgement:
    import pyarrow.parquet as pq

    kind = METRICS[blessing.metrics[0].metric].formula if blessing.metrics else ""
    if kind not in _KINDS:
        return Judgement()
    table = pq.read_table(sources.evaluation / ROWS_FILE)
    judged = _Judged(
        labels=stacked(table[LABEL]),
        predictions=tuple(stacked(table[name]) for name in (CANDIDATE, BASELINE) if name in table.column_names),
        classes=read_classes(sources.model),
        quantiles=getattr(read_spec(sources.model).inputs.target, "quantiles", ()),
        threshold=0.5 if blessing.threshold is None else blessing.threshold,
    )
    if not all(np.isfinite(each).all() for each in judged.predictions):
        return Judgement()
    return _KINDS[kind](judged)


def _binary(judged: _Judged) -> Judgement:
    labels, scores = judged.labels, [each[:, 0] for each in judged.predictions]
    return Judgement(
        roc=tuple(curves.roc(labels, each) for each in scores),
        precision_recall=tuple(curves.precision_recall(labels, each) for each in scores),
        calibration=tuple(curves.calibration(labels, each) for each in scores),
        decided=curves.decided(labels, scores[0], judged.threshold),
        scores=curves.score_rows(labels, scores[0]),
    )


def _multiclass(judged: _Judged) -> Judgement:
    labels, predictions = judged.labels, judged.predictions[0]
    return Judgement(
        confusion=curves.confusion(labels, predictions), classes=curves.classes(labels, predictions, judged.classes)
    )


def _labels(judged: _Judged) -> Judgement:
    return Judgement(classes=curves.label_rows(judged.labels, judged.predictions[0], judged.classes))


def _regression(judged: _Judged) -> Judgement:
    own = judged.predictions[0]
    middle = own[:, own.shape[1] // 2]
    return Judgement(density=curves.density(judged.labels, middle), residuals=curves.residuals(judged.labels, middle))


def _quantile(judged: _Judged) -> Judgement:
    levels = tuple(curves.coverage(judged.labels, each, judged.quantiles) for each in judged.predictions)
    return _regression(judged).model_copy(update={"levels": levels})


def _items(judged: _Judged) -> Judgement:
    return Judgement(recall_by_k=tuple(curves.recall_by_k(judged.labels, each) for each in judged.predictions))


_KINDS: dict[str, Callable[[_Judged], Judgement]] = {
    "binary": _binary,
    "multiclass": _multiclass,
    "labels": _labels,
    "regression": _regression,
    "quantile": _quantile,
    "items": _items,
}
"""How the curves are drawn by what the headline metric's formula is of."""
