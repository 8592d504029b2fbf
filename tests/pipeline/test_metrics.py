"""Which NaN stops a model."""

from pipeline.metrics import SliceMetrics, undefined

NAN = float("nan")


def test_precision_without_a_positive_prediction_stops_nobody():
    assert undefined(SliceMetrics(slice={}, values={"auc": 0.8, "precision": NAN, "log_loss": 0.3}), ["auc"]) == []


def test_gated_metric_must_be_a_number():
    assert undefined(SliceMetrics(slice={}, values={"auc": 0.8, "precision": NAN}), ["precision"]) == ["precision"]


def test_nan_loss_stops_without_a_gate():
    assert undefined(SliceMetrics(slice={}, values={"auc": 0.5, "log_loss": NAN}), []) == ["log_loss"]
    assert undefined(SliceMetrics(slice={}, values={"rmse": NAN, "r2": NAN}), []) == ["rmse"]
