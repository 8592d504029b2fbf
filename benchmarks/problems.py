"""How good each problem's pushed model is on the test split, beside honest references, and what its run took.

With one name the table of docs/problems/NAME.md, without or with several README's, a row a problem.
"""

import argparse
import importlib
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _measure import GATE_SAID_NO, PENSTOCK, ROOT, gigabytes, render_table, report, run_fresh

if TYPE_CHECKING:
    from references import Figure, Found

NAMES = sorted(file.stem for file in (ROOT / "benchmarks" / "references").glob("[a-z]*.py"))
KEPT = "problem.json"
"""What a run in a folder that is kept came to, so that its references can be compared again."""
BATCH_ROWS = 16_384


def main() -> None:
    """Run, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; left out: all")
    parser.add_argument("--run", type=Path, help="keep the runs' workspace here; one that is there is compared again")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(NAMES)):
        parser.error(f"expected names of {', '.join(NAMES)}, received {', '.join(unknown)}")
    if len(options.names) == 1:
        (name,) = options.names
        found = {name: measure(name, options.run)}
        report(found, render_problem(found[name]), as_json=options.json)
    else:
        found = {name: measure_apart(name, options.run) for name in options.names or NAMES}
        report(found, render_all(found), as_json=options.json)


def measure_apart(name: str, home: Path | None) -> dict[str, Any]:
    """Measure a problem in a process of its own: TensorFlow in this one would count as the next run's memory."""
    print(name, file=sys.stderr)
    options = ["--run", str(home.resolve())] if home else []
    found: dict[str, Any] = json.loads(run_fresh([sys.executable, __file__, name, "--json", *options]).output)[name]
    return found


def measure(name: str, home: Path | None) -> dict[str, Any]:
    """Return what the problem's run in the workspace folder `home` took, and its model beside the references."""
    if home:
        return compare(name, home.resolve())
    with tempfile.TemporaryDirectory() as folder:
        return compare(name, Path(folder))


def compare(name: str, home: Path) -> dict[str, Any]:
    """Return the figures of the run in `home`, which is made if it is not there."""
    run = find_run(name, home)
    if run["pushed"] is None:
        sys.exit(f"{name}: no model was pushed: {'; '.join(run['refusals'])}")
    references = importlib.import_module(f"references.{name}")
    found = read(name, home, Path(run["pushed"]["path"]))
    figures: list[Figure] = references.compare(found)
    parity = run["infra"]["parity"]
    return {
        "rows": run["rows"],
        "family": found.spec.model.family,
        "seconds": run["process_seconds"],
        "peak_bytes": run["process_peak_bytes"],
        "rest_parity": parity["differences"]["rest"],
        "rest_rows": parity["rows"],
        "figures": [figure._asdict() for figure in figures],
    }


def find_run(name: str, home: Path) -> dict[str, Any]:
    """Return the JSON of the problem's run in `home` with the process's seconds and memory; run it if need be."""
    kept = home / name / KEPT
    if kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text("utf-8"))
        return found
    problem = ROOT / "problems" / f"{name}.yaml"
    run_fresh([PENSTOCK, "fetch", problem])
    finished = run_fresh([PENSTOCK, "run", problem, "--json"], home, accept=(0, GATE_SAID_NO))
    result = json.loads(finished.output)
    reused = any(component["state"] == "cached" for component in result["components"])
    result["process_seconds"] = None if reused else finished.seconds
    result["process_peak_bytes"] = None if reused else finished.peak_bytes
    kept.write_text(json.dumps(result), "utf-8")
    return result


