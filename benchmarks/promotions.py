"""Promotions: how often is a model called better that is not, and how often is a real gain seen?

The flights model is trained with several seeds. Then test splits are drawn out of the test split with replacement, and
on each of them a candidate is judged beside a served model as the Evaluator does it:

- two seeds: any two of the trainings, which differ by chance;
- one model: each drawn row's probabilities of two trainings in random order, so that there is no difference at all;
- a gain: the served model sees its scores through noise that costs it 0.01 of AUC.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _measure import arguments, last_line, render_table, report, run_fresh, take_problem

from pipeline.blessing import Rows, judge
from pipeline.evaluation import BASELINE, CANDIDATE, formula_of
from pipeline.formulas import Array
from pipeline.formulas.binary import weighted_auc
from pipeline.judging import Evaluation

HERE = Path(__file__).resolve().parent
GAIN = 0.01


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=4, help="trainings")
    parser.add_argument("--draws", type=int, default=200, help="test splits drawn")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        problem = take_problem(options.problem, options.rows, folder)
        run_fresh([sys.executable, HERE / "_training_step.py", "ingest", folder, problem])
        rows = last_line(run_fresh([sys.executable, HERE / "_promotion_step.py", folder, options.seeds]))["rows"]
        with np.load(folder / "predictions.npz") as file:
            labels, models = file["labels"], [file[str(seed)] for seed in range(options.seeds)]
    found = {"rows": rows, "draws": options.draws, "auc": [area(labels, model) for model in models]}
    found |= {name: count(labels, models, name, options.draws) for name in ("two seeds", "one model", "a gain")}
    report(found, render(found), as_json=options.json)


def area(labels: Array, model: Array) -> float:
    """Return the area under the ROC curve."""
    return float(weighted_auc(labels, model[:, 0], np.ones((1, len(labels)), "uint8"))[0])


def count(labels: Array, models: list[Array], setting: str, draws: int) -> dict[str, float]:
    """Return the shares of drawn test splits on which the candidate is called better, worse, and no worse by 0.005."""
    random = np.random.default_rng(7)
    said = {"better": 0, "worse": 0, "no worse": 0}
    noise = noise_for(labels, models[0]) if setting == "a gain" else 0.0
    for _ in range(draws):
        one, two = random.choice(len(models), 2, replace=False)
        candidate, served = models[one], models[two]
        if setting == "a gain":
            served = blurred(models[one], noise, random)
        places = random.integers(0, len(labels), len(labels))
        candidate, served = candidate[places], served[places]
        if setting == "one model":
            swap = random.integers(0, 2, (len(labels), 1)).astype(bool)
            candidate, served = np.where(swap, served, candidate), np.where(swap, candidate, served)
        verdict, passed = asked(labels[places], candidate, served)
        said["no worse"] += passed
        if verdict in said:
            said[verdict] += 1
    return {name: number / draws for name, number in said.items()}


def asked(labels: Array, candidate: Array, served: Array) -> tuple[str | None, bool]:
    """Return the verdict, and whether the gate `not_worse_than_served_by: 0.005` lets the candidate through."""
    evaluation = Evaluation.model_validate({"gates": {"auc": {"not_worse_than_served_by": 0.005}}})
    rows = Rows(labels, {CANDIDATE: candidate, BASELINE: served}, {(): np.arange(len(labels))})
    (judged,), (gate,), _ = judge(rows, {"auc": formula_of("auc", {})}, evaluation)
    return judged.verdict(), gate.passed


def blurred(model: Array, noise: float, random: np.random.Generator) -> Array:
    """Return the probabilities with noise on their logits."""
    logits = np.log(model / (1 - model)) + random.normal(0, noise, model.shape)
    found: Array = 1 / (1 + np.exp(-logits))
    return found


def noise_for(labels: Array, model: Array) -> float:
    """Return the noise that costs the model GAIN."""
    low, high = 0.0, 5.0
    for _ in range(20):
        middle = (low + high) / 2
        lost = area(labels, model) - area(labels, blurred(model, middle, np.random.default_rng(1)))
        low, high = (middle, high) if lost < GAIN else (low, middle)
    return high


def render(found: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    names = {
        "two seeds": "two trainings of one model",
        "one model": "one model beside itself, rows in random order",
        "a gain": f"a model beside itself with {GAIN} less AUC",
    }
    rows = [
        [label, *(f"{found[name][verdict]:.1%}" for verdict in ("better", "worse", "no worse"))]
        for name, label in names.items()
    ]
    areas = ", ".join(f"{value:.4f}" for value in found["auc"])
    return (
        render_table(["candidate beside served", "called better", "called worse", "let through at 0.005"], rows)
        + f"\n\n{found['draws']} test splits of {found['rows']:,} flights each, drawn with replacement. "
        + f"AUC by seed: {areas}.\n"
        + "Wanted: at most 5% falsely better, at least 90% of the gains seen."
    )


if __name__ == "__main__":
    main()
