"""`penstock rollout`: what each command prints and decides, its exit codes, labels that come later, no TensorFlow."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipeline.errors import InputError
from pipeline.render import _next_steps
from pipeline.rollout_commands import app
from pipeline.rollout_labels import Labels, score_sides
from pipeline.rollout_view import list_bars
from serving.bookkeeping import read_standing
from serving.canary.plan import Labelled
from serving.canary.sketch import Sketch
from serving.canary.tally import Sides
from serving.canary_control import look
from serving.errors import ServingError
from serving.push import Candidate, push
from serving.store import find_versions
from serving.tallies import dump_sides, find_step, write_sides

PLAN = """
key: id
output: y
steps:
  - {share: 0.2, mode: shadow, requests: 100, minutes: 0}
  - {share: 0.5, requests: 100, minutes: 0}
rules:
  p99_ms: {worse_by: 2x}
  auc: {worse_by: 0.1, required: true}
"""


@pytest.fixture
def base(tmp_path, monkeypatch) -> Path:
    """The pushed models a and b of `sales`, and a plan, in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PENSTOCK_HOME", raising=False)
    (tmp_path / "plan.yaml").write_text(PLAN)
    base = tmp_path / ".penstock/serving/sales"
    for content in "ab":
        model = tmp_path / content
        model.mkdir()
        (model / "saved_model.pb").write_text(content)
        push(Candidate(model), base, 5)
    return base


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def serve(base: Path, errors: int = 0) -> None:
    """Let a server have counted 20,000 requests to each side, of which the canary failed some."""
    sides, rollout = Sides(), look(base).rollout
    for side, failed in ((sides.stable, 0), (sides.canary, errors)):
        side.requests, side.errors = 20_000, failed
        side.latency_ms.add(np.geomspace(9, 11, 20_000 - failed))
        side.predictions.add(np.linspace(0, 1, 20_000 - failed))
    sides.canary.differences.add(np.repeat([-0.5, 0, 0.5], [10, 40, 20]))
    write_sides(find_step(base, rollout.trial.id, rollout.state.step), "one", dump_sides(sides))


def test_a_roll_out_from_start_to_promotion(base):
    newest = max(find_versions(base))
    said = run("start", "plan.yaml", "--why", "weekly")
    assert f"sales: 20 % of the requests are copied to version {newest}; stable is {max(find_versions(base))}" in said
    assert "step 1 of 2: 20 % of the requests copied" in run("status")
    serve(base)
    assert f"sales: version {newest} step 2, 50 % of the requests: 20,000 requests" in run("watch", "--once")
    serve(base)
    shown = run("status")
    for words in (
        "error_rate",
        "kept",
        "no data",
        "Differences, canary less stable",
        "weekly",
        "step 2: 20,000",
    ):
        assert words in shown, words
    assert "running" in run("watch", "--once")
    assert "promoted: enough" in run("promote", "--why", "enough")
    found = json.loads(run("status", "--json"))
    assert (found["phase"], found["canary"]["version"], found["steps"][0]["mode"]) == ("promoted", newest, "shadow")
    assert [each["what"] for each in found["log"]] == ["start", "advance", "promote", "finish"]


def test_watch_ends_with_1_when_it_has_rolled_back(base):
    run("start", "plan.yaml")
    serve(base, errors=2000)
    assert "rolled back: error_rate broken: 0.1 against 0" in run("watch", "--every", 0.1, code=1)
    assert json.loads(run("status", "--json", code=1))["phase"] == "aborted"


def test_a_plan_that_makes_no_sense_changes_nothing(base):
    Path("plan.yaml").write_text("steps:\n  - {share: 2}\nrule: {}\n")
    with pytest.raises(
        InputError, match=r"plan\.yaml:2: steps\.0\.share: .*less than or equal to 1, received '2'"
    ) as told:
        CliRunner().invoke(app, ["start", "plan.yaml"], catch_exceptions=False)
    assert "plan.yaml:3:1: rule: unknown key" in str(told.value)
    assert len(find_versions(base)) == 2


def test_what_needs_a_roll_out_says_so(base):
    for command in ("status", "watch", "promote", "abort"):
        with pytest.raises(ServingError, match="`penstock rollout start` begins one"):
            CliRunner().invoke(app, [command], catch_exceptions=False)
    run("start", "--canary", min(find_versions(base)))
    assert "rolled back: by hand" in run("abort")
    with pytest.raises(ServingError, match="is over: aborted"):
        CliRunner().invoke(app, ["abort"], catch_exceptions=False)


@pytest.fixture
def log(base, tmp_path) -> Path:
    """2,000 answers of each side after the roll-out began, and one before; labels as the answers foretell them."""
    run("start", "plan.yaml")
    trial, since = look(base).rollout.trial, look(base).rollout.since
    random = np.random.default_rng(4)
    answers = random.uniform(0, 1, 4000)
    table = {
        "time": [since - timedelta(seconds=1), *(since + timedelta(milliseconds=place) for place in range(4000))],
        "version": [trial.canary, *np.repeat([trial.stable, trial.canary], 2000).tolist()],
        "id": [7.0, *np.arange(4000.0)],
        "y": [[0.0], *([answer] for answer in answers)],
    }
    folder = tmp_path / "log"
    folder.mkdir()
    pq.write_table(pa.table(table), folder / "one.parquet")
    labels = random.uniform(0, 1, 4000) < answers
    lines = [f"{place},{int(label)}" for place, label in enumerate(labels)]
    (tmp_path / "labels.csv").write_text("\n".join(["id,late", *lines]))
    return folder


