"""Step of training.py, in a process of its own: prints one JSON object as its last line.

ingest FOLDER PROBLEM    examples and transform graph, as the pipeline makes them
feed FOLDER              seconds of a training step: fed by our batches, and with a batch that lies in memory
train FOLDER EPOCHS OUT [CHECKPOINTS]    the Trainer's run_fn; each line of progress comes as it happens
"""

import json
import logging
import os
import statistics
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import _packages_first  # noqa: F401

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from _examples import ingest

from models.spec import ModelSpec

ROUNDS, STEPS = 7, 200
LOOPS = {"feed": {}, "feed_xla": {"jit": True}, "feed_16_bits": {"mixed_precision": True}}


def main() -> None:
    """Do one step."""
    step, folder, *rest = sys.argv[1:]
    work = {"ingest": make_examples, "feed": measure_feed, "train": train}[step]
    print(json.dumps(work(Path(folder), *rest)), flush=True)


def make_examples(folder: Path, problem: str) -> dict[str, Any]:
    """Write `examples`, `graph` and `spec.json` below the folder."""
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types import standard_artifacts

    from pipeline.beam_arguments import LOCAL
    from pipeline.components.transform import Executor

    spec, rows = ingest(Path(problem), folder / "examples")
    (folder / "spec.json").write_text(spec.model_dump_json(), "utf-8")
    examples, graph = standard_artifacts.Examples(), standard_artifacts.TransformGraph()
    examples.uri, graph.uri = str(folder / "examples"), str(folder / "graph")
    examples.split_names = json.dumps(["train"])
    context = BaseBeamExecutor.Context(beam_pipeline_args=list(LOCAL), tmp_dir=str(folder / "tmp"), unique_id="0")
    properties = {"custom_config": json.dumps({"inputs": spec.inputs.model_dump_json()})}
    Executor(context).Do({"examples": [examples]}, {"transform_graph": [graph]}, properties)
    return {"rows": rows}


def arguments(folder: Path, spec: ModelSpec, out: Path, checkpoints: str | None = None) -> Any:
    """Return what TFX hands to run_fn."""
    return SimpleNamespace(
        custom_config={"spec": spec.model_dump_json(), "code": "benchmark", "checkpoints": checkpoints},
        transform_output=str(folder / "graph"),
        train_files=[str(folder / "examples" / "Split-train" / "*")],
        eval_files=[str(folder / "examples" / "Split-eval" / "*")],
        model_run_dir=str(out / "logs"),
        serving_model_dir=str(out / "model"),
        base_model=None,
    )


def read_spec(folder: Path, **training: Any) -> ModelSpec:
    """Return the problem's model with other settings of the training."""
    spec = ModelSpec.model_validate_json((folder / "spec.json").read_text("utf-8"))
    return spec.model_copy(update={"training": spec.training.model_copy(update=training)})


def train(folder: Path, epochs: str, out: str, checkpoints: str | None = None) -> dict[str, Any]:
    """Train and export; return seconds from the end of the reading to the export, and of all."""
    from models.export import read_weights
    from models.train import run_fn

    marks: dict[str, float] = {}

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            print(text, flush=True)
            marks["end" if text == "exporting" else text.split(" ")[0]] = time.perf_counter()

    logging.getLogger("penstock.progress").addHandler(Told())
    logging.getLogger("penstock.progress").setLevel(logging.INFO)
    spec = read_spec(folder, epochs=int(epochs))
    began = time.perf_counter()
    run_fn(arguments(folder, spec, Path(out), checkpoints))
    seconds = time.perf_counter() - began
    total = sum(float(array.sum()) for array in read_weights(Path(out) / "model").values())
    return {"seconds": seconds, "training_seconds": marks["end"] - marks["on"], "weights": total}


def measure_feed(folder: Path) -> dict[str, Any]:
    """Return the median seconds of a step by what feeds it; the rounds take turns."""
    from models.train import read_task

    task = read_task(arguments(folder, read_spec(folder), folder), read_spec(folder))
    found = {}
    for name, training in LOOPS.items():
        ours, memory = _loops(task._replace(spec=read_spec(folder, **training)))
        ours(), memory()
        times = [(ours(), memory()) for _ in range(ROUNDS)]
        found[name] = {
            "ours_ms": 1000 * statistics.median(each for each, _ in times),
            "memory_ms": 1000 * statistics.median(each for _, each in times),
        }
    return found


def _loops(task: Any) -> Any:
    """Return two functions that make STEPS steps and return the seconds of one: with our batches, with one batch."""
    from models.fit.feed import Course, default_batch_size, shuffled
    from models.preprocess import LABEL
    from models.train import train_network

    rows = len(task.splits.train[LABEL])
    size = task.spec.training.batch_size or default_batch_size(rows)
    few = {name: column[: 4 * size] for name, column in task.splits.train.items()}
    short = task.spec.training.model_copy(update={"epochs": 1})
    spec = task.spec.model_copy(update={"training": short})
    network = train_network(task._replace(spec=spec, splits=task.splits._replace(train=few))).network
    batches = iter(shuffled(task.splits.train, LABEL, Course(rows, size, 1000, 0), 0))
    memory = iter(shuffled(task.splits.train, LABEL, Course(rows, size, 1, 0), 0).take(1).cache().repeat())

    def timed(iterator: Any) -> float:
        began = time.perf_counter()
        for _ in range(STEPS):
            loss = network.train_function(iterator)["loss"]
        float(loss)
        return (time.perf_counter() - began) / STEPS

    return lambda: timed(batches), lambda: timed(memory)


if __name__ == "__main__":
    main()
