"""`penstock init --ci`: files that their servers accept, whose commands exist, and that handle every exit code."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipeline.ci import write_ci
from pipeline.cli import app
from pipeline.errors import InputError

FILES = {"github": ".github/workflows/penstock.yml", "jenkins": "Jenkinsfile", "azure": "azure-pipelines.yml"}
every_server = pytest.mark.parametrize("server", FILES)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """A repository with three problems."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "problems").mkdir()
    for name in ("flights", "shop-1.2", "true"):
        (tmp_path / f"problems/{name}.yaml").touch()
    return tmp_path


def text_of(server: Any, folder: Path) -> str:
    return write_ci(server, folder).read_text("utf-8")


def load(server: str, folder: Path) -> Any:
    return YAML(typ="safe").load(text_of(server, folder))


def check_by_schema(server: str, content: Any, file: Path) -> int:
    """Hold a document against the schema that check-jsonschema brings along; return its exit code."""
    from check_jsonschema import main

    YAML(typ="safe").dump(content, file)
    name = {"github": "github-workflows", "azure": "azure-pipelines"}[server]
    with pytest.raises(SystemExit) as ended:
        # some patterns of the schemas escape more than Unicode expressions may
        main(["--builtin-schema", f"vendor.{name}", "--regex-variant", "nonunicode", str(file)])
    return int(ended.value.code or 0)


def expand(node: Any, problems: list[str]) -> Any:
    """Do what Azure does before it looks at a pipeline: repeat the jobs and fill in the problem."""
    if isinstance(node, dict):
        return {key: expand(value, problems) for key, value in node.items()}
    if not isinstance(node, list):
        return node
    each = "${{ each problem in parameters.problems }}"
    made = []
    for item in node:
        repeated = item.get(each, ()) if isinstance(item, dict) else ()
        made += [fill_in(job, problem) for problem in problems for job in repeated] or [expand(item, problems)]
    return made


def fill_in(job: Any, problem: str) -> Any:
    identifier = re.sub(r"[-.]", "_", problem)
    text = json.dumps(job).replace("${{ replace(replace(problem, '-', '_'), '.', '_') }}", identifier)
    return json.loads(text.replace("${{ problem }}", problem))


@pytest.mark.parametrize("server", ["github", "azure"])
def test_the_schema_of_the_server_accepts_it(server, folder, capsys):
    content = expand(load(server, folder), ["flights", "shop-1.2"])
    assert server == "github" or "${{" not in json.dumps(content)
    assert check_by_schema(server, content, folder / "made.yml") == 0, capsys.readouterr().out
    broken = json.loads(json.dumps(content).replace('"steps"', '"step"'))
    assert check_by_schema(server, broken, folder / "made.yml") == 1


@every_server
def test_it_is_where_the_server_looks_and_has_every_problem(server, folder):
    text = text_of(server, folder)
    assert (folder / FILES[server]).read_text() == text
    assert '"PROBLEM"' not in text
    lists = re.findall(r'"flights", "shop-1\.2", "true"', text)
    assert len(lists) == (3 if server == "github" else 1)


def test_problems_are_texts_to_both_yaml_servers(folder):
    jobs = load("github", folder)["jobs"]
    assert {tuple(job["strategy"]["matrix"]["problem"]) for job in jobs.values()} == {("flights", "shop-1.2", "true")}
    (parameter,) = load("azure", folder)["parameters"]
    assert parameter["default"] == ["flights", "shop-1.2", "true"]


@every_server
def test_every_command_and_option_exists(server, folder):
    found = re.findall(r"penstock ((?:models )?[a-z]+)((?: [^|&\n>']+)?)", "\n".join(commands_of(server, folder)))
    names = {name for name, _ in found}
    assert names == {"check", "fetch", "validate", "run", "models list", "report", "push"}
    for name, rest in found:
        command: Any = typer.main.get_command(app)
        for word in name.split():
            command = command.commands[word]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        given = {word for word in shlex.split(rest) if word.startswith("--")}
        assert given <= known, (name, given - known)
    push = next(rest for name, rest in found if name == "push")
    assert "run_id" in push
    assert all("--no-push" in rest for name, rest in found if name == "run")


def commands_of(server: str, folder: Path) -> list[str]:
    """Return the lines that a shell runs."""
    lines = text_of(server, folder).splitlines()
    return [line for line in lines if not line.lstrip().startswith(("#", "//", "-  "))]


STEPS = {"github": "run", "azure": "bash"}


@pytest.mark.parametrize("server", STEPS)
@pytest.mark.parametrize("code", [0, 1, 2, 3, 137])
def test_the_run_ends_as_penstock_does_and_says_why(server, code, folder):
    script = next(text for text in find(load(server, folder), STEPS[server]) if "--no-push" in text)
    program = folder / ".venv/bin/penstock"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\necho \'{{"run_id": "1"}}\'\nexit {code}\n')
    program.chmod(0o755)
    environment = {"PATH": f"{program.parent}:{os.environ['PATH']}", "PENSTOCK_HOME": "/shared", "PROBLEM": "flights"}
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script.replace("${{ problem }}", "flights")],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    told = {0: "", 1: "the run failed", 2: "is wrong", 3: "a gate refused", 137: "exit code 137"}[code]
    assert told in done.stdout
    assert bool(done.stdout) == bool(code)
    assert (folder / "run.json").read_text() == '{"run_id": "1"}\n'


