"""A server under load while versions are pushed, rolled back and given labels: failures, mixed answers, p99.

The server is `penstock serve`, the load comes from another process (_mixed_load.py), by REST and gRPC, by latest, by
version and by label. The tiny model answers with its own number, so that an answer of two versions would show; the
other model is the flights model, or the newest version below `--base`.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import _packages_first  # noqa: F401
import numpy as np
from _measure import FLIGHTS, penstock_run, render_table, report, run_fresh, take_problem
from _serving_process import Serving, serving

from serving.manifest import MANIFEST
from serving.protos import PredictionLog
from serving.push import Candidate, push
from serving.rollout import rollback, set_label
from serving.server.warm_up import FILE as WARM_UP
from serving.store import find_versions
from serving.tfrecord import read_records

HERE = Path(__file__).resolve().parent
KEEP = 3
POLL_S = 0.2
MORE_PUSHES = 2
"""One before anybody asks, and one that ends the peace."""
WARM_S = 2.0
SETTLED_S = 0.3
"""So long after a version is there the requests still count as asked during the change: the old one goes meanwhile."""
REST = ("latest", "latest", "version", "canary", "stable", "latest")
GRPC = ("latest", "canary")


class Change(NamedTuple):
    """One push, rollback or label move, by time.perf_counter."""

    kind: str
    began: float
    ended: float


class Deployment:
    """A folder of versions, which number each of them answers with, and the ways to change it."""

    def __init__(self, base: Path, models: Path) -> None:
        self._base, self._models = base, models
        self.numbers: dict[int, int] = {}
        self.labelled: dict[str, set[int]] = {"stable": set(), "canary": set()}
        self._made = 0

    def push(self) -> int:
        self._made += 1
        number = self._made
        version = push(Candidate(self._models / str(number)), self._base, KEEP).version
        self.numbers[version] = number
        return version

    def rollback(self) -> int:
        pushed = rollback(self._base)
        manifest = json.loads((pushed.path / MANIFEST).read_text())
        self.numbers[pushed.version] = self.numbers[manifest["origin"]]
        return pushed.version

    def label(self, label: str = "canary") -> int:
        """Move the label to the newest version that it is not on."""
        found = [version for version in find_versions(self._base) if self.numbers[version] not in self.labelled[label]]
        version = max(found or find_versions(self._base))
        set_label(self._base, label, version)  # type: ignore[arg-type]
        self.labelled[label].add(self.numbers[version])
        return version


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="of changes; a third as long without, before")
    parser.add_argument("--pushes", type=int, default=20)
    parser.add_argument("--labels", type=int, default=10, help="label moves")
    parser.add_argument("--rollbacks", type=int, default=5)
    parser.add_argument("--rows", type=int, default=30_000, help="that the flights model is trained on")
    parser.add_argument("--base", type=Path, help="a folder that a model was pushed to, instead of the flights model")
    parser.add_argument("--tiny", action="store_true", help="the tiny model alone")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = folder / "models"
        run_fresh([sys.executable, HERE / "_numbered_models.py", models, options.pushes + MORE_PUSHES])
        found = {"tiny": measure(folder / "tiny", models, options)}
        if not options.tiny:
            pushed = max(find_versions(options.base or train(folder, options.rows)).items())[1]
            for number in range(1, options.pushes + MORE_PUSHES + 1):
                copy(pushed, folder / "copies", number)
            found["flights"] = measure(folder / "flights", folder / "copies", options)
    report(found, render(found), as_json=options.json)


def train(folder: Path, rows: int) -> Path:
    """Return the folder that the flights model is pushed to."""
    problem = take_problem(FLIGHTS, rows, folder)
    penstock_run(problem, folder / "home")
    return next((folder / "home").rglob("saved_model.pb")).parents[1]


def copy(version: Path, folder: Path, number: int) -> None:
    """Write a copy of a pushed version that is a model of its own, because it has one more asset."""
    made = shutil.copytree(version, folder / str(number))
    (made / MANIFEST).unlink()
    (made / "assets" / "number").write_text(str(number))


def measure(base: Path, models: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Ask a server first in peace, then while its folder changes."""
    deployment = Deployment(base, models)
    stable = deployment.push()
    for label in deployment.labelled:
        deployment.label(label)
    request = write_request(base / str(stable), base.with_suffix(".request"))
    kinds = ["push"] * options.pushes + ["label"] * options.labels + ["rollback"] * options.rollbacks
    random.Random(0).shuffle(kinds)
    with serving(base, "--poll", str(POLL_S)) as server:
        plan = {
            "rest_port": server.port,
            "grpc_port": server.grpc_port,
            "model": server.model,
            "version": stable,
            "request": str(request) if request else "",
            "rows": 8,
            "rest": REST,
            "grpc": GRPC,
        }
        out = base.parent / f"{base.name}.json"
        command = [sys.executable, str(HERE / "_mixed_load.py"), json.dumps(plan), str(out)]
        load = subprocess.Popen(command, stdin=subprocess.PIPE)
        time.sleep(WARM_S + options.seconds / 3)
        changes = change(deployment, server, ["push", *kinds], options.seconds)
        load.communicate(b"\n", timeout=60)
        if load.returncode:
            sys.exit(f"the load ended with {load.returncode}")
    return sum_up(out, changes, deployment, stable)


