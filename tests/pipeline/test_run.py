"""A run is done if and only if every component is complete or cached, whatever TFX's runner returns."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipeline import run as run_module
from pipeline.errors import PenstockError, RunError
from pipeline.lineage import STATES, Execution, Run, read_runs
from pipeline.workspace import Workspace

COMPONENTS = ("ExampleGen", "Trainer", "Pusher")
DONE = {"complete", "cached"}


def finish(workspace: Workspace, components: tuple[str, ...] = COMPONENTS) -> Run:
    pipeline = SimpleNamespace(components=[SimpleNamespace(id=name) for name in components])
    return run_module._run_pipeline(pipeline, workspace, Console(quiet=True).status(""), Path("run.log"))


def pretend(patch: pytest.MonkeyPatch, found: list[list[Run]], failure: PenstockError | None = None) -> None:
    """Let ML Metadata have these newest runs, before and after, and the runner end with `failure`."""
    patch.setattr(run_module, "_execute", lambda *_: failure)
    patch.setattr(run_module, "read_runs", lambda *_: found.pop(0))
    patch.setattr(run_module, "keep_code", lambda _: None)


def made(run_id: str, states: dict[str, str]) -> Run:
    return Run(run_id, [Execution(name, state, datetime.now(UTC), 1.0, {}) for name, state in states.items()])


@given(st.fixed_dictionaries({}, optional={name: st.sampled_from(list(STATES.values())) for name in COMPONENTS}))
def test_done_if_and_only_if_every_component_is(states):
    with pytest.MonkeyPatch.context() as patch:
        pretend(patch, [[], [made("new", states)]])
        if len(states) == len(COMPONENTS) and set(states.values()) <= DONE:
            assert finish(Workspace(Path(), "sales")).run_id == "new"
        else:
            with pytest.raises(RunError, match="did not complete") as raised:
                finish(Workspace(Path(), "sales"))
            assert raised.value.exit_code == 1
            unfinished = [name for name in COMPONENTS if states.get(name) not in DONE]
            assert str(raised.value).startswith(", ".join(unfinished))


def test_a_run_that_left_nothing_does_not_pass_for_the_one_before(tmp_path, monkeypatch):
    last = made("last", dict.fromkeys(COMPONENTS, "complete"))
    pretend(monkeypatch, [[last], [last]])
    with pytest.raises(RunError, match=r"did not complete \(never started\)"):
        finish(Workspace(tmp_path, "sales"))


def test_what_a_component_raised_is_the_error_even_if_all_is_complete(tmp_path, monkeypatch):
    pretend(monkeypatch, [[], [made("new", dict.fromkeys(COMPONENTS, "complete"))]], RunError("no power"))
    with pytest.raises(RunError, match="no power"):
        finish(Workspace(tmp_path, "sales"))


MODULE = '''\
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.types import standard_artifacts
from tfx.types.channel import Channel


@component
def Make(examples: OutputArtifact[standard_artifacts.Examples], rows: Parameter[int]) -> None:
    """Write so many rows; none is a fault."""
    print(1 // rows)


@component
def Use(examples: InputArtifact[standard_artifacts.Examples], model: OutputArtifact[standard_artifacts.Model]) -> None:
    """Read them."""


def look_up():
    """Look for examples that nobody has made."""
    return Resolver(strategy_class=LatestArtifactStrategy, examples=Channel(type=standard_artifacts.Examples))
'''


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """A module with components of its own: TFX finds them by their names."""
    import importlib

    (tmp_path / "faulty.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("faulty")


@pytest.fixture
def execute(tmp_path, faulty):
    """`execute(components)`: run them by TFX's own runner, as a problem's are."""
    from tfx.orchestration.metadata import sqlite_metadata_connection_config
    from tfx.orchestration.pipeline import Pipeline

    workspace = Workspace(tmp_path / "home", "sales")
    workspace.folder.mkdir(parents=True)

    def run(*components) -> Workspace:
        pipeline = Pipeline(
            pipeline_name="sales",
            pipeline_root=str(workspace.artifacts),
            metadata_connection_config=sqlite_metadata_connection_config(str(workspace.metadata)),
            components=list(components),
            enable_cache=True,
        )
        run_module._run_pipeline(pipeline, workspace, Console(quiet=True).status(""), tmp_path / "run.log")
        return workspace

    run.workspace = workspace
    return run


def states(workspace: Workspace) -> dict[str, str]:
    return {each.component: each.state for each in read_runs(workspace, 1)[0].executions}


@pytest.mark.tensorflow
def test_a_component_that_raises_and_the_run_after_it(execute, faulty):
    from pipeline.reasons import read_reasons

    made = faulty.Make(rows=0)
    with pytest.raises(RunError, match=r"ZeroDivisionError: integer .* by zero\nsee .*run\.log"):
        execute(made, faulty.Use(examples=made.outputs["examples"]))
    assert states(execute.workspace) == {"Make": "failed"}
    made = faulty.Make(rows=2)
    workspace = execute(made, faulty.Use(examples=made.outputs["examples"]))
    assert states(workspace) == {"Make": "complete", "Use": "complete"}
    made = faulty.Make(rows=3)
    workspace = execute(made, faulty.Use(examples=made.outputs["examples"]))
    assert {each.id: each.reason for each in read_reasons(workspace, read_runs(workspace, 1)[0].run_id)} == {
        "Make": "rows: 2 -> 3",
        "Use": "its input examples is new (Make ran)",
    }


@pytest.mark.tensorflow
def test_inputs_that_cannot_be_resolved_fail_the_run(execute, faulty):
    found = faulty.look_up()
    with pytest.raises(RunError, match="Use did not complete"):
        execute(found, faulty.Use(examples=found.outputs["examples"]))
