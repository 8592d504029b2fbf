"""Where training stands, on disk: written as a whole or not at all, found again by the next run of the same."""

import hashlib
import logging
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    State = dict[str, np.ndarray[Any, Any]]

STATE_FILE = "state.npz"
FORGOTTEN_S = 14 * 86_400
"""Seconds after which what another training left is removed."""


def training_key(settings: Mapping[str, Any], files: Iterable[Path]) -> str:
    """Return one digest over everything that decides how training goes: settings, and names and content of files."""
    digest = hashlib.sha256(repr(sorted(settings.items())).encode())
    for file in sorted(files):
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:24]


def write_state(folder: Path, state: "State") -> None:
    """Put `state` in the place of an earlier one: whenever the process ends, one of the two is there completely."""
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{STATE_FILE}.{os.getpid()}"
    with draft.open("wb") as stream:
        np.savez(stream, **state)  # type: ignore[arg-type]
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(folder / STATE_FILE)


def read_state(folder: Path) -> "State | None":
    """Return the state that was written last, None if there is none; a torn one is none."""
    import zipfile

    import numpy as np

    try:
        with (folder / STATE_FILE).open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return dict(stored)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        logging.getLogger(__name__).warning("%s can't be read, training starts anew: %s", folder / STATE_FILE, error)
        return None


def drop_state(folder: Path) -> None:
    """Remove the state of a training that is done, and those beside it that nobody came back to."""
    shutil.rmtree(folder, ignore_errors=True)
    for other in folder.parent.glob(f"*/{STATE_FILE}"):
        if time.time() - other.stat().st_mtime > FORGOTTEN_S:
            shutil.rmtree(other.parent, ignore_errors=True)
