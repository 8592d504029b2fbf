"""Training: is the input the bottleneck, and what does a kill -9 at 60 % cost?"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _measure import ROOT, arguments, last_line, render_table, report, run_fresh, take_problem

STEP = Path(__file__).resolve().with_name("_training_step.py")
FEEDS = {"feed": "as the YAML says", "feed_xla": "with XLA", "feed_16_bits": "in 16 bits"}
KILLED_AT = 0.6


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--epochs", type=int, default=40, help="of the training that is killed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        problem = take_problem(options.problem, options.rows, folder)
        rows = last_line(run_fresh([sys.executable, STEP, "ingest", folder, problem]))["rows"]
        feeds = last_line(run_fresh([sys.executable, STEP, "feed", folder]))
        found = {"rows": rows["train"], "epochs": options.epochs, "feeds": feeds}
        found |= measure_resume(folder, options.epochs)
    report(found, render(found), as_json=options.json)


def measure_resume(folder: Path, epochs: int) -> dict[str, Any]:
    """Return seconds and last metrics of a training, and of the one that goes on after a kill at 60 % of its steps."""
    command = [sys.executable, STEP, "train", folder, epochs]
    unbroken = run_fresh([*command, folder / "unbroken"])
    checkpoints = folder / "checkpoints"
    kill_at(KILLED_AT, [*command, folder / "killed", checkpoints], epochs)
    resumed = run_fresh([*command, folder / "resumed", checkpoints])
    lines = {"unbroken": unbroken.output.splitlines(), "resumed": resumed.output.splitlines()}
    return {
        name: {**json.loads(said[-1]), "epoch": [line for line in said if line.startswith(f"epoch {epochs}/")][-1]}
        for name, said in lines.items()
    }


def kill_at(share: float, command: list[Any], epochs: int) -> None:
    """Start a training and kill it (SIGKILL) in the epoch in which `share` of its steps are done."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    text = [str(part) for part in command]
    with subprocess.Popen(
        text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env=environment
    ) as child:
        assert child.stdout
        for line in child.stdout:
            if line.startswith(f"epoch {int(share * epochs)}/{epochs}: "):
                break
        time.sleep(0.2)
        child.kill()


def render(found: dict[str, Any]) -> str:
    """Return the two tables as Markdown."""
    rows: list[list[object]] = [
        [
            title,
            f"{feed['memory_ms']:.2f} ms",
            f"{feed['ours_ms']:.2f} ms",
            f"{feed['ours_ms'] / feed['memory_ms']:.2f}",
        ]
        for name, title in FEEDS.items()
        for feed in [found["feeds"][name]]
    ]
    feeds = render_table(["a training step", "one batch in memory", "our batches", "ratio"], rows)
    whole, rest = found["unbroken"], found["resumed"]
    runs: list[list[object]] = [
        [title, f"{whole[key]:.1f} s", f"{rest[key]:.1f} s", f"{rest[key] / whole[key]:.0%}"]
        for title, key in (("training", "training_seconds"), ("with reading and export", "seconds"))
    ]
    resume = render_table(["killed at 60 %", "unbroken", "the second run", "share"], runs)
    same = "equal" if whole["weights"] == rest["weights"] else "not equal"
    notes = (
        f"{found['rows']:,} training rows; {found['epochs']} epochs for the second table. Unbroken, the last line is "
        f'"{whole["epoch"]}", of the second run "{rest["epoch"]}"; the weights are {same}.'
    )
    return f"{feeds}\n\n{resume}\n\n{notes}"


if __name__ == "__main__":
    main()
