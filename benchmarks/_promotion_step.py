"""Step of promotions.py: train the problem's model with SEEDS seeds, write labels and probabilities of the test split.

python _promotion_step.py FOLDER SEEDS    FOLDER has what `_training_step.py ingest` wrote; prints one JSON object
"""

import json
import sys
from pathlib import Path

import _packages_first  # noqa: F401
from _training_step import arguments, read_spec


def main() -> None:
    """Train, predict, write `predictions.npz`."""
    import numpy as np

    from models.train import run_fn
    from pipeline.evaluation import CANDIDATE, LABEL
    from pipeline.predictions import Judges, judged_rows, stacked

    folder, seeds = Path(sys.argv[1]), int(sys.argv[2])
    found = {}
    for seed in range(seeds):
        spec, out = read_spec(folder, seed=seed), folder / f"seed-{seed}"
        run_fn(arguments(folder, spec, out))
        table = judged_rows(folder / "examples" / "Split-test", Judges(spec, {CANDIDATE: out / "model"}, (), {}))
        found["labels"], found[str(seed)] = stacked(table[LABEL]), stacked(table[CANDIDATE])
    np.savez(folder / "predictions.npz", **found)
    print(json.dumps({"rows": len(found["labels"])}), flush=True)


if __name__ == "__main__":
    main()
