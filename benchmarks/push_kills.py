"""Pushes killed at random moments while another process watches the folder: what it sees, and what is pushed twice."""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import _packages_first  # noqa: F401
from _measure import render_table, report

from serving.audit import verify
from serving.errors import DataLossError
from serving.history import read_history
from serving.manifest import MANIFEST, find_faults, read_manifest
from serving.push import Candidate, push
from serving.store import find_versions

KEEP = 3
FILES = {"saved_model.pb": 200_000, "variables/variables.data-00000-of-00001": 1_000_000, "assets/words": 20_000}
LONGER = 1.2
"""Some pushes end before they are killed; those are not counted."""


def main() -> None:
    """Kill, watch and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--kills", type=int, default=300, help="pushes to kill")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    parser.add_argument("--watch", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watch:
        print(json.dumps(watch(options.watch)))
        return
    with tempfile.TemporaryDirectory() as name:
        found = attack(Path(name), options.kills, random.Random(options.seed))
    report(found, render(found), as_json=options.json)


def attack(folder: Path, kills: int, moments: random.Random) -> dict[str, Any]:
    """Kill `kills` pushes, each followed by one that may end, and count what came of it."""
    base = folder / "serving" / "model"
    base.mkdir(parents=True)
    watcher = subprocess.Popen([sys.executable, __file__, "--watch", base], stdout=subprocess.PIPE, text=True)
    began = time.monotonic()
    longest = max(time_push(make_model(folder, f"warm-{index}"), base) for index in range(3))
    pushed, killed, phases = 3, 0, Counter[str]()
    while killed < kills:
        model = make_model(folder, str(pushed))
        if kill_push(model, base, moments.uniform(0, LONGER * longest)):
            killed += 1
            phases[describe(base)] += 1
        push(Candidate(model), base, KEEP)
        pushed += 1
    seconds = time.monotonic() - began
    (base.parent / "stop").touch()
    seen = json.loads(watcher.communicate(timeout=60)[0])
    return seen | {
        "killed": killed,
        "seconds": round(seconds, 1),
        "phases": dict(phases),
        "models": pushed,
        "duplicates": count_duplicates(base),
        "lost": pushed - len({event.digest for event in read_history(base).events if event.digest}),
        "faults": len(verify(base)),
    }


def make_model(folder: Path, content: str) -> Path:
    """Return a folder like a SavedModel that no other equals."""
    model = folder / "models" / content
    for name, size in FILES.items():
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_bytes((f"{content} ".encode() * size)[:size])
    return model


def time_push(model: Path, base: Path) -> float:
    """Return the seconds of a push that nobody kills."""
    began = time.monotonic()
    push(Candidate(model), base, KEEP)
    return time.monotonic() - began


def kill_push(model: Path, base: Path, after_s: float) -> bool:
    """Kill a push after so long; return whether it was still at it."""
    child = os.fork()
    if not child:
        push(Candidate(model), base, KEEP)
        os._exit(0)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def describe(base: Path) -> str:
    """Return how far a killed push came."""
    told = {event.version for event in read_history(base).events if event.digest}
    if any(version not in told for version in find_versions(base)):
        return "there, not recorded"
    return "half copied" if list(base.glob(".staging-*")) else "before or after"


def count_duplicates(base: Path) -> int:
    """Return how many versions are of a model that was pushed already."""
    pushes = Counter(event.digest for event in read_history(base).events if event.action == "push")
    return sum(count - 1 for count in pushes.values())


def watch(base: Path) -> dict[str, int]:
    """Look at the folder again and again, until a file `stop` is beside it; every version must be complete."""
    polls = incomplete = 0
    seen: dict[int, bool] = {}
    while not (base.parent / "stop").exists():
        polls += 1
        for version, path in find_versions(base).items():
            # all bytes once, the names each time
            complete = is_complete(path, whole=version not in seen)
            seen[version] = True
            # one that is taken away meanwhile was renamed as a whole
            incomplete += not complete and path.exists()
    return {"polls": polls, "versions_seen": len(seen), "incomplete": incomplete}


def is_complete(path: Path, *, whole: bool) -> bool:
    """Return whether all files of a version are there, with `whole` whether they are what was pushed."""
    try:
        manifest = read_manifest(path)
        if manifest is None:
            return False
        if whole:
            return not find_faults(path, manifest)
        return all((path / name).is_file() for name in [*manifest.files, MANIFEST])
    except (OSError, DataLossError):
        return False


def render(found: dict[str, Any]) -> str:
    """Return the counts as Markdown."""
    rows = [
        ["pushes killed", found["killed"]],
        *([f"- {phase}", count] for phase, count in sorted(found["phases"].items())),
        ["looks at the folder", f"{found['polls']:,}"],
        ["versions seen", found["versions_seen"]],
        ["**incomplete versions seen**", found["incomplete"]],
        ["**models pushed twice**", found["duplicates"]],
        ["**models lost**", found["lost"]],
        ["faults that `verify` finds at the end", found["faults"]],
        ["seconds", found["seconds"]],
    ]
    return render_table(["", "count"], rows)


if __name__ == "__main__":
    main()
