"""Whole runs killed with SIGKILL, at random moments or at each point of each component, and what the next runs find."""

import argparse
import json
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import _packages_first  # noqa: F401
from _forked_run import STEPS, Point, import_heavy, run
from _measure import render_table, report

ROWS = 600
KILLS_OF_A_MODEL = 5
LONGER = 1.1
"""Some runs end before they are killed; those are not counted."""
ALWAYS = {"PreviousData", "PassedData", "Baseline", "Pusher"}
"""Components that every run runs."""
PROBLEM = """\
name: sales
source: {{kind: csv, files: sales.csv}}
target: {{column: sold, kind: binary}}
model: {{family: mlp, layers: [8]}}
training: {{batch_size: 64, epochs: 1, seed: {seed}}}
"""


def main() -> None:
    """Kill, look, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--kills", type=int, default=150, help="runs to kill at random moments")
    parser.add_argument("--points", action="store_true", help="kill once at each point of each component instead")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    options = parser.parse_args()
    import_heavy()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(folder)
        found = kill_at_points(folder) if options.points else attack(folder, options.kills, options.seed)
    report(found, render(found), as_json=options.json)


def write_table(folder: Path) -> None:
    """Write a small table whose label follows from the price."""
    drawn = random.Random(1)
    lines = ["sold,price,noise,shop"]
    for _ in range(ROWS):
        price = drawn.gauss(10, 3)
        sold = int(drawn.gauss(price, 2) > 10)
        lines.append(f"{sold},{price:.3f},{drawn.random():.3f},{drawn.choice('abc')}")
    (folder / "sales.csv").write_text("\n".join(lines) + "\n")


def attack(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill `kills` runs at random moments, some for each model, each model followed by a run that may end."""
    moments = random.Random(seed)
    began = time.monotonic()
    finish(folder, 0)
    longest, killed, models, phases = time.monotonic() - began, 0, 1, Counter[str]()
    while killed < kills:
        problem = write_problem(folder, models)
        for _ in range(min(KILLS_OF_A_MODEL, kills - killed)):
            code = run(problem, folder / "out", after_s=moments.uniform(0, LONGER * longest))
            if code != -signal.SIGKILL:
                break
            killed += 1
            phases[describe(folder)] += 1
        finish(folder, models)
        models += 1
    return {
        "killed": killed,
        "phases": dict(phases),
        "models": models,
        "seconds": round(time.monotonic() - began),
        **look(folder, models),
    }


def kill_at_points(folder: Path) -> dict[str, Any]:
    """Kill a run once at each point of each component, and let the last one end."""
    began = time.monotonic()
    reference = folder / "reference"
    reference.mkdir()
    write_table(reference)
    expected = finish(reference, 0)
    components = [each["id"] for each in expected["components"] if each["id"] not in ALWAYS - {"Pusher"}]
    problem, out = write_problem(folder, 0), folder / "out"
    points = [Point(component, step) for component in components for step in STEPS]
    missed = ["/".join(point) for point in points if run(problem, out, point=point) != -signal.SIGKILL]
    ended = finish(folder, 0)
    return {
        "killed": len(points) - len(missed),
        "missed": missed,
        "models": 1,
        "same_metrics": ended["metrics"] == expected["metrics"],
        "same_rows": ended["rows"] == expected["rows"],
        "seconds": round(time.monotonic() - began),
        **look(folder, 1),
    }


def write_problem(folder: Path, model: int) -> Path:
    """Write the problem whose model no other number gives."""
    (folder / "sales.yaml").write_text(PROBLEM.format(seed=model))
    return folder / "sales.yaml"


def finish(folder: Path, model: int) -> dict[str, Any]:
    """Run to the end and return the result.

    Raises:
        SystemExit: the run did not end well.
    """
    out = folder / "out"
    code = run(write_problem(folder, model), out)
    if code:
        raise SystemExit(f"a run after a kill ended with {code}: {out.with_suffix('.err').read_text()}")
    result: dict[str, Any] = json.loads(out.read_text())
    return result


def describe(folder: Path) -> str:
    """Return where the last run was killed, by its journal."""
    from pipeline.journal import last_run, read_events

    last = last_run(read_events(folder / ".penstock/sales/journal.jsonl"))
    return last.running[0] if last and last.running else "no component"


def look(folder: Path, models: int) -> dict[str, int]:
    """Return what is wrong in ML Metadata, among the artifacts and in the folder of pushed versions."""
    from ml_metadata.proto.metadata_store_pb2 import Execution

    from pipeline.lineage import open_store
    from pipeline.workspace import Workspace
    from serving.audit import verify
    from serving.history import read_history
    from serving.store import find_versions

    workspace = Workspace(folder.resolve() / ".penstock", "sales")
    with open_store(workspace) as store:
        executions = {each.id: each.last_known_state for each in store.get_executions()}
        pushed = {
            int(each.custom_properties["pushed_version"].string_value)
            for each in store.get_artifacts_by_type("PushedModel")
        }
    pushes = [event for event in read_history(workspace.serving).events if event.action == "push"]
    outputs = [path for path in workspace.artifacts.glob("[!.]*/[!.]*/*") if path.name.isdecimal()]
    complete = [number for number, state in executions.items() if state == Execution.COMPLETE]
    made = Counter(path.parent.name for path in workspace.seals.glob("*/*.json"))
    trained = {"Trainer", "InfraValidator", "Evaluator"}
    return {
        "unknown": len({event.version for event in pushes} - pushed)
        + len(find_versions(workspace.serving).keys() - pushed),
        "lost": models - len({event.digest for event in pushes}),
        "duplicates": len(pushes) - len({event.digest for event in pushes}),
        "faults": len(verify(workspace.serving)),
        "open": sum(state in {Execution.NEW, Execution.RUNNING} for state in executions.values()),
        "partial": sum(int(path.name) not in complete for path in outputs),
        "run_again": sum(
            count - (models if name in trained else 1) for name, count in made.items() if name not in ALWAYS
        ),
    }


def render(found: dict[str, Any]) -> str:
    """Return the counts as Markdown."""
    rows = [
        ["runs killed", found["killed"]],
        *([f"- in {name}", count] for name, count in sorted(found.get("phases", {}).items())),
        ["models", found["models"]],
        ["**pushed versions that ML Metadata does not know**", found["unknown"]],
        ["**models lost**", found["lost"]],
        ["**models pushed twice**", found["duplicates"]],
        ["faults that `verify` finds at the end", found["faults"]],
        ["executions left open", found["open"]],
        ["partial outputs left", found["partial"]],
        ["finished components that ran again", found["run_again"]],
        ["seconds", found["seconds"]],
    ]
    return render_table(["", "count"], rows)


if __name__ == "__main__":
    main()