def read(name: str, home: Path, model: Path) -> "Found":
    """Return the raw columns of the run's splits, and what its pushed model answers for the test split."""
    from references import Found

    from models.dataset import concatenate
    from models.export import load_predictor, read_spec
    from pipeline.lineage import read_runs
    from pipeline.workspace import Workspace

    spec = read_spec(model)
    (run,) = read_runs(Workspace(home, name), 1)
    examples = Path(run.output("Examples").uri)
    splits = {
        folder.name.removeprefix("Split-"): read_columns(sorted(folder.iterdir()), spec.inputs.lengths)
        for folder in sorted(examples.glob("Split-*"))
    }
    predict, test = load_predictor(model), splits["test"]
    rows = len(test[spec.inputs.target.column])
    answers = [
        predict({column: test[column][start : start + BATCH_ROWS] for column in spec.inputs.columns})
        for start in range(0, rows, BATCH_ROWS)
    ]
    return Found(spec, splits, concatenate(iter(answers)))


def read_columns(files: Sequence[Path], lengths: dict[str, int]) -> dict[str, Any]:
    """Return all columns of a split's files, those that no feature reads too."""
    import pyarrow.parquet as pq
    import pyarrow.types as kinds

    from models.dataset import concatenate, dense_batches

    values = {field.name: field.type.value_type for field in pq.read_schema(files[0])}
    types = {
        name: "int" if kinds.is_integer(kind) else "float" if kinds.is_floating(kind) else "bytes"
        for name, kind in values.items()
    }
    return concatenate(dense_batches(files, types, lengths))


def render_problem(found: dict[str, Any]) -> str:
    """Return one problem's figures as Markdown: a row a metric, a column a reference."""
    figures = found["figures"]
    references = list(dict.fromkeys(name for figure in figures for name in figure["references"]))
    rows = [
        [
            figure["metric"],
            with_interval(figure),
            *(number(figure["references"].get(name)) for name in references),
            figure["bar"],
            holds(figure),
        ]
        for figure in figures
    ]
    table = render_table(["on the test split", f"the pushed `{found['family']}`", *references, "bar", "holds"], rows)
    counts = ", ".join(f"{split} {count:,}" for split, count in found["rows"].items())
    return (
        f"{table}\n\nIn brackets the 95 % interval. Rows: {counts}; the references had the same. "
        f"The whole run: {time_and_memory(found)}. "
        f"Answers over REST are within {found['rest_parity']:.0e} of Keras's ({found['rest_rows']} rows)."
    )


def render_all(found: dict[str, Any]) -> str:
    """Return all problems as Markdown: a row each, its figures that have a bar below each other."""
    rows = []
    for name, problem in found.items():
        barred = [figure for figure in problem["figures"] if figure["bar"]]
        rows.append(
            [
                f"[{name}](docs/problems/{name}.md)",
                f"{sum(problem['rows'].values()):,}",
                time_and_memory(problem),
                *("<br>".join(cell(figure) for figure in barred) for cell in CELLS.values()),
                f"{problem['rest_parity']:.0e}",
            ]
        )
    return render_table(["problem", "rows", "whole run", *CELLS, "REST"], rows) + (
        "\n\nOn the test split, with 95 % intervals. REST: the largest distance of the server's answers from Keras's."
    )


def with_interval(figure: dict[str, Any]) -> str:
    """Return the model's value with its interval."""
    low, high = figure["interval"]
    return f"**{number(figure['model'])}** ({number(low)} to {number(high)})"


def beside(figure: dict[str, Any]) -> str:
    """Return what the references reach."""
    return ", ".join(f"{name} {number(value)}" for name, value in figure["references"].items()) or "–"


def holds(figure: dict[str, Any]) -> str:
    """Return whether a bar holds; nothing where there is none."""
    return ("yes" if figure["holds"] else "**no**") if figure["bar"] else ""


CELLS = {
    "metric": lambda figure: figure["metric"],
    "model": with_interval,
    "references": beside,
    "bar": lambda figure: figure["bar"],
    "holds": holds,
}


def time_and_memory(found: dict[str, Any]) -> str:
    """Return what the run's process took."""
    if found["seconds"] is None:
        return "run before"
    return f"{found['seconds']:.0f} s, {gigabytes(found['peak_bytes'])} GB"


def number(value: float | None) -> str:
    """Return four digits; nothing of None."""
    return "" if value is None else f"{value:#.4g}".rstrip(".")


if __name__ == "__main__":
    main()
