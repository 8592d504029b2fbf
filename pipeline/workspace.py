"""Where everything lies: every path derives from the problem's root folder."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import InputError

PROBE_BYTES = 4096
SERVING_FOLDER = "serving"


class Workspace(NamedTuple):
    """The folders of one problem below `<root>/.penstock` (or $PENSTOCK_HOME).

    Attributes:
        home: folder of all problems.
        name: the problem's name.
    """

    home: Path
    name: str

    @property
    def folder(self) -> Path:
        """Everything of this problem but the served models."""
        return self.home / self.name

    @property
    def metadata(self) -> Path:
        """ML Metadata's SQLite file. Never open it with Python's sqlite3 in a process that uses ml-metadata."""
        return self.folder / "metadata.sqlite"

    @property
    def owner(self) -> Path:
        """Locked by the process that runs the problem; tells which one that is."""
        return self.folder / "owner"

    @property
    def journal(self) -> Path:
        """What the runs did, a line an event: enough to tell how the last one ended."""
        return self.folder / "journal.jsonl"

    @property
    def artifacts(self) -> Path:
        """TFX's pipeline root."""
        return self.folder / "artifacts"

    @property
    def seals(self) -> Path:
        """Digests of what components wrote, a file an execution."""
        return self.folder / "seals"

    @property
    def logs(self) -> Path:
        """One log file a run."""
        return self.folder / "logs"

    @property
    def reports(self) -> Path:
        """One HTML file a run that somebody asked for, and one of the last search for hyperparameters."""
        return self.folder / "reports"

    @property
    def inputs(self) -> Path:
        """Inputs copied under their digest, so that TFX's cache sees their content."""
        return self.folder / "inputs"

    @property
    def stages(self) -> Path:
        """What was read of the source, a folder a span, named by the digest of its rows."""
        return self.folder / "stages"

    @property
    def quarantine(self) -> Path:
        """The rows that the last reading refused; there is no such file if there were none."""
        return self.folder / "quarantine.parquet"

    @property
    def checkpoints(self) -> Path:
        """States of trainings that were broken off, by the digest of what they depend on."""
        return self.folder / "checkpoints"

    @property
    def tuning(self) -> Path:
        """Trials of each search for hyperparameters, by the digest of what is looked for."""
        return self.folder / "tuning"

    @property
    def rankings(self) -> Path:
        """What features tell of the label, by the digest of what that depends on."""
        return self.folder / "rankings"

    @property
    def code(self) -> Path:
        """What the digests of code that runs were given stand for: modules and libraries, a file a digest."""
        return self.folder / "code"

    @property
    def accepted(self) -> Path:
        """Findings of the data gate that somebody has accepted, by the digest of the data."""
        return self.folder / "accepted.json"

    @property
    def serving(self) -> Path:
        """TensorFlow Serving's base path of the model: one integer folder a version."""
        return self.home / SERVING_FOLDER / self.name


def open_workspace(root: Path, name: str) -> Workspace:
    """Return the workspace of problem `name`; nothing is created yet."""
    return Workspace(Path(os.environ.get("PENSTOCK_HOME") or root / ".penstock").resolve(), name)


def require_writable(workspace: Workspace) -> None:
    """Refuse a workspace that a run could not write to, or that leads elsewhere, before it has done any work.

    Raises:
        InputError: names the folder or file, the reason and the free space.
    """
    for folder in (workspace.folder, workspace.serving):
        expected = workspace.home.resolve() / folder.relative_to(workspace.home)
        if folder.resolve() != expected:
            raise InputError(
                f"{folder}: expected a folder of its own, received a link to {folder.resolve()}; "
                "$PENSTOCK_HOME names another place for all of them"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # permissions alone tell nothing of a full disk, or to root
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"0" * PROBE_BYTES)
        except OSError as error:
            raise InputError(_refuse(folder, error.strerror or str(error))) from error
    if workspace.metadata.exists() and not os.access(workspace.metadata, os.W_OK):
        raise InputError(_refuse(workspace.metadata, "it is read-only"))


def _refuse(path: Path, reason: str) -> str:
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    return f"{path}: can't be written: {reason}; {free:,} bytes are free; $PENSTOCK_HOME names another place"
