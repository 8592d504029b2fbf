"""The numbers of each curve, by hand and as scikit-learn has them."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_curve, precision_recall_fscore_support, roc_curve

from pipeline.report import curves

LABELS = np.array([1, 1, 0, 1, 0, 0], "float32")
SCORES = np.array([0.96, 0.8, 0.8, 0.45, 0.4, 0.05])


def many(seed: int = 3, rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = (random.random(rows) < 0.3).astype("float32")
    # rounded, so that there are ties
    return labels, np.round((labels + random.normal(0, 1, rows)).clip(-2, 3) / 5 + 0.4, 2)


def test_roc_by_hand():
    # thresholds 0.96, 0.8 (a positive and a negative row), 0.45, 0.4, 0.05
    expected = [(0, 0), (0, 1), (1, 2), (1, 3), (2, 3), (3, 3)]
    found = curves.roc(LABELS, SCORES).points
    assert found == tuple((round(across / 3, 5), round(up / 3, 5)) for across, up in expected)


def test_precision_by_recall_by_hand():
    expected = [(0, 1), (1 / 3, 1), (2 / 3, 2 / 3), (1, 3 / 4), (1, 3 / 6)]
    np.testing.assert_allclose(curves.precision_recall(LABELS, SCORES).points, expected, atol=1e-5)


def test_curves_are_scikit_learns():
    labels, scores = many()
    across, up, _ = roc_curve(labels, scores, drop_intermediate=False)
    known = {(round(x, 5), round(y, 5)) for x, y in zip(across, up, strict=True)}
    found = curves.roc(labels, scores).points
    assert set(found) <= known
    assert len(found) <= curves.POINTS + 3
    # few points are left out of the area
    area = np.trapezoid(up, across) if hasattr(np, "trapezoid") else np.trapz(up, across)
    drawn = np.array(found)
    assert abs(np.sum(np.diff(drawn[:, 0]) * (drawn[1:, 1] + drawn[:-1, 1]) / 2) - area) < 1e-3
    precision, recall, _ = precision_recall_curve(labels, scores)
    known = {(round(x, 5), round(y, 5)) for x, y in zip(recall, precision, strict=True)}
    assert set(curves.precision_recall(labels, scores).points[1:]) <= known


def test_one_class_has_a_curve_without_an_error():
    assert curves.roc(np.zeros(3), SCORES[:3]).points[-1] == (1, 0)
    assert curves.precision_recall(np.zeros(3), SCORES[:3]).points[-1] == (0, 0)


def test_calibration_by_tenths():
    found = curves.calibration(LABELS, SCORES)
    assert [each.rows for each in found] == [1, 2, 2, 1]
    np.testing.assert_allclose([each.predicted for each in found], [0.05, 0.425, 0.8, 0.96])
    np.testing.assert_allclose([each.observed for each in found], [0, 0.5, 0.5, 1])


def test_decisions_are_scikit_learns():
    labels, scores = many()
    found = curves.decided(labels, scores, 0.5)
    (tn, fp), (fn, tp) = confusion_matrix(labels, scores >= 0.5)
    assert found == curves.Decided(true_positives=tp, false_positives=fp, false_negatives=fn, true_negatives=tn)


def test_scores_by_class():
    no, yes = curves.score_rows(LABELS, SCORES)
    assert (sum(no), sum(yes)) == (3, 3)
    assert [index for index, rows in enumerate(yes) if rows] == [18, 32, 38]


def test_few_classes_are_all_shown():
    labels, told = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 2, 0])
    predictions = np.eye(3)[told]
    assert curves.confusion(labels, predictions) == tuple(map(tuple, confusion_matrix(labels, told)))
    rows = curves.classes(labels, predictions, ("a", "b", "c"))
    precision, recall, _, support = precision_recall_fscore_support(labels, told)
    np.testing.assert_allclose([each.precision for each in rows], precision)
    np.testing.assert_allclose([each.recall for each in rows], recall)
    assert [(each.name, each.rows) for each in rows] == list(zip("abc", support, strict=True))


def test_many_classes_and_unseen_ones_end_in_others():
    labels = np.array([0, 13, -1, 12, 19])
    found = np.array(curves.confusion(labels, np.eye(20)[[0, 0, 1, 15, 19]]))
    assert found.shape == (13, 13)
    assert found[0, 0] == 1
    assert found[12].tolist() == [1, 1, *[0] * 10, 2]
    few = np.array(curves.confusion(np.array([-1, 0]), np.eye(2)[[1, 0]]))
    assert few.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_labels_one_by_one():
    labels = np.array([[1, 0], [0, 0], [1, 0], [0, 0]], "float32")
    found = curves.label_rows(labels, np.array([[0.9, 0.1], [0.6, 0.2], [0.4, 0.3], [0.1, 0.4]]), ("a", "b"))
    assert found[0] == curves.ClassRow(name="a", rows=2, precision=0.5, recall=0.5, auc=0.75)
    assert found[1] == curves.ClassRow(name="b", rows=0, precision=None, recall=None)


def test_density_has_predicted_across_and_actual_up():
    labels, predicted = np.linspace(0, 30, 1001), np.full(1001, 15.0)
    found = curves.density(labels, predicted)
    columns = [sum(column) for column in found.rows]
    assert columns.index(max(columns)) in {curves.CELLS // 2 - 1, curves.CELLS // 2}
    assert sum(columns) >= 979
    constant = curves.density(np.ones(3), np.ones(3))
    assert (constant.low, constant.high) == (0.5, 1.5)


def test_residuals_by_prediction():
    predicted = np.repeat(np.arange(20.0), 5)
    off = np.tile([-2.0, -1.0, 0.0, 1.0, 2.0], 20)
    found = curves.residuals(predicted + off, predicted)
    assert [each.predicted for each in found] == list(range(20))
    np.testing.assert_allclose(found[7].quantiles, np.quantile(off[:5], curves.BAND), atol=1e-6)


def test_a_quantile_covers_the_labels_that_do_not_exceed_it():
    found = curves.coverage(np.array([1.0, 2, 3, 4]), np.array([[1.5, 4.0]] * 4), (0.1, 0.9))
    assert [(each.level, each.share) for each in found] == [(0.1, 0.25), (0.9, 1.0)]


def test_recall_grows_with_k_and_an_unseen_item_is_never_told():
    found = curves.recall_by_k(np.array([7, 8, -1, 9]), np.array([[7, 1, 2], [1, 2, 8], [-1, 1, 2], [1, 2, 3]]))
    assert found.points == ((1, 0.25), (2, 0.25), (3, 0.5))


@pytest.mark.parametrize("seed", range(3))
def test_thinned_curves_keep_their_ends(seed):
    points = curves.roc(*many(seed)).points
    assert (points[0], points[-1]) == ((0, 0), (1, 1))
    assert list(points) == sorted(points)
