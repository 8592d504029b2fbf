"""What a run that was killed or canceled left open: closed in ML Metadata, its partial outputs removed.

TFX names the folders of an execution by its number, and records outputs in the same transaction as the state
`complete`. So whatever has the number of an open execution is a part of something, and nothing else is touched.
"""

import shutil
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline.metadata.connection import has_metadata, open_store
from pipeline.metadata.contexts import component_of, read_executions
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from ml_metadata import MetadataStore

EXECUTIONS = ".system/executor_execution"
WORKING = ".system/stateful_working_dir"
"""TFX's own folders, beside those of a component's outputs."""


def close_executions(workspace: Workspace, state: str, since: datetime | None = None) -> list[str]:
    """Let open executions be `failed` or `canceled`, remove what they wrote, and return their components.

    The caller owns the problem, so that none of them is still at work. With `since` those that failed from then on are
    closed too: a signal may look like an error to a library.

    Raises:
        RunError: ML Metadata can't be read or written.
    """
    if not has_metadata(workspace):
        return []
    from ml_metadata.proto.metadata_store_pb2 import Execution

    with open_store(workspace) as store:
        found = [each for each in read_executions(store, workspace.name) if _is_open(each, since)]
        names = [component_of(store, workspace.name, each.id) for each in found]
        for each, name in zip(found, names, strict=True):
            _remove_outputs(workspace, name, each.id)
            _abandon_outputs(store, each.id)
            each.last_known_state = Execution.CANCELED if state == "canceled" else Execution.FAILED
        store.put_executions(found)
    return names


def _is_open(execution: Any, since: datetime | None) -> bool:
    from ml_metadata.proto.metadata_store_pb2 import Execution

    if execution.last_known_state == Execution.FAILED:
        return since is not None and execution.last_update_time_since_epoch >= since.timestamp() * 1000
    return execution.last_known_state in {Execution.NEW, Execution.RUNNING}


def _remove_outputs(workspace: Workspace, component: str, execution: int) -> None:
    """Remove the folders of an execution; a component's working folders have names of their own, and no other user."""
    folder = workspace.artifacts / component
    for path in [*folder.glob(f"*/{execution}"), folder / EXECUTIONS / str(execution), *folder.glob(f"{WORKING}/*")]:
        shutil.rmtree(path, ignore_errors=True)


def _abandon_outputs(store: "MetadataStore", execution: int) -> None:
    """Let nobody take what an execution has announced and not finished."""
    from ml_metadata.proto.metadata_store_pb2 import Artifact, Event

    events = store.get_events_by_execution_ids([execution])
    written = [each.artifact_id for each in events if each.type in {Event.OUTPUT, Event.PENDING_OUTPUT}]
    artifacts = store.get_artifacts_by_id(written)
    for each in artifacts:
        each.state = Artifact.ABANDONED
    store.put_artifacts(artifacts)
