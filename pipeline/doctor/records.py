"""Checks of a problem's workspace: its metadata, what dead runs left behind, what is served."""

import sys
from collections.abc import Iterator

from pipeline.doctor.finding import Finding
from pipeline.errors import PenstockError
from pipeline.garbage import find_garbage
from pipeline.metadata.connection import has_metadata, metadata_file, open_store, place
from pipeline.metadata.contexts import read_executions
from pipeline.metadata.file import backup_of, look
from pipeline.metadata.holder import describe_holder
from pipeline.owner import is_owned
from pipeline.workspace import Workspace
from serving.audit import verify
from serving.store import find_versions

RUNNING = 2
"""ml_metadata's Execution.State."""


def examine_records(workspace: Workspace) -> Iterator[Finding]:
    """Yield what there is to say of what the problem's runs left."""
    try:
        yield from _metadata(workspace)
    except PenstockError as error:
        yield Finding(check="metadata", level="error", says=str(error))
    yield from _serving(workspace)


def _metadata(workspace: Workspace) -> Iterator[Finding]:
    file = metadata_file(workspace)
    if not has_metadata(workspace) and not workspace.artifacts.exists():
        yield Finding(check="metadata", level="ok", says=f"{workspace.name} has not run yet")
        return
    if file and file.exists() and look(file).locked:
        says = f"{file} is locked, {describe_holder(file)}"
        yield Finding(check="metadata", level="warning", says=says, advice="wait, or end that process")
        return
    # which also tells of a damaged file, another schema and lost runs
    orphans = find_garbage(workspace, keep_runs=sys.maxsize)
    with open_store(workspace, "READONLY") as store:
        executions = read_executions(store, workspace.name)
    says = f"{place(workspace)} is whole; {len(executions)} executions"
    if file and not backup_of(file).exists():
        says += "; no copy yet"
    yield Finding(check="metadata", level="ok", says=says)
    running = [each for each in executions if each.last_known_state == RUNNING]
    if running and not is_owned(workspace):
        says = f"{len(running)} executions of a run that is dead"
        yield Finding(check="runs", level="warning", says=says, advice="the next `penstock run` closes them")
    if orphans and not is_owned(workspace):
        total = sum(item.size for item in orphans)
        says = f"{total:,} bytes of components that did not complete, in {len(orphans)} places"
        yield Finding(check="artifacts", level="warning", says=says, advice="`penstock gc` lists and removes them")


def _serving(workspace: Workspace) -> Iterator[Finding]:
    if not find_versions(workspace.serving):
        yield Finding(check="serving", level="ok", says="nothing is served yet")
        return
    faults = verify(workspace.serving)
    for fault in faults:
        yield Finding(check="serving", level="error", says=str(fault), advice="`penstock models verify`, then rollback")
    if not faults:
        says = f"{len(find_versions(workspace.serving))} versions, every file is what was pushed"
        yield Finding(check="serving", level="ok", says=says)
