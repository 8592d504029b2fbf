"""What `penstock run` shows."""

import io

from rich.console import Console

from pipeline.blessing import Blessing, Judged
from pipeline.metrics import FoldMetric, Folds, SliceMetrics
from pipeline.render import render_folds, render_judged


def test_folds_are_mean_deviation_and_each_value():
    metrics = {
        "log_loss": FoldMetric(values=(None, 0.25), mean=0.25, deviation=None),
        "auc": FoldMetric(values=(0.81, 0.91), mean=0.86, deviation=0.070711),
    }
    screen = io.StringIO()
    Console(width=80, file=screen).print(render_folds(Folds(trained=(9, 9), judged=(5, 4), metrics=metrics)))
    lines = [line.strip() for line in screen.getvalue().splitlines() if line.strip()]
    assert lines[0] == "Metrics over 2 folds of train and eval"
    assert lines[-2].split("  ", 1)[0] == "auc"
    assert lines[-2].endswith("0.8600 ± 0.0707   0.8100  0.9100")
    assert lines[-1].endswith("0.2500 ± –   –  0.2500")


def test_metrics_stand_beside_those_of_the_served_model():
    judged = Judged(
        metric="auc",
        slice={},
        rows=900,
        value=0.9,
        low=0.88,
        high=0.92,
        served=0.85,
        difference=(0.05, 0.03, 0.07),
        negligible=0.003,
    )
    blessing = Blessing(
        blessed=True, split="test", threshold=0.5, confidence=0.95, metrics=(judged,), gates=(), broken=()
    )
    slices = [SliceMetrics(slice={"shop": "a"}, values={"auc": 0.8, "example_count": 400})]
    screen = io.StringIO()
    Console(width=80, file=screen).print(render_judged(blessing, slices))
    lines = [" ".join(line.split()) for line in screen.getvalue().splitlines()]
    assert "Metrics on the test split" in lines
    assert "auc 0.9000 0.8800 – 0.9200 0.8500 +0.0300 to +0.0700 better" in lines
    assert "shop a 400 0.8000" in lines
    alone = judged.model_copy(update={"served": None, "difference": None})
    screen = io.StringIO()
    Console(width=80, file=screen).print(render_judged(blessing.model_copy(update={"metrics": (alone,)}), []))
    assert "auc 0.9000 0.8800 – 0.9200" in [" ".join(line.split()) for line in screen.getvalue().splitlines()]