@pytest.mark.parametrize("server", STEPS)
def test_without_a_place_for_the_workspace_nothing_runs(server, folder):
    script = next(text for text in find(load(server, folder), STEPS[server]) if "--no-push" in text)
    done = subprocess.run(
        ["bash", "-ec", script.replace("${{ problem }}", "x")], env={}, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "set the variable PENSTOCK_HOME" in done.stderr


def find(node: Any, key: str) -> list[str]:
    """Return the texts under this key, at any depth."""
    if not isinstance(node, dict | list):
        return []
    found = [node[key]] if isinstance(node, dict) and isinstance(node.get(key), str) else []
    for value in node.values() if isinstance(node, dict) else node:
        found += find(value, key)
    return found


def test_github_pushes_only_what_was_approved_from_main(folder):
    jobs = load("github", folder)["jobs"]
    assert jobs["push"]["environment"] == "production"
    assert jobs["push"]["needs"] == "train"
    assert jobs["train"]["needs"] == "validate"
    assert "refs/heads/main" in jobs["train"]["if"]
    # a stranger's pull request gets neither the models' runners nor a word of its own into a shell
    assert jobs["validate"]["runs-on"] == "ubuntu-24.04"
    assert not [text for text in find(jobs, "run") if "${{" in text]
    assert all(re.fullmatch(r"[\w/-]+@v\d+", used) for used in find(jobs, "uses"))


def test_azure_pushes_only_what_was_approved_from_main(folder):
    validate, train, push = load("azure", folder)["stages"]
    assert "refs/heads/main" in train["condition"]
    assert (train["dependsOn"], push["dependsOn"]) == ("validate", "train")
    ((deployment,),) = (jobs for job in push["jobs"] for jobs in job.values())
    assert deployment["environment"] == "production"
    ((job,),) = (jobs for job in validate["jobs"] for jobs in job.values())
    assert job["pool"] == {"vmImage": "ubuntu-24.04"}


def test_the_jenkinsfile_has_the_form_of_a_declarative_pipeline(folder):
    text = text_of("jenkins", folder)
    bare = re.sub(r"'''.*?'''|'[^'\n]*'|\"[^\"\n]*\"|//[^\n]*", "''", text, flags=re.DOTALL)
    depth = 0
    for sign in bare:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    assert bare.count("(") == bare.count(")")
    stages = re.split(r"(?=stage\('(?:Validate|Train|Push)'\))", text)[1:]
    assert [re.match(r"stage\('(\w+)'", stage)[1] for stage in stages] == ["Validate", "Train", "Push"]  # type: ignore[index]
    assert all("agent { label 'penstock' }" in stage for stage in stages)
    validate, train, push = stages
    assert "junit testResults: 'validate.xml'" in validate
    assert "branch 'main'" in train
    assert "beforeInput true" in push
    assert "input {" in push
    for code in range(4):
        assert f"case {code}: " in text


@every_server
def test_a_file_that_is_there_stays(server, folder):
    file = folder / FILES[server]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        write_ci(server, folder)
    assert file.read_text() == "mine"


def test_without_problems_there_is_nothing_to_run(folder):
    for file in (folder / "problems").iterdir():
        file.unlink()
    with pytest.raises(InputError, match=r"expected at least one NAME\.yaml to run, received none"):
        write_ci("github", folder)


def test_init_writes_it_alone_or_beside_a_problem(folder):
    done = CliRunner().invoke(app, ["init", "--ci", "jenkins"])
    assert done.output == "wrote Jenkinsfile\n"
    rows = "".join(f"{index % 7},{index % 2}\n" for index in range(50))
    (folder / "shop.csv").write_text(f"a,y\n{rows}")
    done = CliRunner().invoke(app, ["init", "shop.csv", "--label", "y", "--ci", "azure"])
    assert "wrote problems/shop.yaml and schemas/shop.pbtxt and azure-pipelines.yml" in done.output
    assert '"shop"' in (folder / "azure-pipelines.yml").read_text()


@pytest.mark.parametrize(
    ("arguments", "received"),
    [([], "neither"), (["shop.csv"], "DATA"), (["--label", "y", "--ci", "github"], "--label")],
)
def test_init_needs_a_table_with_its_label_or_a_server(arguments, received):
    done = CliRunner().invoke(app, ["init", *arguments])
    assert f"expected DATA and --label, or --ci alone; received {received}" in str(done.exception)


def test_the_page_tells_of_every_file():
    page = (Path(__file__).parents[3] / "docs/ci.md").read_text("utf-8")
    assert dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", page, re.MULTILINE)) == FILES
