"""The files that other programs read: make, docker compose, GitHub, pre-commit."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
NAMES_TARGETS = ["README.md", "CONTRIBUTING.md", "Dockerfile", ".ci/run", ".pre-commit-config.yaml"]
COMMAND = re.compile(r"(?:^|`|&& |RUN )(?:PYTHON=\S+ )?make (?:--\S+ )*([a-z][a-z-]*)", re.MULTILINE)


def load(name: str) -> Any:
    return YAML(typ="safe").load((ROOT / name).read_text())


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", NAMES_TARGETS)
def test_every_make_target_that_is_named_exists(name: str) -> None:
    assert set(COMMAND.findall((ROOT / name).read_text())) <= targets()


def test_help_shows_every_target() -> None:
    shown = subprocess.run(["make", "-C", ROOT, "--no-print-directory"], capture_output=True, text=True, check=True)
    assert {line.split()[1] for line in shown.stdout.splitlines()} == targets()


def test_targets_are_phony() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == targets()


@pytest.mark.parametrize("name", [".ci/run", "tools/setup.sh"])
def test_scripts_parse_and_may_be_run(name: str) -> None:
    subprocess.run(["bash", "-n", ROOT / name], check=True)
    assert (ROOT / name).stat().st_mode & 0o111


def test_compose_serves_on_this_host_only_and_read_only() -> None:
    service = load("compose.yaml")["services"]["serving"]
    image, _, tag = service["image"].partition(":")
    assert image == "tensorflow/serving"
    assert re.fullmatch(r"\d+\.\d+\.\d+", tag)
    assert service["ports"] == ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]
    (volume,) = service["volumes"]
    assert volume["read_only"] is True
    assert volume["target"] == f"/models/{service['environment']['MODEL_NAME']}"


def test_workflow_runs_what_ci_runs_on_supported_pythons() -> None:
    job = load(".github/workflows/ci.yml")["jobs"]["test"]
    rows = job["strategy"]["matrix"]["include"]
    assert {row["python"] for row in rows} == {"3.11", "3.12", "3.13"}
    assert {row["system"] for row in rows} == {"ubuntu-22.04", "ubuntu-24.04"}
    assert job["steps"][-1] == {"run": "bash .ci/run"}
    assert all(re.fullmatch(r"[\w/-]+@v\d+", step["uses"]) for step in job["steps"][:-1])


def test_hooks_run_the_tools_of_the_venv() -> None:
    (repository,) = load(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    assert all(".venv/bin/" in hook["entry"] for hook in repository["hooks"])


def test_no_index_address_is_named() -> None:
    names = ["Makefile", "Dockerfile", "compose.yaml", ".ci/run", "tools/setup.sh", ".github/workflows/ci.yml"]
    assert [name for name in names if "://" in (ROOT / name).read_text()] == []
