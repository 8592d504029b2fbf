"""`penstock models`: what each command prints, its exit codes, and that none needs TensorFlow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.models_commands import app
from serving.errors import NotFoundError
from serving.manifest import Lineage, Parity
from serving.push import Candidate, push
from serving.store import find_versions


@pytest.fixture
def base(tmp_path, monkeypatch) -> Path:
    """The pushed models a and b of `sales`, in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PENSTOCK_HOME", raising=False)
    base = tmp_path / ".penstock/serving/sales"
    for content, auc in (("a", 0.9), ("b", 0.95)):
        model = tmp_path / content
        model.mkdir()
        (model / "saved_model.pb").write_text(content)
        lineage = Lineage(
            run=f"run of {content}",
            data={"train": f"d1gest of {content}"},
            rows={"train": 2792},
            schema_digest="5chema",
            code="c0de",
            lock="l0ck",
            problem={"name": "sales", "training": {"epochs": 4 if content == "a" else 5}},
        )
        push(Candidate(model, None, lineage, {"auc": auc}, Parity(rows=100, largest=3e-7)), base, 5)
    return base


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def test_list_shows_the_live_one_first(base):
    lines = [line.split() for line in run("list").splitlines() if line.strip()]
    newest, oldest = max(find_versions(base)), min(find_versions(base))
    assert lines[0] == ["sales"]
    assert lines[1][:4] == ["version", "pushed", "(UTC)", "model"]
    assert (lines[3][0], lines[3][-2:]) == (str(newest), ["0.9500", "live"])
    assert (lines[4][0], lines[4][-1]) == (str(oldest), "0.9000")


def test_show_leads_from_a_version_to_all_that_made_it(base):
    shown = run("show", min(find_versions(base)))
    for word in ("d1gest of a, 2,792 rows", "5chema", "c0de", "l0ck", "run of a", "3.0e-07", "0.9000", "epochs: 4"):
        assert word in shown, word
    found = json.loads(run("show", "--json"))
    assert (found["version"], found["live"], found["lineage"]["code"]) == (max(find_versions(base)), True, "c0de")
    assert [event["action"] for event in found["events"]] == ["push"]


def test_diff_tells_what_differs_and_by_how_much(base):
    old, new = find_versions(base)
    differences = {each["what"]: each for each in json.loads(run("diff", old, new, "--json", code=1))}
    assert differences["lineage.problem.training.epochs"] == {
        "what": "lineage.problem.training.epochs",
        "first": 4,
        "second": 5,
    }
    assert set(differences) == {
        "lineage.data.train",
        "lineage.problem.training.epochs",
        "metrics.auc",
        "files.saved_model.pb",
    }
    assert "+0.0500" in run("diff", old, "live", code=1)
    assert "the same model" in run("diff", new, "live")


def test_verify_names_the_file_and_fails(base):
    assert "2 versions and the history: every file is what was pushed" in run("verify")
    file = base / str(min(find_versions(base))) / "saved_model.pb"
    file.write_text("x")
    assert run("verify", code=1).strip() == f"{file.parent.name}/saved_model.pb: altered"
    assert json.loads(run("verify", "--json", code=1))[0]["what"] == "altered"
    run("verify", "live")


def test_rollback_label_and_live(base):
    old, new = find_versions(base)
    assert run("label", "stable", "live").startswith(f"sales: stable is version {new}; ")
    told = run("rollback", "--why", "too many calls")
    again = max(find_versions(base))
    assert told == f"sales: the model of version {old} is served again, as version {again}\n"
    assert run("rollback", old) == f"sales: nothing to do, version {again} is that model\n"
    assert json.loads(run("live", "--json"))["version"] == again
    assert "d1gest of a" in run("live")
    assert f"in place of {new} (too many calls)" in run("show", "stable")
    assert run("label", "stable", "--remove") == "sales: no version is stable\n"
    assert "no longer stable" not in run("show", "live")


def test_live_at_a_time(base):
    at = json.loads(run("show", min(find_versions(base)), "--json"))["created"]
    found = json.loads(run("live", "--at", at, "--json"))
    assert found["version"] == min(find_versions(base))
    assert found["since"]["lineage"]["data"] == {"train": "d1gest of a"}
    assert "no version was served" in run("live", "--at", "2000-01-01", code=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "newest"], "VERSION: expected a number, live; received 'newest'"),
        (["show", "7"], "received 7"),
        (["verify", "7"], "received 7"),
        (["rollback", "7"], "received 7"),
        (["live", "--at", "yesterday"], "--at: expected a time such as 2026-11-21T09:30, received 'yesterday'"),
        (["list", "--model", "taxi"], "expected taxi, received none, there are sales"),
        (["label", "stable"], "expected a VERSION or --remove, received neither"),
    ],
)
def test_mistakes_are_named(base, arguments, message):
    done = CliRunner().invoke(app, arguments)
    assert message in str(done.exception)


def test_which_model_is_meant(base, tmp_path):
    folder = tmp_path / ".penstock/serving/taxi"
    push(Candidate(tmp_path / "a"), folder, 5)
    assert set(json.loads(run("list", "--json"))) == {"sales", "taxi"}
    (tmp_path / "sales.yaml").write_text(
        "name: sales\nsource: {kind: csv, files: sales.csv}\ntarget: {column: sold, kind: binary}\n"
    )
    for model in ("sales", "sales.yaml", base):
        assert list(json.loads(run("list", "--model", model, "--json"))) == ["sales"]
    assert "expected one of sales, taxi" in str(CliRunner().invoke(app, ["show"]).exception)


def test_no_model_at_all(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "`penstock run` pushes one" in str(CliRunner().invoke(app, ["list"]).exception)
    assert isinstance(CliRunner().invoke(app, ["verify", "--model", str(tmp_path)]).exception, NotFoundError)


@pytest.mark.parametrize(
    "command", [["list"], ["show"], ["verify"], ["rollback"], ["live"], ["label", "stable", "live"]]
)
def test_no_command_needs_tensorflow(base, command):
    code = (
        "import sys, atexit, pipeline.cli\n"
        "heavy = {'tensorflow', 'tfx', 'keras', 'apache_beam', 'pandas', 'ml_metadata'}\n"
        "atexit.register(lambda: print('HEAVY', sorted(heavy & set(sys.modules))))\n"
        f"sys.argv = ['penstock', 'models', *{command!r}]\n"
        "pipeline.cli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "HEAVY []"), done.stderr
