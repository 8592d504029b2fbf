"""How good a model of the problem can be: scikit-learn's gradient-boosted trees on the same rows and features.

The trees learn from the train split of the pipeline's own examples; the number of trees is the best on the eval split;
the metric is that of the split which the pipeline is judged on. For problems with a binary label.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _examples import ingest, parquet
from _measure import arguments, render_table, report, take_problem

from models.dataset import concatenate, dense_batches
from models.raw import MISSING_INT
from models.spec import ModelSpec

CATEGORIES = 254
"""Most values of a category that the trees tell apart: one id less than scikit-learn's bins."""
TREES = 400
DAY_S = 86_400
NAMES = {"auc": "AUC", "pr_auc": "PR-AUC"}

Array = np.ndarray[Any, Any]
Columns = dict[str, Array]


def main() -> None:
    """Train, measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--run", type=Path, help="output of `penstock run --json` on the same rows, to compare with")
    parser.add_argument("--metric", default="auc", choices=["auc", "pr_auc"], help="what counts")
    parser.add_argument("--alone", default="dep_delay", help="a column whose bare value is compared too")
    options = parser.parse_args()
    run = json.loads(options.run.read_text("utf-8")) if options.run else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec, rows = ingest(take_problem(options.problem, options.rows, folder), folder)
        splits = {split: read(folder, split, spec) for split in rows}
    if run and run["rows"] != rows:
        sys.exit(f"--run: expected a run over the same rows {rows}, received {run['rows']}")
    found = {"rows": rows, **measure(spec, splits, options.alone, options.metric)}
    if run:
        found["pipeline"] = run["metrics"][0]["values"][options.metric]
    report(found, render(found), as_json=options.json)


def read(folder: Path, split: str, spec: ModelSpec) -> Columns:
    """Return a split's raw columns."""
    return concatenate(dense_batches(parquet(folder, split), spec.inputs.types, spec.inputs.lengths))


def measure(spec: ModelSpec, splits: dict[str, Columns], bare: str, metric: str) -> dict[str, Any]:
    """Return the metric of the trees and of one column alone on the last split."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import average_precision_score, roc_auc_score

    score = {"auc": roc_auc_score, "pr_auc": average_precision_score}[metric]
    judged = list(splits)[-1]
    labels = {split: columns[spec.inputs.target.column] for split, columns in splits.items()}
    vocabularies = learn_vocabularies(spec, splits["train"])
    tables = {split: encode(spec, columns, vocabularies) for split, columns in splits.items()}
    kinds = tables["train"].keys()
    began = time.perf_counter()
    trees = HistGradientBoostingClassifier(
        max_iter=TREES,
        early_stopping=False,
        categorical_features=[name in vocabularies for name in kinds],
        random_state=0,
    )
    trees.fit(stack(tables["train"]), labels["train"])
    seconds = time.perf_counter() - began
    curve = [score(labels["eval"], found[:, 1]) for found in trees.staged_predict_proba(stack(tables["eval"]))]
    best = int(np.argmax(curve)) + 1
    for count, found in enumerate(trees.staged_predict_proba(stack(tables[judged])), 1):
        if count == best:
            value = score(labels[judged], found[:, 1])
    result = {"split": judged, "metric": metric, "value": value, "trees": best, "seconds": seconds}
    if bare in tables[judged]:
        alone = score(labels[judged], np.nan_to_num(tables[judged][bare]))
        result["alone"] = {"column": bare, "value": alone}
    return result


def learn_vocabularies(spec: ModelSpec, train: Columns) -> dict[str, dict[Any, int]]:
    """Return an id for each of the most frequent values of each category in the train split."""
    found = {}
    for name, params in spec.inputs.features.items():
        if params.kind == "categorical":
            values, counts = np.unique(train[name], return_counts=True)
            kept = values[np.argsort(-counts, kind="stable")][:CATEGORIES]
            found[name] = {value: index for index, value in enumerate(kept)}
    return found


def encode(spec: ModelSpec, columns: Columns, vocabularies: dict[str, dict[Any, int]]) -> Columns:
    """Return numbers as they are (missing as NaN), categories as ids, moments as their parts."""
    encoded: Columns = {}
    for name, params in spec.inputs.features.items():
        if name not in columns:  # the same column once more, on another scale
            continue
        column = columns[name]
        if name in vocabularies:
            ids = vocabularies[name]
            encoded[name] = np.array([ids.get(value, np.nan) for value in column])
        elif params.kind == "datetime":
            encoded |= {f"{name}.{part}": read_part(column, part) for part in params.parts}
        else:
            encoded[name] = np.where(column == MISSING_INT, np.nan, column.astype("float64"))
    return encoded


def read_part(column: Array, part: str) -> Array:
    """Return hour of the day, day of the week (Monday 0) or day of the year of ISO 8601 texts in UTC."""
    seconds = np.array([text.decode().removesuffix("Z") for text in column], "datetime64[s]")
    days = seconds.astype("datetime64[D]")
    if part == "hour":
        return np.asarray((seconds - days).astype("float64") / 3600)
    if part == "weekday":
        return np.asarray((days.astype("int64") + 3) % 7, "float64")
    return np.asarray(days - days.astype("datetime64[Y]"), "float64")


def stack(table: Columns) -> Array:
    """Return the `[rows, features]` matrix."""
    return np.stack(list(table.values()), axis=1)


def render(found: dict[str, Any]) -> str:
    """Return the models side by side as Markdown."""
    rows: list[list[object]] = []
    if "pipeline" in found:
        rows.append(["the pipeline's network", f"{found['pipeline']:.4f}"])
    rows.append([f"gradient-boosted trees, {found['trees']} of them", f"{found['value']:.4f}"])
    if "alone" in found:
        rows.append([f"`{found['alone']['column']}` alone, no model", f"{found['alone']['value']:.4f}"])
    counts = ", ".join(f"{split} {count:,}" for split, count in found["rows"].items())
    table = render_table(["model", f"{NAMES[found['metric']]} on the {found['split']} split"], rows)
    return f"{table}\n\nRows: {counts}; the same for each. The trees took {found['seconds']:.1f} s to fit."


if __name__ == "__main__":
    main()