def write_request(version: Path, file: Path) -> Path | None:
    """Write the first request of a version's warm-up; nothing without one."""
    if not (version / WARM_UP).is_file():
        return None
    log = PredictionLog.FromString(next(read_records(version / WARM_UP)))
    file.write_bytes(log.predict_log.request.SerializeToString())
    return file


def change(deployment: Deployment, server: Serving, kinds: list[str], seconds: float) -> list[Change]:
    """Do one thing after the other, evenly over the time; the first, a push, tells when peace ended."""
    began, changes = time.perf_counter(), []
    for index, kind in enumerate(kinds):
        time.sleep(max(0.0, began + seconds * index / len(kinds) - time.perf_counter()))
        started = time.perf_counter()
        version = getattr(deployment, kind)()
        server.wait_for(lambda states, version=version: states.get(version) == "AVAILABLE")
        changes.append(Change(kind, started, time.perf_counter() + SETTLED_S))
    time.sleep(max(SETTLED_S, began + seconds - time.perf_counter()))
    return changes


def sum_up(out: Path, changes: list[Change], deployment: Deployment, stable: int) -> dict[str, Any]:
    """Return the figures of one model."""
    seen = json.loads(out.read_text())
    wrong = [key for key in seen["answers"] if not is_right(*key.split()[1:], deployment, stable)]
    found: dict[str, Any] = {
        "changes": {kind: sum(each.kind == kind for each in changes) for kind in ("push", "label", "rollback")},
        "failures": seen["failures"],
        "wrong_versions": len(wrong),
        "seconds_each": round(sum(each.ended - SETTLED_S - each.began for each in changes) / len(changes), 2),
        "examples": [*seen["examples"], *wrong[:5]],
        "versions": len({key.split()[3] for key in seen["answers"]}),
    }
    with np.load(out.with_suffix(".npz")) as latencies:
        for api in ("REST", "gRPC"):
            found[api] = describe(latencies[api], changes)
    return found


def is_right(place: str, version: str, number: str, deployment: Deployment, stable: int) -> bool:
    """Whether an answer is one that a request to that place may get."""
    numbers, told = deployment.numbers, int(version)
    if int(number) == 0:  # a model that does not tell
        return told == 0 or told in numbers
    allowed = {"latest": set(numbers.values()), "version": {numbers[stable]}, **deployment.labelled}[place]
    return int(number) in allowed and (not told or numbers.get(told) == int(number))


def describe(latencies: np.ndarray, changes: list[Change]) -> dict[str, float]:
    """Return throughput and latencies before the changes, and of the requests that were open during one."""
    ended, taken = latencies.T
    begin = changes[0].began
    in_peace = (ended < begin) & (ended > ended.min() + WARM_S)
    open_during = np.zeros(len(ended), bool)
    for each in changes:
        open_during |= (ended > each.began) & (ended - taken < each.ended)
    idle_s, busy_s = begin - ended.min() - WARM_S, ended.max() - begin
    p99, busy_p99 = (float(np.quantile(taken[chosen], 0.99)) * 1e3 for chosen in (in_peace, open_during))
    return {
        "requests": len(ended),
        "requests_per_s": round(in_peace.sum() / idle_s),
        "busy_requests_per_s": round((ended > begin).sum() / busy_s),
        "p99_ms": round(p99, 2),
        "busy_p99_ms": round(busy_p99, 2),
        "longest_ms": round(float(taken[open_during].max()) * 1e3, 1),
        "ratio": round(busy_p99 / p99, 2),
    }


def render(found: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    header = ["", "requests/s", "during changes", "p99 ms", "p99 ms during changes", "times", "longest ms"]
    keys = ("requests_per_s", "busy_requests_per_s", "p99_ms", "busy_p99_ms", "ratio", "longest_ms")
    rows = [
        [f"{name}, {api}", *(figures[api][key] for key in keys)]
        for name, figures in found.items()
        for api in ("REST", "gRPC")
    ]
    lines = [render_table(header, rows), ""]
    for name, figures in found.items():
        asked = sum(figures[api]["requests"] for api in ("REST", "gRPC"))
        changes = figures["changes"]
        lines.append(
            f"{name}: {changes['push']} pushes, {changes['label']} label moves, {changes['rollback']} rollbacks, "
            f"{figures['seconds_each']} s each; {asked:,} requests, **{figures['failures']} failed, "
            f"{figures['wrong_versions']} of a wrong version**."
        )
        lines += [f"- {example}" for example in figures["examples"]]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
