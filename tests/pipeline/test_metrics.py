"""Metrics over folds."""

import pytest

from pipeline.errors import InputError
from pipeline.lineage import Run
from pipeline.metrics import FoldMetric, Folds, SliceMetrics, fold_metrics, read_folds

NAN = float("nan")


def test_mean_and_deviation_over_the_folds():
    found = [SliceMetrics(slice={"fold": str(fold)}, values={"auc": 0.7 + fold / 10}) for fold in (10, 0, 2)]
    overall = SliceMetrics(slice={}, values={"auc": 0.1})
    (auc,) = fold_metrics([overall, *found], ["auc"]).values()
    assert auc.values == pytest.approx((0.7, 0.9, 1.7))
    assert auc.mean == pytest.approx(1.1)
    # (0.4 ** 2 + 0.2 ** 2 + 0.6 ** 2) / 2 = 0.28
    assert auc.deviation == pytest.approx(0.28**0.5)


def test_a_metric_that_a_fold_does_not_have_is_told():
    given = [{"auc": NAN, "recall": NAN}, {"auc": 0.8}, {"auc": 0.6}]
    found = fold_metrics(
        [SliceMetrics(slice={"fold": str(fold)}, values=values) for fold, values in enumerate(given)],
        ["auc", "recall"],
    )
    assert (found["auc"].values, found["auc"].mean) == ((None, 0.8, 0.6), pytest.approx(0.7))
    assert found["auc"].deviation == pytest.approx(0.02**0.5)
    assert found["recall"] == FoldMetric(values=(None, None, None), mean=None, deviation=None)
    folds = Folds(trained=(1, 1, 1), judged=(1, 1, 1), metrics=found)
    assert Folds.model_validate_json(folds.model_dump_json()) == folds


def test_folds_that_are_gone_are_named(tmp_path):
    assert read_folds(Run("one", [])) is None

    class Artifact:
        uri = str(tmp_path)

    class Validated:
        def output(self, type_name):
            assert type_name == "FoldMetrics"
            return Artifact

    with pytest.raises(InputError, match="expected the metrics of a cross-validation"):
        read_folds(Validated())
