"""What a search for hyperparameters came to, kept for the runs after it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.search import EPOCHS, decode, direction, space_digest
from models.settings import Settings
from pipeline.workspace import Workspace
from schemas.edit import replace_file

if TYPE_CHECKING:
    from pipeline.graph import Plan
    from pipeline.lineage import Run

RESULTS_FILE = "tuner_results.json"
"""What TFX's Tuner writes: best trials first."""


class Trial(Settings):
    """One of the trials.

    Attributes:
        number: in the order they were made, from 0.
        score: the objective on the eval split.
        values: of the settings that were varied.
        epochs: that hyperband gave it; None: all, as other searches do.
    """

    number: int
    score: float
    values: dict[str, Any]
    epochs: int | None = None


class Tuned(Settings):
    """A finished search.

    Attributes:
        objective: what was looked for.
        direction: `min` or `max`.
        best: values of the best trial.
        trials: the best ones first.
    """

    objective: str
    direction: str
    best: dict[str, Any]
    trials: tuple[Trial, ...]

    def goodness(self, trial: Trial) -> float:
        """Return how good a trial is, from 0, the worst, to 1, the best."""
        best, worst = self.trials[0].score, self.trials[-1].score
        return 1.0 if best == worst else (trial.score - worst) / (best - worst)


def write_value(value: object) -> str:
    """Return a setting's value as a person reads it."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def read_tuned(workspace: Workspace, plan: "Plan") -> Tuned | None:
    """Return the finished search for the problem's space, None if there is none yet."""
    file = _file(workspace, plan)
    return Tuned.model_validate_json(file.read_bytes()) if file.exists() else None


def keep_tuned(workspace: Workspace, plan: "Plan", finished: "Run") -> Tuned:
    """Return what Tuner found, and keep it for the next runs."""
    tuning = plan.problem.tuning
    assert tuning is not None
    found = json.loads((Path(finished.output("TunerResults").uri) / RESULTS_FILE).read_text("utf-8"))
    trials = tuple(
        Trial(number=int(each["trial_id"]), score=each["score"], values=decode(each), epochs=each.get(EPOCHS))
        for each in found
    )
    tuned = Tuned(
        objective=tuning.objective, direction=direction(tuning.objective), best=trials[0].values, trials=trials
    )
    replace_file(_file(workspace, plan), tuned.model_dump_json(indent=1))
    return tuned


def _file(workspace: Workspace, plan: "Plan") -> Path:
    assert plan.problem.tuning is not None
    return workspace.tuning / f"{space_digest(plan.spec, plan.problem.tuning)}.json"
