"""`penstock push`: the model of a run that held it back, once somebody has approved it."""

import typer

from pipeline.arguments import AsJson, ProblemFile, RunId, Wait
from pipeline.json_output import print_json


def push(
    problem: ProblemFile,
    run_id: RunId = "-1",
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Push the model of a run that `penstock run --no-push` made; nothing is read or trained again."""
    from pipeline.console import hold_stderr
    from pipeline.guard import guard
    from pipeline.lineage import find_run
    from pipeline.metadata.file import keep_copy
    from pipeline.problem import load_problem
    from pipeline.pushing import push_run
    from pipeline.render import relative
    from pipeline.workspace import require_writable

    loaded = load_problem(problem)
    workspace = loaded.workspace
    require_writable(workspace)
    with guard(workspace, "push", wait=wait), hold_stderr():
        run = find_run(workspace, run_id)
        pushed = push_run(workspace, run)
        keep_copy(workspace)
    if as_json:
        content = {"run_id": run.run_id, "version": pushed.version, "path": pushed.path, "fresh": pushed.fresh}
        print_json(content)
    else:
        how = "pushed" if pushed.fresh else "already served"
        typer.echo(f"{loaded.problem.name}: version {pushed.version} {how}: {relative(pushed.path)}")
