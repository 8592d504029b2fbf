"""`penstock deploy`: the files that put pushed models on TensorFlow Serving elsewhere."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline.arguments import AsJson
from pipeline.errors import InputError
from pipeline.json_output import print_json

if TYPE_CHECKING:
    from pipeline.problem import LoadedProblem
    from pipeline.workspace import Workspace
    from serving.deployment.plan import Model

Target = Literal["compose", "kubernetes", "kserve"]
LOOK_BACK = 20
"""Runs that are searched for one that tried its model."""

app = typer.Typer(help="Put pushed models on TensorFlow Serving elsewhere.", no_args_is_help=True)


@app.callback()
def deploy() -> None:
    """Put pushed models on TensorFlow Serving elsewhere."""


@app.command()
def render(
    target: Annotated[Target, typer.Argument(metavar="compose|kubernetes|kserve", help="Where to.")],
    problems: Annotated[
        list[Path], typer.Argument(metavar="PROBLEM", help="Problems' YAML files: one server for all of them.")
    ],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    config: Annotated[
        Path | None, typer.Option(help="YAML with images, replicas, resources, storage, ...: docs/deploy.md.")
    ] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="The server's image for a GPU, and a GPU for each.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write what runs TensorFlow Serving with the models behind a proxy, with its rules for Prometheus and Grafana."""
    from pipeline.problem import load_problem
    from pipeline.render import relative
    from pipeline.yaml_file import load_as
    from serving.deployment.plan import make_plan
    from serving.deployment.render import render as render_files
    from serving.deployment.render import write
    from serving.deployment.settings import DeploySettings

    settings = load_as(config, DeploySettings) if config else DeploySettings()
    opened = [load_problem(path) for path in problems]
    bases = {loaded.workspace.serving.parent for loaded in opened}
    if len(bases) > 1:
        raise InputError(f"expected problems that push to one folder, received {', '.join(map(str, sorted(bases)))}")
    plan = make_plan([_describe(each) for each in opened], settings, gpu=gpu)
    written = write(render_files(plan, target, bases.pop(), out), out)
    servers = [plan.of(model) for model in plan.models] if target == "kserve" else [plan]
    if as_json:
        told = [{"name": each.name, "memory_mb": each.memory_mb, "batching": each.batches} for each in servers]
        print_json({"files": written, "servers": told})
        return
    typer.echo("\n".join(f"wrote {relative(file)}" for file in written))
    for each in servers:
        asked = settings.batching and not each.batches
        why = ", no batching, for a model takes lists of any length" if asked else ""
        typer.echo(f"{each.name}: {each.memory_mb:,} MB memory{why}")


def _describe(loaded: "LoadedProblem") -> "Model":
    """Return the model: its memory by the budget, else as the newest run measured it, else unknown."""
    from serving.deployment.plan import Model

    name, budget, workspace = loaded.problem.name, loaded.problem.budget, loaded.workspace
    return Model(name, budget.rss_mb or _read_memory_mb(workspace), budget.p99_ms, _takes_lists(workspace))


def _read_memory_mb(workspace: "Workspace") -> float | None:
    """Return what the newest run that tried its model measured, None if none did or it is gone."""
    from pipeline.infra.verdict import BLESSING_TYPE, read_infra
    from pipeline.lineage import read_runs

    tried = (run for run in read_runs(workspace, LOOK_BACK) if run.output(BLESSING_TYPE))
    with suppress(InputError):
        return next((read_infra(run).rss_mb for run in tried), None)
    return None


def _takes_lists(workspace: "Workspace") -> bool:
    """Return whether an input of the newest version has lists of any length; without a version, no."""
    from serving.artifact import DEFAULT_SIGNATURE, read_signatures
    from serving.store import find_versions

    newest = max(find_versions(workspace.serving).items(), default=None)
    signatures = read_signatures(newest[1]) if newest else {}
    inputs = signatures[DEFAULT_SIGNATURE].inputs.values() if DEFAULT_SIGNATURE in signatures else ()
    return any(-1 in (spec.shape or ())[1:] for spec in inputs)
