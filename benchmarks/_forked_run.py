"""`penstock run` in a fork of a process that has imported everything, so that a run that is killed costs seconds.

A kill is at a random moment, or at a point of a component: after its execution is registered (`prepare`), with half an
output written (`execute`), or with all of it written and nothing recorded (`publish`).
"""

import importlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import _packages_first  # noqa: F401

POLL_S = 0.005
TIMEOUT_S = 300.0
STEPS = {
    "prepare": "_prepare_execution",
    "execute": "_run_executor",
    "publish": "_publish_successful_execution",
}
"""Methods of TFX's launcher."""
HEAVY = (
    "pipeline.graph",
    "pipeline.run",
    "pipeline.preflight",
    "pipeline.report.runs",
    "models.train",
    "models.families.mlp",
    "tfx.orchestration.local.local_dag_runner",
    "tensorflow_model_analysis",
)


class Point(NamedTuple):
    """A place in a run: a component and a key of STEPS."""

    component: str
    step: str


def import_heavy() -> None:
    """Import what a run imports and leaves no thread behind."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for name in HEAVY:
        importlib.import_module(name)


def run(problem: Path, out: Path, *, point: Point | None = None, after_s: float | None = None) -> int:
    """Run the problem with standard output in the file `out`; return the exit code, or less than 0: the signal."""
    child = os.fork()
    if not child:
        _become_run(problem, out, point)
    deadline = time.monotonic() + (after_s if after_s is not None else TIMEOUT_S)
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(POLL_S)
    return os.waitstatus_to_exitcode(ended[1])


def _become_run(problem: Path, out: Path, point: Point | None) -> None:
    from pipeline.cli import main

    try:
        os.chdir(problem.parent)
        with out.open("w") as stream, out.with_suffix(".err").open("w") as errors:
            os.dup2(stream.fileno(), 1)
            os.dup2(errors.fileno(), 2)
        if point:
            _kill_at(point)
        sys.argv = ["penstock", "run", problem.name, "--json"]
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.stdout.flush()
    os._exit(code)


def _kill_at(point: Point) -> None:
    """Let this process be killed at the point, by TFX's launcher."""
    from tfx.orchestration.portable.launcher import Launcher

    original = getattr(Launcher, STEPS[point.step])

    def killed(launcher: Any, *arguments: Any) -> Any:
        if launcher._pipeline_node.node_info.id != point.component:
            return original(launcher, *arguments)
        if point.step == "prepare":
            original(launcher, *arguments)
        elif point.step == "execute":
            _write_half(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    setattr(Launcher, STEPS[point.step], killed)


def _write_half(execution: Any) -> None:
    from tfx.orchestration.portable.outputs_utils import make_output_dirs

    make_output_dirs(execution.output_dict)
    for artifacts in execution.output_dict.values():
        Path(artifacts[0].uri, "half").write_text("half of it")
