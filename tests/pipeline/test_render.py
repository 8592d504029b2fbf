"""What `penstock run` shows."""

import io

from rich.console import Console

from pipeline.metrics import FoldMetric, Folds
from pipeline.render import render_folds


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
