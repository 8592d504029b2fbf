"""Metrics of several labels and of items against their formulas in numpy and scikit-learn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

RANDOM = np.random.default_rng(0)
LABELS = (RANDOM.uniform(size=(300, 4)) < [0.5, 0.2, 0.1, 0.0]).astype("float32")
PROBABILITIES = (0.6 * RANDOM.uniform(size=(300, 4)) + 0.4 * LABELS).astype("float32")
# the item of each row is first, third, 12th, not there; -1 is one that is never answered
TAKEN = np.array([5, 5, 5, 5, -1])
ANSWERS = np.array(
    [[5, *range(20, 33)], [1, 2, 5, *range(20, 31)], [*range(20, 31), 5, 1, 2], [*range(20, 34)], [*range(14)]]
)


def compute(metric: Any, labels: Any, predictions: Any, parts: int = 3) -> float:
    """The metric over the rows in `parts`, each added to an accumulator of its own, then merged."""
    from tensorflow_model_analysis.metrics import metric_types

    (computation,) = metric().computations(model_names=[""])
    combiner, accumulators = computation.combiner, []
    for label, prediction in zip(np.array_split(labels, parts), np.array_split(predictions, parts), strict=True):
        element = metric_types.StandardMetricInputs(
            label=label, prediction=prediction, example_weight=np.ones(len(label))
        )
        accumulators.append(combiner.add_input(combiner.create_accumulator(), element))
    return float(next(iter(combiner.extract_output(combiner.merge_accumulators(accumulators)).values())))


def test_decisions_on_all_labels_together() -> None:
    from sklearn.metrics import precision_recall_fscore_support

    from pipeline.label_metrics import ExactMatch, MicroF1, MicroPrecision, MicroRecall

    told = PROBABILITIES > 0.5
    precision, recall, f1, _ = precision_recall_fscore_support(LABELS > 0.5, told, average="micro")
    found = [compute(metric, LABELS, PROBABILITIES) for metric in (MicroPrecision, MicroRecall, MicroF1, ExactMatch)]
    assert found == pytest.approx([precision, recall, f1, (told == (LABELS > 0.5)).all(axis=1).mean()])


def test_the_area_is_the_mean_of_the_labels_that_have_one() -> None:
    from sklearn.metrics import roc_auc_score

    from pipeline.label_metrics import MacroAUC

    expected = np.mean([roc_auc_score(LABELS[:, label], PROBABILITIES[:, label]) for label in range(3)])
    assert compute(MacroAUC, LABELS, PROBABILITIES) == pytest.approx(expected, abs=2e-3)
    assert math.isnan(compute(MacroAUC, LABELS[:, 3:], PROBABILITIES[:, 3:]))


def test_log_loss_of_labels() -> None:
    from pipeline.label_metrics import LabelLogLoss

    expected = -np.log(np.where(LABELS > 0.5, PROBABILITIES, 1 - PROBABILITIES).astype("float64")).mean()
    assert compute(LabelLogLoss, LABELS, PROBABILITIES) == pytest.approx(expected, rel=1e-6)
    assert math.isnan(compute(LabelLogLoss, LABELS[:3], np.full((3, 4), np.nan)))


def test_items_by_their_place() -> None:
    from pipeline.item_metrics import NDCGAt10, NDCGAtK, RecallAt10, RecallAtK

    assert compute(RecallAt10, TAKEN, ANSWERS, 2) == pytest.approx(2 / 5)
    assert compute(RecallAtK, TAKEN, ANSWERS, 2) == pytest.approx(3 / 5)
    assert compute(NDCGAt10, TAKEN, ANSWERS, 2) == pytest.approx((1 + 1 / math.log2(4)) / 5)
    assert compute(NDCGAtK, TAKEN, ANSWERS, 2) == pytest.approx((1 + 1 / math.log2(4) + 1 / math.log2(13)) / 5)
