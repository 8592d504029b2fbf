"""A plan to files: what each target needs, with rules for Prometheus and a dashboard for Grafana beside them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from serving.deployment import compose, kserve, kubernetes
from serving.deployment.alerts import render_alerts, watch
from serving.deployment.dashboard import render_dashboard
from serving.deployment.plan import File, Plan
from serving.errors import StorageError
from serving.store import describe_fault, write_file

Target = Literal["compose", "kubernetes", "kserve"]


def render(plan: Plan, target: Target, base: Path, out: Path) -> list[File]:
    """Return the files for `out`.

    Args:
        plan: models and settings.
        target: where to.
        base: the folder with a folder of versions for each model; compose mounts it, seen from `out`.
        out: where the files go.

    Raises:
        InvalidArgumentError: the settings ask for what the target can't do.
    """
    watched = kserve.watch(plan) if target == "kserve" else watch(plan)
    monitoring = [render_alerts(plan, watched), render_dashboard(plan)]
    if target == "compose":
        return [*compose.render(plan, _relative(base, out)), *monitoring]
    return [*(kserve if target == "kserve" else kubernetes).render(plan), *monitoring]


def write(files: Sequence[File], out: Path) -> list[Path]:
    """Write the files to the folder `out`, each as a whole, and return their paths.

    Raises:
        StorageError: the disk refused something.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file in files:
            write_file(out / file.name, file.content)
    except OSError as error:
        raise StorageError(describe_fault(error, out)) from error
    return [out / file.name for file in files]


def _relative(base: Path, out: Path) -> str:
    relative = os.path.relpath(base.resolve(), out.resolve())
    return relative if relative.startswith(".") else f"./{relative}"
