"""What servers have counted of a roll-out, in files beside the versions: one a server and a step, so none waits.

`.rollouts/ID/STEP/SERVER.json`. A server writes its own again and again, and whoever decides adds all of them up.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from serving.canary.tally import Sides, add_up
from serving.store import write_file

FOLDER = ".rollouts"
_SIDES = TypeAdapter(Sides)


def dump_sides(sides: Sides) -> str:
    """Return what a file holds: quickly, as no request is counted meanwhile."""
    return _SIDES.dump_json(sides).decode()


def write_sides(folder: Path, server: str, dumped: str) -> None:
    """Let the file of a server in the folder of a step be what `dump_sides` gave.

    Raises:
        OSError: it can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / f"{server}.json", dumped)


def read_sides(folder: Path) -> Sides:
    """Return what all servers have counted at a step; a file that is none, or is being written, counts for nothing."""
    found = []
    for file in sorted(folder.glob("[!.]*.json")):
        try:
            found.append(_SIDES.validate_json(file.read_bytes()))
        except (OSError, ValidationError):
            continue
    return add_up(found)


def find_step(base: Path, trial: str, step: int) -> Path:
    """Return the folder of the files of one step of the roll-out with this id."""
    return base / FOLDER / trial / str(step)


def forget_others(base: Path, trial: str) -> None:
    """Remove what was counted of other roll-outs."""
    for folder in (base / FOLDER).glob("*"):
        if folder.name != trial:
            shutil.rmtree(folder, ignore_errors=True)
