"""What `penstock run` shows."""

import io
from types import SimpleNamespace

from rich.console import Console

from pipeline.blessing import Blessing, Judged
from pipeline.metrics import FoldMetric, Folds, SliceMetrics
from pipeline.render import open_console, render_answers, render_folds, render_judged


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
    chosen = blessing.model_copy(update={"threshold": 0.13471786})
    screen = io.StringIO()
    Console(width=80, file=screen).print(render_judged(chosen, slices))
    assert "Metrics on the test split, decisions at 0.135" in screen.getvalue()
    alone = judged.model_copy(update={"served": None, "difference": None})
    screen = io.StringIO()
    Console(width=80, file=screen).print(render_judged(blessing.model_copy(update={"metrics": (alone,)}), []))
    assert "auc 0.9000 0.8800 – 0.9200" in [" ".join(line.split()) for line in screen.getvalue().splitlines()]


def shown(answer: object, width: int = 80) -> str:
    screen = io.StringIO()
    open_console(width=width, file=screen).print(render_answers([answer], ["[b]"], [{"tag": "[sale]"}]))
    return " ".join(screen.getvalue().split())


def test_text_of_the_data_is_no_markup():
    assert shown({"value": ":new:", "of": ["[/x]"]}).endswith("1 [sale] value :new:, of [[/x]] [b]")


def test_many_names_are_told_with_their_numbers_the_largest_first():
    labels = {"labels": ["a", "b", "c"], "probabilities": [0.25, 0.5, 0.125]}
    assert shown(labels).endswith("1 [sale] b 0.5, a 0.25, c 0.125 [b]")
    items = {"items": [f"i{number}" for number in range(100)], "scores": [1 - number / 128 for number in range(100)]}
    assert "i0 1, i1 0.9922, " in shown(items, 200)
    assert "i7 0.9453, 92 more [b]" in shown(items, 200)


def test_an_answer_of_another_form_is_told_as_it_is():
    assert shown({"label": "mid", "probabilities": [0.75, 0.25]}).endswith("label mid, probabilities [0.75, 0.25] [b]")
    assert shown([0.1] * 10, 200).endswith("[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 2 more] [b]")


def test_why_takes_what_room_there_is():
    from pipeline.reasons import ComponentResult
    from pipeline.render import _times

    long = "its inputs evaluation, model blessing, infra blessing are new (Evaluator, InfraValidator ran)"
    reasons = (
        ("ExampleGen", "cached", "reused"),
        ("Trainer", "complete", "training.epochs: 3 -> 5"),
        ("P", "failed", long),
    )
    components = [ComponentResult(id=name, state=state, seconds=3.0, reason=reason) for name, state, reason in reasons]
    console = open_console(width=80, file=io.StringIO())
    console.print(_times(SimpleNamespace(components=components)))
    lines = [" ".join(line.split()) for line in console.file.getvalue().splitlines()]
    bar = "█" * 12
    assert lines[3:6] == [
        "ExampleGen cached reused",
        f"Trainer 3.0 {bar} training.epochs: 3 -> 5",
        f"P 3.0 {bar} its inputs evaluation, model blessing, …",
    ]
