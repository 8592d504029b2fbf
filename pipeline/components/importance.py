"""What each feature is worth to the model: how much its headline metric loses when the feature's values are shuffled.

Breiman, "Random forests" (2001), section 10; Fisher, Rudin and Dominici, "All models are wrong, but many are useful"
(2019). What two features tell alike is no loss when one of them is shuffled.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.dataset import count_rows, dense, take
from models.export import read_classes
from models.settings import Settings
from models.spec import InputSpec, columns_of, target_kind
from models.targets import LabelFacts
from pipeline.bootstrap import resampled
from pipeline.evaluation import METRICS, formula_of
from pipeline.predictions import evaluated_labels, predict_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from models.dataset import Columns

    Array = np.ndarray[Any, Any]
    Score = Callable[[Array, Array], float]

IMPORTANCE_FILE = "importance.json"
ROWS = 2_000
PERMUTATIONS = 3
MOST_PREDICTIONS = 200_000
"""Of all features together: of many features fewer rows are judged."""
BATCH_ROWS = 16_384
SEED = 0


class FeatureImportance(Settings):
    """What a feature is worth.

    Attributes:
        features: its name; several names of features that read the same columns.
        loss: what the metric gets worse by without it, mean over the permutations; below 0: it gets better.
        deviation: sample standard deviation over the permutations.
    """

    features: tuple[str, ...]
    loss: float
    deviation: float


class Importance(Settings):
    """What all features are worth, the first one most.

    Attributes:
        metric: that was looked at.
        value: of it, over these rows as they are.
        rows: how many were judged.
        permutations: of each feature.
        features: by what they are worth.
    """

    metric: str
    value: float
    rows: int
    permutations: int
    features: tuple[FeatureImportance, ...]


def write_importance(
    examples: Path, model: Path, inputs: InputSpec, settings: "Mapping[str, Any]", folder: Path
) -> None:
    """Measure the exported `model` on some rows of a split's `examples` and write IMPORTANCE_FILE into `folder`.

    Nothing is written where the headline metric is no number.

    Args:
        examples: folder of the split that is judged.
        model: folder of the SavedModel.
        inputs: what the model reads.
        settings: of the metric's formula.
        folder: where blessing.json is.
    """
    importance = measure(_read_rows(examples, inputs), model, inputs, settings)
    if importance:
        (folder / IMPORTANCE_FILE).write_text(importance.model_dump_json(indent=1), "utf-8")


def read_importance(folder: Path) -> Importance | None:
    """Return what an Evaluator measured; None if it did not."""
    file = folder / IMPORTANCE_FILE
    return Importance.model_validate_json(file.read_bytes()) if file.exists() else None


def measure(columns: "Columns", model: Path, inputs: InputSpec, settings: "Mapping[str, Any]") -> Importance | None:
    """Return what the features are worth to the exported `model` on rows `columns`, dense raw ones with the label.

    None where the headline metric is no number: of labels of one class, or a model that answers NaN.
    """
    import numpy as np

    facts, target = LabelFacts(read_classes(model)), inputs.target
    metric = target_kind(target).METRICS[0]
    formula, sign = formula_of(metric, settings), -1 if METRICS[metric].higher_is_better is False else 1
    labels = evaluated_labels(columns[target.column], target, facts)
    weights = np.ones((1, len(labels)), "uint8")

    def predict(asked: "Columns") -> "Array":
        starts = range(0, len(next(iter(asked.values()))), BATCH_ROWS)
        return predict_rows(model, [_slice(asked, start) for start in starts], inputs, facts)

    def score(predictions: "Array") -> float:
        return float(resampled({metric: formula}, labels, predictions, weights)[metric][0])

    own = {name: columns[name] for name in inputs.columns}
    groups = _groups(inputs)
    value = score(predict(own))
    random = np.random.default_rng(SEED)
    scores = []
    for _ in range(PERMUTATIONS):
        shuffled = predict(_shuffled(own, list(groups), random.permutation(len(labels))))
        scores.append([score(part) for part in np.split(shuffled, len(groups))])
    losses = sign * (value - np.array(scores))
    if not np.isfinite(losses).all():
        return None
    means, deviations = losses.mean(axis=0), losses.std(axis=0, ddof=1)
    names = list(groups.values())
    ranked = [
        FeatureImportance(features=names[index], loss=float(means[index]), deviation=float(deviations[index]))
        for index in np.argsort(-means, kind="stable")
    ]
    return Importance(metric=metric, value=value, rows=len(labels), permutations=PERMUTATIONS, features=tuple(ranked))


def _read_rows(examples: Path, inputs: InputSpec) -> "Columns":
    """Return some of the rows, always the same."""
    import numpy as np

    files = sorted(examples.iterdir())
    most = min(ROWS, MOST_PREDICTIONS // (PERMUTATIONS * len(_groups(inputs))))
    places = np.sort(np.random.default_rng(SEED).permutation(count_rows(files))[: max(most, 1)])
    return dense(take(files, list(inputs.types), places), inputs.types, inputs.lengths)


def _groups(inputs: InputSpec) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return the features that a request has by the columns that they read."""
    asked, found = set(inputs.columns), dict[tuple[str, ...], tuple[str, ...]]()
    for name, params in inputs.features.items():
        columns = columns_of(name, params)
        if asked.issuperset(columns):
            found[columns] = (*found.get(columns, ()), name)
    return found


def _shuffled(columns: "Columns", groups: Sequence[tuple[str, ...]], order: "Array") -> "Columns":
    """Return the rows once for each group, in each of which the group's columns come in another order."""
    import numpy as np

    return {
        name: np.concatenate([column[order] if name in group else column for group in groups])
        for name, column in columns.items()
    }


def _slice(columns: "Columns", start: int) -> "Columns":
    return {name: column[start : start + BATCH_ROWS] for name, column in columns.items()}
