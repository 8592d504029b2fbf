"""The page of a search: every trial in every drawing, on the right axis, escaped, without the network."""

import re

import pytest

from pipeline.problem import Problem
from pipeline.report.trials import render_page, write_page
from pipeline.tuning import Trial, Tuned

EVIL = "<b>tanh</b>"


def make_problem(**tuning) -> Problem:
    space = {
        "layers": [[8], [16, 8]],
        "learning_rate": {"min": 0.001, "max": 0.1, "log": True},
        "dropout": {"min": 0.0, "max": 0.4},
        **dict.fromkeys(("activation", "norm", "l2")),
    }
    return Problem.model_validate(
        {
            "name": "sales",
            "source": {"kind": "csv", "files": "sales.csv"},
            "target": {"column": "sold", "kind": "binary"},
            "tuning": {"objective": "loss", "space": space} | tuning,
        }
    )


def make_tuned(*scores: float, direction: str = "min", **changes) -> Tuned:
    trials = [
        Trial(number=number, score=score, values={"layers": [8], "learning_rate": 0.01, "dropout": 0.1} | changes)
        for number, score in enumerate(scores)
    ]
    trials.sort(key=lambda trial: trial.score, reverse=direction == "max")
    return Tuned(objective="loss", direction=direction, best=trials[0].values, trials=tuple(trials))


def drawings(html: str) -> list[str]:
    """The drawings: the course of the search, then the settings in the order of the space."""
    return re.findall(r"<svg.*?</svg>", html)


def dots(drawing: str) -> list[tuple[float, float, str]]:
    found = re.findall(r'<path d="M(\S+) (\S+)h0"><title>(.*?)</title>', drawing)
    return [(float(across), float(up), title) for across, up, title in found]


def test_each_drawing_has_every_trial():
    html = render_page(make_tuned(0.4, 0.5, 0.3, 0.35), make_problem())
    assert [len(dots(drawing)) for drawing in drawings(html)] == [4] * 4
    assert sorted(re.findall(r"<h3>(.*?)</h3>", html)) == ["dropout", "layers", "learning_rate"]
    assert "random search by loss on the eval split, less is better" in html


def test_the_line_is_the_best_so_far():
    drawing = drawings(render_page(make_tuned(0.4, 0.5, 0.3, 0.35), make_problem()))[0]
    # trials stand at an eighth, three eighths, ...; the axis goes from 0.3 to 0.5, up is 0
    (path,) = re.findall(r'class="line s1" d="(.*?)"', drawing)
    assert path == "M125 100H375V100H625V200H875V200H1000"
    assert dots(drawing)[-1] == (625, 200, "trial 3: 0.3000")


@pytest.mark.parametrize(
    ("setting", "value", "place"),
    [
        ("learning_rate", 0.001, 50),
        ("learning_rate", 0.01, 500),
        ("dropout", 0.4, 950),
        ("dropout", 0.1, 275),
        ("layers", [16, 8], 750),
    ],
)
def test_settings_stand_where_their_axis_says(setting, value, place):
    html = render_page(make_tuned(0.4, **{setting: value}), make_problem())
    names = re.findall(r"<h3>(.*?)</h3>", html)
    ((across, _, _),) = dots(drawings(html)[1 + names.index(setting)])
    assert across == place


def test_trials_of_a_category_are_side_by_side():
    html = render_page(make_tuned(0.4, 0.4), make_problem())
    names = re.findall(r"<h3>(.*?)</h3>", html)
    places = sorted(across for across, _, _ in dots(drawings(html)[1 + names.index("layers")]))
    assert places == [162.5, 337.5]


def test_a_score_far_from_the_others_is_at_the_edge():
    scores = [0.40, 0.41, 0.42, 0.43, 0.44, 0.45, 0.46, 500.0]
    html = render_page(make_tuned(*scores), make_problem())
    places = {title: up for _, up, title in dots(drawings(html)[0])}
    assert places["trial 8: 500.0000"] == 0
    assert places["trial 1: 0.4000"] > 150
    assert "1 trial far worse than the others is drawn at the edge" in html


def test_trials_of_fewer_epochs_are_told_apart():
    tuned = make_tuned(0.4, 0.5, 0.3)
    trials = [
        trial.model_copy(update={"epochs": epochs}) for trial, epochs in zip(tuned.trials, (9, 3, 9), strict=True)
    ]
    html = render_page(tuned.model_copy(update={"trials": tuple(trials)}), make_problem(search="hyperband"))
    shades = re.findall(r'<g class="dots (.*?)">(.*?)</g>', drawings(html)[0])
    assert [(shade, len(re.findall("h0", inner))) for shade, inner in shades] == [("sp", 1), ("s0", 1), ("s1 best", 1)]
    assert "of fewer epochs" in html
    assert "of fewer epochs" not in render_page(make_tuned(0.4), make_problem())


def test_nothing_is_loaded_and_all_is_escaped(tmp_path):
    problem = make_problem(space={"layers": [[8]], "activation": ["relu", "tanh"]})
    tuned = make_tuned(0.4, activation="relu", norm="none", l2=0.001)
    evil = tuned.model_copy(update={"objective": EVIL})
    html = write_page(evil, problem, tmp_path / "reports" / "tuning.html").read_text("utf-8")
    assert EVIL not in html
    assert "&lt;b&gt;tanh" in html
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html
    assert not re.search(r"https?://|url\(|@import|\bsrc=", html)
    assert [file.name for file in (tmp_path / "reports").iterdir()] == ["tuning.html"]
