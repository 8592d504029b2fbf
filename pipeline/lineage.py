"""What ML Metadata knows of a problem's runs. Needs no TensorFlow."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import RunError
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from ml_metadata import MetadataStore

STATES = {2: "running", 3: "complete", 4: "failed", 5: "cached", 6: "canceled"}
"""Words for ml_metadata's Execution.State."""


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


@contextmanager
def _open_store(workspace: Workspace) -> "Iterator[MetadataStore]":
    from ml_metadata import MetadataStore, errors
    from ml_metadata.proto import metadata_store_pb2

    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(workspace.metadata)
    config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE
    try:
        yield MetadataStore(config)
    except errors.StatusError as error:
        raise RunError(f"{workspace.metadata}: ML Metadata can't read it: {error}") from error


def read_runs(workspace: Workspace, limit: int) -> list[Run]:
    """Return the latest runs, newest first; none if the problem never ran."""
    if not workspace.metadata.exists():
        return []
    with _open_store(workspace) as store:
        contexts = sorted(store.get_contexts_by_type("pipeline_run"), key=lambda context: context.id)
        return [_read_run(store, context, f"{workspace.name}.") for context in reversed(contexts[-limit:])]


def _read_run(store: "MetadataStore", context: Any, prefix: str) -> Run:
    executions = sorted(store.get_executions_by_context(context.id), key=lambda execution: execution.id)
    outputs = _read_outputs(store, [execution.id for execution in executions])
    found = []
    for execution in executions:
        nodes = [node.name for node in store.get_contexts_by_execution(execution.id) if node.name.startswith(prefix)]
        started, ended = execution.create_time_since_epoch, execution.last_update_time_since_epoch
        found.append(
            Execution(
                component=nodes[0].removeprefix(prefix) if nodes else str(execution.id),
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
