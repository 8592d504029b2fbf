"""What a run came to and why: a reason for each component, what stopped it, and what the next one reuses."""

import re
from pathlib import Path
from typing import Literal, NamedTuple

from models.settings import Settings
from pipeline.blessing import read_blessing
from pipeline.gate.verdict import DataBlockedError, read_verdict
from pipeline.infra.verdict import read_infra
from pipeline.lineage import Run
from pipeline.reasons import LOOKS_UP, PUSH_CHECK, ComponentResult, read_reasons
from pipeline.workspace import Workspace

FAILURE = "a component failed"
"""What `pipeline.run` logs before the traceback."""
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,")
LOG_NAME = "%Y%m%d-%H%M%S"
State = Literal["complete", "not pushed", "blocked", "failed", "canceled", "running"]


class Why(Settings):
    """A run explained.

    Attributes:
        problem: its name.
        run_id: TFX's id of the run.
        state: `blocked` by the data gate, `not pushed` because a gate refused the model; what was killed is `running`
            until the next run starts.
        stopped: by what, in words; empty of a complete run.
        log: of a run that did not complete, None if it is gone.
        components: in the order they started, each with its reason.
        reused: components that the next run takes from the cache if nothing they depend on changes; empty of a
            complete run, for there it is all of them.
    """

    problem: str
    run_id: str
    state: State
    stopped: str = ""
    log: Path | None = None
    components: list[ComponentResult]
    reused: tuple[str, ...] = ()


class _Stop(NamedTuple):
    state: State
    stopped: str = ""
    log: Path | None = None


def explain_run(workspace: Workspace, run: Run) -> Why:
    """Return what `run` came to and why."""
    components = read_reasons(workspace, run.run_id)
    stop = _stop(workspace, run)
    finished = tuple(
        each.id
        for each in components
        if each.state in {"complete", "cached"} and each.reason != LOOKS_UP and each.id != PUSH_CHECK
    )
    return Why(
        problem=workspace.name,
        run_id=run.run_id,
        state=stop.state,
        stopped=stop.stopped,
        log=stop.log,
        components=components,
        reused=() if stop.state == "complete" else finished,
    )


def _stop(workspace: Workspace, run: Run) -> _Stop:
    broken = run.broken
    if broken:
        log = _log(workspace, run)
        if broken.state == "failed":
            told = _error(log) if log else ""
            return _Stop("failed", f"{broken.component} failed{f': {told}' if told else ''}", log)
        if broken.state == "canceled":
            return _Stop("canceled", f"{broken.component} was cancelled", log)
        return _Stop("running", f"{broken.component} has not ended: it is running, or was killed", log)
    if run.is_blocked:
        return _Stop("blocked", str(DataBlockedError(read_verdict(Path(run.output("DataVerdict").uri)))))
    refusals = _refusals(run)
    return _Stop("not pushed", "; ".join(refusals)) if refusals else _Stop("complete")


def _refusals(run: Run) -> list[str]:
    """Return what the gates and the server said against the model; nothing of a run that has judged none."""
    evaluation, infra = run.output("ModelEvaluation"), run.output("InfraBlessing")
    against = list(read_blessing(Path(evaluation.uri)).refusals) if evaluation else []
    return [*against, *(read_infra(run).refusals if infra else [])]


def _log(workspace: Workspace, run: Run) -> Path | None:
    """Return the run's log: the last one that was begun before its first component."""
    started = f"{run.started.astimezone():{LOG_NAME}}"
    return max((file for file in workspace.logs.glob("*.log") if file.stem <= started), default=None)


def _error(log: Path) -> str:
    """Return the last line of the failure's traceback; empty if the log has none."""
    _, found, traceback = log.read_text("utf-8", "replace").rpartition(FAILURE)
    lines = [] if not found else traceback.splitlines()
    end = next((index for index, line in enumerate(lines) if LOG_LINE.match(line)), len(lines))
    return next((line.strip() for line in reversed(lines[:end]) if line.strip()), "")
