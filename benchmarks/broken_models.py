"""Models that must not be served, made of the flights model, and what InfraValidator says of each."""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from _broken_models import FAULTS, MORE_MEMORY_MB, P99_MS, SIZE_MB, break_model
from _measure import FLIGHTS, penstock_run, render_table, report

SOUND = "none"


def main() -> None:
    """Train, break, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        penstock_run(FLIGHTS, Path(home))
        models = judge_all(Path(home))
    report({"models": models}, render(models), as_json=options.json)


def judge_all(home: Path) -> list[dict[str, Any]]:
    """Return, for each model, the refusals, whether they are the right ones, and the seconds they took."""
    from pipeline.infra.trial import judge
    from pipeline.problem import Budget

    sound = read_candidate(home)
    budget = Budget(p99_ms=P99_MS, size_mb=SIZE_MB)
    found = []
    for index, (name, fault) in enumerate([(SOUND, None), *FAULTS.items()]):
        broken = break_model(sound.folder, home / f"broken-{index}", fault) if fault else sound.folder
        began = time.monotonic()
        verdict = judge(sound._replace(folder=broken), budget)
        seconds = round(time.monotonic() - began, 1)
        if not fault:
            budget = budget.model_copy(update={"rss_mb": (verdict.rss_mb or 0) + MORE_MEMORY_MB / 2})
        reasons = {line.startswith(fault.reason) for line in verdict.refusals} if fault else set(verdict.refusals)
        right = reasons == ({True} if fault else set())
        refusals = [line.replace(f"{broken}/", "") for line in verdict.refusals]
        found.append({"fault": name, "refusals": refusals, "right": right, "seconds": seconds})
    return found


def read_candidate(home: Path) -> Any:
    """Return the model that a run in the workspace `home` has trained, as InfraValidator gets it."""
    from models.spec import ModelSpec
    from pipeline.infra.trial import Candidate
    from pipeline.lineage import read_runs
    from pipeline.workspace import Workspace

    run = read_runs(Workspace(home.resolve(), FLIGHTS.stem), 1)[0]
    (saved_model,) = Path(run.output("Model").uri).glob("*/saved_model.pb")
    spec = ModelSpec.model_validate_json((saved_model.parent / "assets.extra" / "spec.json").read_text("utf-8"))
    return Candidate(saved_model.parent, spec, sorted(Path(run.output("Examples").uri, "Split-eval").iterdir()))


def render(models: list[dict[str, Any]]) -> str:
    """Return the table; the first refusal stands for all."""
    rows = [
        (each["fault"], "yes" if each["right"] else "NO", each["seconds"], (each["refusals"] or ["served"])[0])
        for each in models
    ]
    return render_table(["fault", "right reason", "seconds", "InfraValidator says"], rows)


if __name__ == "__main__":
    main()