def test_labels_that_come_later_are_joined_by_key(base, log):
    rollout = look(base).rollout
    ((name, (stable, canary)),) = score_sides(base, Labels(Path("labels.csv"), "late", log), rollout).items()
    assert (name, stable.rows, canary.rows) == ("auc", 2000, 2000)
    # of a label that is 1 with the probability of the prediction, which is uniform: 5 / 6
    assert stable.estimate == pytest.approx(5 / 6, abs=0.03)
    assert canary.estimate == pytest.approx(5 / 6, abs=0.03)
    shown = run("status", "--labels", "labels.csv", "--label", "late", "--log", log)
    assert any(line.split()[:1] == ["auc"] and line.split()[-1] == "kept" for line in shown.splitlines())


def change(log, **columns):
    """Let columns of the log be others."""
    table = pq.read_table(log / "one.parquet")
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    pq.write_table(table, log / "one.parquet")


def test_texts_are_right_or_wrong(base, log):
    plan = look(base).rollout.trial.plan
    rules = plan.rules.model_copy(update={"auc": None, "accuracy": Labelled(worse_by=0.1)})
    rollout = look(base).rollout
    trial = rollout.trial.model_copy(update={"plan": plan.model_copy(update={"rules": rules})})
    change(log, y=[["a"], *([["a"], ["b"]] * 2000)])
    # of stable's rows every second one is a, of the canary's every fourth label is another
    labels = ["a"] * 2000 + ["a", "b", "a", "a"] * 500
    Path("labels.csv").write_text("\n".join(["id,late", *(f"{place},{label}" for place, label in enumerate(labels))]))
    ((name, (stable, canary)),) = score_sides(
        base, Labels(Path("labels.csv"), "late", log), rollout._replace(trial=trial)
    ).items()
    assert (name, stable.rows, canary.rows) == ("accuracy", 2000, 2000)
    assert (stable.estimate, canary.estimate) == (0.5, 0.75)


def test_what_does_not_go_together_is_said(base, log):
    rollout, labels = look(base).rollout, Labels(Path("labels.csv"), "late", log)
    Path("texts.csv").write_text("id,late\n1,0\n2,perhaps\n")
    with pytest.raises(InputError, match=r"texts\.csv: expected numbers in 'late', received 'perhaps'"):
        score_sides(base, labels._replace(file=Path("texts.csv")), rollout)
    change(log, y=[["a"]] * 4001)
    with pytest.raises(InputError, match="rules: expected accuracy, for 'y' answers with texts; received auc"):
        score_sides(base, labels, rollout)
    change(log, y=[[0.1, 0.9]] * 4001)
    with pytest.raises(InputError, match="output: expected one value a row, 'y' has 2; choose another output"):
        score_sides(base, labels, rollout)


def test_few_labels_make_no_metric(base, log):
    Path("labels.csv").write_text("id,late\n1,0\n2,0\n")
    assert score_sides(base, Labels(Path("labels.csv"), "late", log), look(base).rollout) == {}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (Labels(Path("none.csv"), "late", Path("log")), r"--labels: none\.csv: expected a file, received none"),
        (Labels(Path("labels.csv"), "later", Path("log")), "expected a column for the --label, received later"),
        (Labels(Path("labels.csv"), "late", Path("a")), "expected Parquet files of the request log, received none"),
        (Labels(Path("twice.csv"), "late", Path("log")), "expected one row a id, received several"),
        (
            Labels(Path("keyless.csv"), "late", Path("log")),
            "expected a column for the key of the roll-out, received id",
        ),
    ],
)
def test_what_is_wrong_with_labels_is_said(base, log, labels, message):
    Path("twice.csv").write_text("id,late\n1,0\n1,1\n")
    Path("keyless.csv").write_text("key,late\n1,0\n")
    with pytest.raises(InputError, match=message):
        score_sides(base, labels, look(base).rollout)


def test_labels_and_log_belong_together(base):
    with pytest.raises(InputError, match="expected --labels and --log, received --labels alone"):
        CliRunner().invoke(app, ["watch", "--labels", "labels.csv"], catch_exceptions=False)


def test_a_histogram_holds_all_values():
    sketch = Sketch()
    sketch.add(np.repeat([-1.0, 0.0, 1.0, 50.0], [10, 980, 9, 1]))
    bars = list_bars(sketch)
    assert len(bars) == 11
    assert sum(count for *_, count in bars) == 1000
    assert max(bars, key=lambda bar: bar[2])[2] == 980
    one = Sketch()
    one.add(np.zeros(5))
    assert [count for *_, count in list_bars(one)] == [5]


def test_it_needs_no_tensorflow(base):
    code = "import sys, pipeline.rollout_commands as r; r.app(['start'], standalone_mode=False); r.app(['status'], "
    code += "standalone_mode=False); print([name for name in ('tensorflow', 'keras', 'tfx') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_run_that_began_a_roll_out_says_what_decides_it(base):
    newest = max(find_versions(base))
    result = SimpleNamespace(problem="sales", pushed=SimpleNamespace(path=base / str(newest)))
    assert "rollout" not in _next_steps(result, Path("sales.yaml")).plain
    run("start")
    assert "penstock rollout watch --model sales.yaml\n" in _next_steps(result, Path("sales.yaml")).plain


@pytest.mark.tensorflow
def test_a_model_that_a_roll_out_took_back_says_how_to_try_it_again(base):
    from pipeline.pushing import explain

    newest = max(find_versions(base))
    run("start")
    run("abort", "--why", "slow")
    (withdrawn,) = read_standing(base).withdrawn.values()
    assert explain(withdrawn).endswith(f"(slow); `penstock rollout start --canary {newest}` tries it again")
