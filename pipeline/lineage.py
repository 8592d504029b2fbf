"""What ML Metadata knows of a problem's runs. Needs no TensorFlow."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import InputError
from pipeline.metadata.connection import has_metadata, open_store, place
from pipeline.metadata.contexts import component_of, read_run_contexts
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from ml_metadata import MetadataStore

STATES = {2: "running", 3: "complete", 4: "failed", 5: "cached", 6: "canceled"}
"""Words for ml_metadata's Execution.State."""
LISTED = 5
"""Runs that an error names."""


class Execution(NamedTuple):
    """One component in one run.

    Attributes:
        component: its id.
        state: a value of STATES.
        started: when.
        seconds: from start to its record.
        outputs: artifacts by type name.
    """

    component: str
    state: str
    started: datetime
    seconds: float
    outputs: dict[str, Any]


class Run(NamedTuple):
    """One run of a pipeline.

    Attributes:
        run_id: TFX's id: the moment of its start.
        executions: the components, in the order they ran.
    """

    run_id: str
    executions: list[Execution]

    def output(self, type_name: str) -> Any:
        """Return the run's only artifact of a type (`Examples`, `ModelEvaluation`, ...), None if there is none."""
        return next((found.outputs[type_name] for found in self.executions if type_name in found.outputs), None)

    @property
    def started(self) -> datetime:
        """When the first component started."""
        return min((execution.started for execution in self.executions), default=datetime.now(UTC))

    @property
    def seconds(self) -> float:
        """Seconds that the components took together."""
        return sum(execution.seconds for execution in self.executions)

    @property
    def broken(self) -> Execution | None:
        """The first component that did not complete, None if all did."""
        return next((found for found in self.executions if found.state not in {"complete", "cached"}), None)

    @property
    def is_blocked(self) -> bool:
        """Whether the data gate has stopped it."""
        verdict = self.output("DataVerdict")
        return verdict is not None and verdict.properties["blocked"].int_value == 1


def read_runs(workspace: Workspace, limit: int, before: str | None = None) -> list[Run]:
    """Return the latest runs, newest first, or the ones just `before` the run of that id; none without any."""
    if not has_metadata(workspace):
        return []
    with open_store(workspace) as store:
        contexts = read_run_contexts(store, workspace.name)
        start = next((index + 1 for index, context in enumerate(contexts) if context.name == before), 0)
        return [_read_run(store, context, workspace.name) for context in contexts[start : start + limit]]


def find_run(workspace: Workspace, wanted: str) -> Run:
    """Return the run of that id, of a beginning that no other id has, or counted from the newest: -1, -2, ...

    Raises:
        InputError: none or several of them; names the last ones.
    """
    if not has_metadata(workspace):
        raise InputError(f"{place(workspace)}: expected the runs of {workspace.name}, received none")
    with open_store(workspace) as store:
        contexts = read_run_contexts(store, workspace.name)
        index = _find(wanted, [context.name for context in contexts])
        return _read_run(store, contexts[index], workspace.name)


def find_maker(workspace: Workspace, artifact_id: int) -> Run | None:
    """Return the newest run that made the artifact of that id, or had it from the cache; None if no run did."""
    from ml_metadata.proto import metadata_store_pb2

    with open_store(workspace) as store:
        events = store.get_events_by_artifact_ids([artifact_id])
        makers = {event.execution_id for event in events if event.type == metadata_store_pb2.Event.OUTPUT}
        run_ids = {context.name for maker in makers for context in store.get_contexts_by_execution(maker)}
        found = next((context for context in read_run_contexts(store, workspace.name) if context.name in run_ids), None)
        return _read_run(store, found, workspace.name) if found else None


def read_properties(workspace: Workspace, run: Run) -> dict[str, dict[str, str]]:
    """Return what each component of a run was given as text, by its id and the property's name."""
    found = {}
    with open_store(workspace) as store:
        context = store.get_context_by_type_and_name("pipeline_run", run.run_id)
        for execution in store.get_executions_by_context(context.id):
            properties = {**execution.properties, **execution.custom_properties}
            texts = {name: value.string_value for name, value in properties.items() if value.string_value}
            found[component_of(store, workspace.name, execution.id)] = texts
    return found


def _find(wanted: str, run_ids: Sequence[str]) -> int:
    """Return the place of the wanted run."""
    if wanted in run_ids:
        return run_ids.index(wanted)
    found = [index for index, run_id in enumerate(run_ids) if wanted and run_id.startswith(wanted)]
    if re.fullmatch(r"-[1-9]\d*", wanted) and int(wanted[1:]) <= len(run_ids):
        found = [int(wanted[1:]) - 1]
    if len(found) == 1:
        return found[0]
    reason = f"the beginning of {len(found)} ids" if found else "no such run"
    raise InputError(
        [
            f"run: expected an id, the beginning of one, or a number from -1 (the newest) to -{len(run_ids)}, "
            f"received '{wanted}': {reason}; the last ones are",
            *(f"  {run_id}" for run_id in run_ids[:LISTED]),
        ]
    )


def _read_run(store: "MetadataStore", context: Any, pipeline: str) -> Run:
    executions = sorted(store.get_executions_by_context(context.id), key=lambda execution: execution.id)
    outputs = _read_outputs(store, [execution.id for execution in executions])
    found = []
    for execution in executions:
        started, ended = execution.create_time_since_epoch, execution.last_update_time_since_epoch
        found.append(
            Execution(
                component=component_of(store, pipeline, execution.id),
                state=STATES.get(execution.last_known_state, "unknown"),
                started=datetime.fromtimestamp(started / 1000, UTC),
                seconds=(ended - started) / 1000,
                outputs=outputs.get(execution.id, {}),
            )
        )
    return Run(context.name, found)


def _read_outputs(store: "MetadataStore", executions: list[int]) -> dict[int, dict[str, Any]]:
    """Return each execution's output artifacts by type name."""
    from ml_metadata.proto import metadata_store_pb2

    written = [
        event
        for event in store.get_events_by_execution_ids(executions)
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    artifacts = {
        artifact.id: artifact for artifact in store.get_artifacts_by_id({event.artifact_id for event in written})
    }
    outputs: dict[int, dict[str, Any]] = {}
    for event in written:
        artifact = artifacts[event.artifact_id]
        outputs.setdefault(event.execution_id, {})[artifact.type] = artifact
    return outputs
