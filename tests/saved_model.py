"""Load SavedModels with TensorFlow alone, in a process that can't import this project, and run their signatures.

python -I saved_model.py < REQUEST.json

    {folder: [[signature, {input: [dtype, flat values, shape]}]]}

Prints what each run gives, `[{output: values}]` by folder, and which modules of ours got loaded.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

OURS = ("models", "pipeline", "serving", "schemas")
Given = tuple[str, list[Any], list[int]]
UNNEEDED = ("keras", "tensorflow_transform", "tfx", "apache_beam")


def hide_project() -> None:
    """Take the folder that holds this project off the path: the environment has an editable installation."""
    sys.path[:] = [folder for folder in sys.path if not Path(folder, "models", "spec.py").exists()]


def run(folder: str, runs: list[tuple[str, dict[str, Given]]]) -> list[dict[str, Any]]:
    """Return what each run gives."""
    import tensorflow as tf

    model = tf.saved_model.load(folder)

    def answer(signature: str, inputs: dict[str, Given]) -> dict[str, Any]:
        tensors = {
            name: tf.constant(to_values(dtype, values), dtype, shape) for name, (dtype, values, shape) in inputs.items()
        }
        return {name: to_json(output) for name, output in model.signatures[signature](**tensors).items()}

    return [answer(*each) for each in runs]


def to_values(dtype: str, values: list[Any]) -> list[Any]:
    """Return text as the bytes that JSON carried as text."""
    return [value.encode("utf-8", "surrogateescape") for value in values] if dtype == "string" else values


def to_json(output: Any) -> Any:
    """Return a tensor as nested lists, text as str."""
    return decode(output.numpy().tolist())


def decode(value: Any) -> Any:
    """Return bytes as text, in lists of any depth."""
    if isinstance(value, list):
        return [decode(each) for each in value]
    return value.decode() if isinstance(value, bytes) else value


if __name__ == "__main__":
    hide_project()
    folders = {folder: run(folder, runs) for folder, runs in json.load(sys.stdin).items()}
    loaded = sorted({*OURS, *UNNEEDED} & sys.modules.keys())
    json.dump({"folders": folders, "modules": loaded}, sys.stdout)
