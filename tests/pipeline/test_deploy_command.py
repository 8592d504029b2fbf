"""`penstock deploy render`: what it takes from problems, runs and versions, what it prints and refuses."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import InputError
from pipeline.infra.verdict import Verdict, write_verdict
from serving.artifact import Signature, TensorSpec

PROBLEM = "name: {name}\nsource: {{kind: csv, files: a.csv}}\ntarget: {{column: y, kind: binary}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PENSTOCK_HOME", raising=False)
    (tmp_path / "shop.yaml").write_text(PROBLEM.format(name="shop"))
    return tmp_path


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["deploy", "render", *arguments])
    if done.exception:
        raise done.exception
    return done.output


def memory_mb() -> int:
    (server,) = json.loads(run("kserve", "shop.yaml", "--out", "out", "--json"))["servers"]
    assert (server["name"], server["batching"]) == ("shop", True)
    return server["memory_mb"]


def test_every_target_is_written_and_told(folder):
    for target, count in (("compose", 7), ("kubernetes", 3), ("kserve", 3)):
        lines = run(target, "shop.yaml", "--out", f"deploy/{target}").splitlines()
        assert lines[-1] == "shop: 2,000 MB memory"
        assert len(lines) == count + 1
        assert all((folder / line.removeprefix("wrote ")).is_file() for line in lines[:-1])
    assert "${PENSTOCK_MODELS:-../../.penstock/serving}" in (folder / "deploy/compose/compose.yaml").read_text()


def test_memory_is_the_budget_else_what_the_newest_run_measured(folder, monkeypatch):
    write_verdict(Verdict(server="embedded", size_mb=1, rss_mb=1000), folder)
    tried = SimpleNamespace(output={"InfraBlessing": SimpleNamespace(uri=str(folder))}.get)
    stopped = SimpleNamespace(output={}.get)
    monkeypatch.setattr("pipeline.lineage.read_runs", lambda *_: [stopped, tried])
    assert memory_mb() == 1500
    (folder / "shop.yaml").write_text(PROBLEM.format(name="shop") + "budget: {rss_mb: 600}\n")
    assert memory_mb() == 900
    (folder / "shop.yaml").write_text(PROBLEM.format(name="shop"))
    (folder / "verdict.json").unlink()
    assert memory_mb() == 2000


def test_lists_of_any_length_are_not_batched(folder, monkeypatch):
    (folder / ".penstock/serving/shop/7").mkdir(parents=True)
    spec = TensorSpec("x", "float", (-1, -1))
    monkeypatch.setattr(
        "serving.artifact.read_signatures", lambda _: {"serving_default": Signature({"x": spec}, {}, "")}
    )
    assert "no batching, for a model takes lists of any length" in run("compose", "shop.yaml", "--out", "out")
    assert not (folder / "out/batching.config").exists()
    # of KServe's servers each has one model
    (folder / "other.yaml").write_text(PROBLEM.format(name="other"))
    told = run("kserve", "shop.yaml", "other.yaml", "--out", "out").splitlines()[-2:]
    assert told == [
        "shop: 2,000 MB memory, no batching, for a model takes lists of any length",
        "other: 2,000 MB memory",
    ]


def test_several_problems_share_a_server_and_a_folder(folder):
    (folder / "other.yaml").write_text(PROBLEM.format(name="other"))
    run("compose", "shop.yaml", "other.yaml", "--out", "out", "--gpu")
    assert (folder / "out/models.config").read_text().count("base_path") == 2
    assert "tensorflow/serving:2.19.1-gpu" in (folder / "out/compose.yaml").read_text()
    (folder / "far").mkdir()
    (folder / "far/other.yaml").write_text(PROBLEM.format(name="other"))
    with pytest.raises(Exception, match="expected problems that push to one folder"):
        run("compose", "shop.yaml", "far/other.yaml", "--out", "out")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("replica: {}", "deploy.yaml:1:1: replica: unknown key"),
        ("images:\n  server: tensorflow/serving:latest", "deploy.yaml:2: images.server: expected an image with a tag"),
        ("images: {proxy: 'registry:5000/nginx'}", "images.proxy: expected an image with a tag other than latest"),
        ("replicas: {least: 3, most: 2}", "replicas: expected least up to most, received 3 and 2"),
        ("batching: {max_rows: 8, allowed_sizes: [8, 4]}", "expected allowed_sizes that grow up to max_rows (8)"),
        ("auth: {token: abc}", "auth.token: unknown key"),
        ("namespace: My_Space", "namespace: "),
    ],
)
def test_what_is_wrong_is_told_with_line_and_key_and_nothing_is_written(folder, text, error):
    (folder / "deploy.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        run("kubernetes", "shop.yaml", "--out", "out", "--config", "deploy.yaml")
    assert error in str(caught.value)
    assert not (folder / "out").exists()


def test_models_that_a_cluster_would_confuse_are_refused(folder):
    for name in ("a_b", "a.b"):
        (folder / f"{name}.yaml").write_text(PROBLEM.format(name=name))
    with pytest.raises(Exception, match=r"names differ on a cluster, received a_b, a\.b"):
        run("kserve", "a_b.yaml", "a.b.yaml", "--out", "out")


def test_a_full_disk_is_named(folder):
    (folder / "out").write_text("")
    with pytest.raises(Exception, match=r"out.*bytes are free"):
        run("kserve", "shop.yaml", "--out", "out")


def test_no_tensorflow_is_loaded():
    code = (
        "import sys\nfrom pipeline.cli import app\n"
        "try:\n    app(['deploy', 'render', 'kubernetes', 'shop.yaml', '--out', 'out'])\n"
        "finally:\n    print(sorted({'tensorflow', 'tfx', 'keras', 'apache_beam', 'pandas'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("[]\n")
