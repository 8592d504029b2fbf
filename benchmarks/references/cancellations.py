"""Cancelled invoice lines: scikit-learn's gradient-boosted trees on the same features."""

import numpy as np
from reference import encode, learn_vocabularies, stack

from references import Array, Figure, Found, resample

RATES = (0.05, 0.1)
"""Learning rates that are tried; the eval split says which one is taken, and how many trees."""
TREES = 400
STEP = 10
"""Trees between two looks at the eval split."""
LEAST_ROWS, L2 = 200, 10
"""Rows a leaf and penalty: with scikit-learn's 20 and none, more trees soon make the eval split worse."""
SHARE = 0.97
"""Of the trees' PR-AUC that is asked of the network."""
LARGEST_ERROR = 0.01
"""Calibration error that is allowed."""
PRECISION = 0.9
BINS = 10


def compare(found: Found) -> list[Figure]:
    """Return the ranking and the calibration of the network and of the trees, on the test split."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    labels = found.splits["test"][found.spec.inputs.target.column]
    network, trees = found.answers["probability"].ravel(), boost(found)
    asked = SHARE * average_precision_score(labels, trees)
    wanted = {
        "PR-AUC": (
            average_precision_score,
            f"at least {SHARE} of the trees': {asked:.4f}",
            lambda value: value >= asked,
        ),
        "calibration error": (calibration_error, f"at most {LARGEST_ERROR}", lambda value: value <= LARGEST_ERROR),
        f"recall at {PRECISION:.0%} precision": (recall_at_precision, "", bool),
        "AUC": (roc_auc_score, "", bool),
    }
    return [
        Figure(
            name,
            float(score(labels, network)),
            resample(lambda rows, score=score: score(labels[rows], network[rows]), len(labels)),
            {"gradient-boosted trees": float(score(labels, trees))},
            bar,
            bool(holds(score(labels, network))),
        )
        for name, (score, bar, holds) in wanted.items()
    ]


def boost(found: Found) -> Array:
    """Return the probabilities `[test rows]` of the trees that are best on the eval split."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import average_precision_score

    label = found.spec.inputs.target.column
    vocabularies = learn_vocabularies(found.spec, found.splits["train"])
    tables = {split: encode(found.spec, columns, vocabularies) for split, columns in found.splits.items()}
    train, held, test = (stack(tables[split]) for split in ("train", "eval", "test"))
    best, answers = 0.0, np.zeros(len(test))
    for rate in RATES:
        trees = HistGradientBoostingClassifier(
            max_iter=TREES,
            learning_rate=rate,
            min_samples_leaf=LEAST_ROWS,
            l2_regularization=L2,
            early_stopping=False,
            categorical_features=[name in vocabularies for name in tables["train"]],
            random_state=0,
        ).fit(train, found.splits["train"][label])
        stages = zip(trees.staged_predict_proba(held), trees.staged_predict_proba(test), strict=True)
        for count, (seen, judged) in enumerate(stages, 1):
            if count % STEP == 0 and (score := average_precision_score(found.splits["eval"][label], seen[:, 1])) > best:
                best, answers = score, judged[:, 1]
    return answers


def recall_at_precision(labels: Array, scores: Array) -> float:
    """Return the largest recall at a threshold with PRECISION; 0 without one."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(labels, scores)
    return float(recall[precision >= PRECISION].max(initial=0.0))


def calibration_error(labels: Array, scores: Array) -> float:
    """Return the mean distance of probability and share in BINS bins, by their rows."""
    bins = (scores * BINS).astype(int).clip(0, BINS - 1)
    return float(np.abs(np.bincount(bins, scores - labels, BINS)).sum() / len(labels))
