"""What each component of a run was given and what it left, beside what it was given before. Needs no TensorFlow."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.lineage import STATES
from pipeline.metadata.connection import open_store
from pipeline.metadata.contexts import component_of, read_run_contexts
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from ml_metadata import MetadataStore

LOOK_BACK = 50
"""Earlier runs that are searched for a component's last execution."""
RESOLVER = "Resolver"
"""How the type of those ends that only look something up."""
LIVE = 2
"""ml_metadata's Artifact.State of what may be reused."""


class Made(NamedTuple):
    """An artifact.

    Attributes:
        artifact: its id.
        uri: its folder.
        is_live: whether ML Metadata would still reuse it.
        made: when.
        maker: the component that made it.
        execution: the id of the execution that made it.
    """

    artifact: int
    uri: str
    is_live: bool
    made: datetime
    maker: str
    execution: int


class Record(NamedTuple):
    """One execution.

    Attributes:
        execution: its id.
        component: the component's id.
        state: a value of `lineage.STATES`.
        seconds: from start to its record.
        looks_up: whether it is a resolver: those run in each run.
        properties: what it was given as text, by name.
        inputs: artifacts that it read, by name.
        outputs: artifacts that it left.
    """

    execution: int
    component: str
    state: str
    seconds: float
    looks_up: bool
    properties: dict[str, str]
    inputs: dict[str, tuple[Made, ...]]
    outputs: tuple[Made, ...]

    @property
    def has_result(self) -> bool:
        """Whether it left something that a later run may reuse."""
        return self.state in {"complete", "cached"}


class Compared(NamedTuple):
    """An execution, and the component's earlier ones back to the last with a result, newest first."""

    record: Record
    earlier: list[Record]


def read_compared(workspace: Workspace, run_id: str) -> list[Compared]:
    """Return the executions of a run, in the order they started, each with the component's earlier ones."""
    with open_store(workspace) as store:
        this = store.get_context_by_type_and_name("pipeline_run", run_id)
        before = [run for run in read_run_contexts(store, workspace.name) if run.id < this.id]
        records = _read_records(store, workspace, this)
        earlier: dict[str, list[Record]] = {record.component: [] for record in records if not record.looks_up}
        for record in _read_earlier(store, workspace, before[:LOOK_BACK], earlier):
            earlier[record.component].append(record)
        return [Compared(record, earlier.get(record.component, [])) for record in records]


def _read_earlier(
    store: "MetadataStore", workspace: Workspace, contexts: Iterable[Any], found: dict[str, list[Record]]
) -> Iterator[Record]:
    """Yield the executions before those that are found already, until each component has one with a result."""
    for context in contexts:
        open_ones = {name for name, records in found.items() if not any(each.has_result for each in records)}
        if not open_ones:
            return
        for record in reversed(_read_records(store, workspace, context)):
            if record.component in open_ones:
                yield record


def _read_records(store: "MetadataStore", workspace: Workspace, context: Any) -> list[Record]:
    from ml_metadata.proto.metadata_store_pb2 import Event

    executions = sorted(store.get_executions_by_context(context.id), key=lambda execution: execution.id)
    events = store.get_events_by_execution_ids([execution.id for execution in executions])
    made = _read_artifacts(store, workspace, {event.artifact_id for event in events})
    records = {}
    for execution in executions:
        properties = {**execution.properties, **execution.custom_properties}
        records[execution.id] = Record(
            execution=execution.id,
            component=component_of(store, workspace.name, execution.id),
            state=STATES.get(execution.last_known_state, "unknown"),
            seconds=(execution.last_update_time_since_epoch - execution.create_time_since_epoch) / 1000,
            looks_up=execution.type.endswith(RESOLVER),
            properties={name: _text(value) for name, value in properties.items()},
            inputs={},
            outputs=(),
        )
    for event in events:
        record, artifact = records[event.execution_id], made[event.artifact_id]
        if event.type == Event.INPUT:
            name = event.path.steps[0].key
            record.inputs[name] = (*record.inputs.get(name, ()), artifact)
        elif event.type == Event.OUTPUT:
            records[event.execution_id] = record._replace(outputs=(*record.outputs, artifact))
    return list(records.values())


def _read_artifacts(store: "MetadataStore", workspace: Workspace, ids: set[int]) -> dict[int, Made]:
    """Return the artifacts with the components that made them: the first execution that they are outputs of."""
    from ml_metadata.proto.metadata_store_pb2 import Event

    makers: dict[int, int] = {}
    for event in store.get_events_by_artifact_ids(ids):
        if event.type == Event.OUTPUT:
            makers[event.artifact_id] = min(event.execution_id, makers.get(event.artifact_id, event.execution_id))
    names = {maker: component_of(store, workspace.name, maker) for maker in set(makers.values())}
    return {
        artifact.id: Made(
            artifact=artifact.id,
            uri=artifact.uri,
            is_live=artifact.state == LIVE,
            made=datetime.fromtimestamp(artifact.create_time_since_epoch / 1000, UTC),
            maker=names.get(makers.get(artifact.id, 0), ""),
            execution=makers.get(artifact.id, 0),
        )
        for artifact in store.get_artifacts_by_id(ids)
    }


def _text(value: Any) -> str:
    return str(getattr(value, value.WhichOneof("value") or "string_value"))
