"""The command line: exit codes, messages, and what it does not import."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline.cli import main
from pipeline.owner import own
from pipeline.workspace import open_workspace


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


CSV = "sold,price,shop\n" + "".join(f"{index % 2},{index}.5,s{index % 3}\n" for index in range(60))
YAML = "name: sales\nsource: {kind: csv, files: sales.csv}\ntarget: {column: sold, kind: binary}\n"


@pytest.fixture
def problem(tmp_path) -> Path:
    (tmp_path / "sales.csv").write_text(CSV)
    (tmp_path / "sales.yaml").write_text(YAML)
    return tmp_path / "sales.yaml"


@pytest.fixture
def penstock(monkeypatch, capfd) -> Callable[..., Done]:
    """`penstock(...)`: the command line in this process, for speed; what must not be imported has a test of its own."""

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["penstock", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        code = ended.value.code
        return Done(0 if code is None else int(code), out, err)

    return run


HEAVY = "{'tensorflow', 'tfx', 'keras', 'apache_beam', 'pandas'}"


@pytest.mark.parametrize("arguments", [["--help"], ["check", "PROBLEM"], ["show", "PROBLEM"], ["status", "PROBLEM"]])
def test_light_commands_leave_tensorflow_alone(problem, arguments):
    arguments = [str(problem) if word == "PROBLEM" else word for word in arguments]
    code = (
        "import sys, atexit, pipeline.cli\n"
        f"atexit.register(lambda: print('HEAVY', sorted({HEAVY} & set(sys.modules))))\n"
        f"sys.argv = ['penstock', *{arguments!r}]\n"
        "pipeline.cli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "HEAVY []"), done.stderr


def test_check_says_ok_and_types(penstock, problem):
    done = penstock("check", problem)
    assert done.returncode == 0
    assert "ok, 2 features" in done.stdout
    assert "float  price" in done.stdout


def test_check_as_json(penstock, problem):
    (checked,) = json.loads(penstock("check", problem, "--json").stdout)
    types = {"price": "float", "shop": "bytes", "sold": "int"}
    assert checked | {"used": None} == {"problem": "sales", "types": types, "used": None, "features": 2}
    assert set(checked["used"]) == set(types)


def test_show_fills_in_defaults(penstock, problem):
    content = json.loads(penstock("show", problem, "--json").stdout)
    assert content["features"]["price"] == {
        "kind": "numeric",
        "scale": "zscore",
        "clip": [0.01, 0.99],
        "missing": "mean",
    }
    assert content["training"]["learning_rate"] == 0.003
    assert content["source"]["null"] == ["", "NA"]


def test_show_prints_yaml_that_loads(penstock, problem):
    from pipeline.problem import load_problem

    (problem.parent / "shown.yaml").write_text(penstock("show", problem).stdout)
    assert load_problem(problem.parent / "shown.yaml").problem.features.keys() == {"price", "shop"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (YAML.replace("column: sold", "column: sould"), "target.column: no column 'sould' in the table; near: sold"),
        (YAML.replace("sales.csv", "none.csv"), "none.csv: no such file"),
        (YAML + "nmae: x\n", "sales.yaml:4:1: nmae: unknown key"),
        (YAML.replace("kind: csv", "kind: cvs"), "source.kind: expected one of 'csv', 'delta', 'jsonl'"),
    ],
)
def test_bad_input_is_one_message_and_exit_2(penstock, problem, text, message):
    problem.write_text(text)
    for command in ("check", "run"):
        done = penstock(command, problem)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_label_with_one_class_stops_before_tensorflow(penstock, problem):
    (problem.parent / "sales.csv").write_text("sold,price,shop\n" + "1,2,a\n" * 50)
    done = penstock("run", problem)
    assert done.returncode == 2
    assert "sales.yaml:3: target.column: 'sold' has one class only, 1 in all 50 rows" in done.stderr
    assert not list(problem.parent.glob(".penstock/*/metadata.sqlite"))


def test_label_without_values(penstock, problem):
    (problem.parent / "sales.csv").write_text("sold,price,shop\n" + ",2,a\n" * 50)
    assert "has no value in any of 50 rows" in penstock("run", problem).stderr


def test_status_before_the_first_run(penstock, problem):
    assert json.loads(penstock("status", problem, "--json").stdout) == {"running": None, "runs": [], "versions": {}}


def test_status_says_who_is_at_it(penstock, problem):
    workspace = open_workspace(problem.parent, "sales")
    workspace.folder.mkdir(parents=True)
    with own(workspace, "tune"):
        said = f"process {os.getpid()} on {socket.gethostname()} (`penstock tune` since "
        assert json.loads(penstock("status", problem, "--json").stdout)["running"].startswith(said)
        assert f"Running: {said}" in " ".join(penstock("status", problem).stdout.split())


def test_predict_without_server_is_one_message(penstock, tmp_path):
    (tmp_path / "rows.csv").write_text("a\n1\n")
    done = penstock("predict", "m", tmp_path / "rows.csv", "--url", "http://127.0.0.1:9")
    assert done.returncode == 2
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


def test_shell_completion_is_offered(penstock):
    assert "--install-completion" in penstock("--help").stdout


def test_init_as_json(penstock, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.csv").write_text(CSV)
    made = json.loads(penstock("init", "shop.csv", "--label", "sold", "--json").stdout)
    assert made["problem"] == str(tmp_path / "problems/shop.yaml")
    assert penstock("check", made["problem"]).returncode == 0


def test_fetch_with_nothing_to_fetch(penstock, problem):
    assert json.loads(penstock("fetch", problem, "--json").stdout) == {"fetched": []}


@pytest.mark.parametrize("grpc_port", [None, 8500])
def test_ready_line_of_serve_names_grpc_when_there_is_one(penstock, monkeypatch, tmp_path, grpc_port):
    from serving.server import run

    monkeypatch.setattr(run, "serve", lambda models, host, ports, on_ready, *_: on_ready(ports))
    options = [] if grpc_port is None else ["--grpc-port", grpc_port]
    ready = json.loads(penstock("serve", tmp_path, "--name", "m", "--port", 8501, "--json", *options).stdout)
    assert ready.pop("grpc", None) == (grpc_port and f"127.0.0.1:{grpc_port}")
    assert ready == {"url": "http://127.0.0.1:8501", "model": "m"}


def test_settings_of_serve_are_read_before_anything_is_served(penstock, monkeypatch, tmp_path):
    from serving.server import run

    served = []
    monkeypatch.setattr(run, "serve", lambda models, host, ports, on_ready, poll_s, settings: served.append(settings))
    (tmp_path / "serving.yaml").write_text("limits: {headers: 7}\ntls: {certificate: a, key: b}\n")
    assert penstock("serve", tmp_path, "--config", tmp_path / "serving.yaml").returncode == 0
    assert (served[0].limits.headers, served[0].tls.key) == (7, tmp_path / "b")
    (tmp_path / "serving.yaml").write_text("limits: {header: 7}\n")
    refused = penstock("serve", tmp_path, "--config", tmp_path / "serving.yaml")
    assert (refused.returncode, len(served)) == (2, 1)
    assert "serving.yaml:1:10: limits.header: unknown key" in refused.stderr


CONFIG = 'model_config_list { config { name: "a" base_path: "/a" model_platform: "tensorflow" } }'


def test_serve_takes_a_models_config(penstock, monkeypatch, tmp_path):
    from serving.server import run

    monkeypatch.setattr(run, "serve", lambda models, host, ports, on_ready, poll_s, settings: on_ready(ports))
    (tmp_path / "models.config").write_text(CONFIG)
    ready = json.loads(penstock("serve", "--models-config", tmp_path / "models.config", "--json").stdout)
    assert ready == {"url": "http://127.0.0.1:8501", "models": ["a"]}


@pytest.mark.parametrize(
    "options", [(), ("DIR", "--models-config", "FILE"), ("--models-config", "FILE", "--name", "m")]
)
def test_serve_takes_a_folder_or_a_models_config(penstock, tmp_path, options):
    (tmp_path / "models.config").write_text(CONFIG)
    places = {"DIR": tmp_path, "FILE": tmp_path / "models.config"}
    refused = penstock("serve", *(places.get(option, option) for option in options))
    assert refused.returncode == 2
    assert "expected PROBLEM|DIR, with or without --name, or --models-config FILE alone" in refused.stderr


def test_serve_names_the_line_of_a_faulty_models_config(penstock, tmp_path):
    (tmp_path / "models.config").write_text(f"\n{CONFIG} x")
    refused = penstock("serve", "--models-config", tmp_path / "models.config")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert f"{tmp_path / 'models.config'}:2:" in refused.stderr
