"""The metadata's schema brought to the version that this ml-metadata wants; all of that or nothing."""

from pathlib import Path
from typing import NamedTuple

from pipeline.errors import InputError, RunError
from pipeline.metadata.connection import connection_config, explain, metadata_file, place
from pipeline.metadata.file import TIMEOUT_S, copy, look, stamp, wait_until_free
from pipeline.workspace import Workspace


class Upgraded(NamedTuple):
    """What an upgrade came to.

    Attributes:
        before: the schema's version.
        after: that it has now; the same, if there was nothing to do.
        backup: the copy as it was before; None if nothing was done.
    """

    before: int
    after: int
    backup: Path | None


def upgrade(workspace: Workspace) -> Upgraded:
    """Upgrade the SQLite file after a copy beside it; if anything is lost by it, the copy takes its place again.

    Raises:
        InputError: there is no file, it is damaged, newer than this ml-metadata, or a server's.
        RunError: the upgrade failed; the file is as it was.
    """
    file = metadata_file(workspace)
    if file is None:
        raise InputError(
            f"{place(workspace)}: expected an SQLite file, received a server: back it up with its own tools"
        )
    if not file.exists():
        raise InputError(f"{file}: expected ML Metadata's SQLite file, received none")
    before = wait_until_free(file, lambda _: None, TIMEOUT_S)
    if before.fault or before.schema_version is None:
        raise InputError(f"{file}: expected ML Metadata's SQLite file, received {before.fault or 'another database'}")
    backup = file.with_name(f"{file.name}.{stamp()}.schema{before.schema_version}")
    copy(file, backup)
    try:
        _migrate(workspace)
        after = look(file)
        lost = {name: count for name, count in before.rows.items() if after.rows.get(name) != count}
        if after.fault or lost or after.schema_version is None:
            raise RunError(f"{file}: expected {lost} after the upgrade, received {after.fault or after.rows}")
    except RunError as error:
        copy(backup, file)
        raise RunError(f"{error}; it is again as it was, and so is its copy {backup}") from error
    except InputError:  # newer: not touched
        backup.unlink()
        raise
    if after.schema_version == before.schema_version:
        backup.unlink()
        return Upgraded(before.schema_version, after.schema_version, None)
    return Upgraded(before.schema_version, after.schema_version, backup)


def _migrate(workspace: Workspace) -> None:
    config = connection_config(workspace, "READWRITE")
    from ml_metadata import MetadataStore

    try:
        MetadataStore(config, enable_upgrade_migration=True)
    except RuntimeError as error:
        raise explain(workspace, error) from error
