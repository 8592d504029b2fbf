"""The Trainer's run_fn in a process of its own, for tests that kill it.

python train_child.py < REQUEST.json

    {"spec": {...}, "root": "...", "out": "...", "checkpoints": "...", "processors": 1}

`root` holds what Transform makes (`examples/Split-train`, `graph`); the eval split is the train split. Prints the
progress as it comes.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def arguments(request: dict[str, Any]) -> Any:
    """What TFX would hand over."""
    root, out = Path(request["root"]), Path(request["out"])
    files = [str(root / "examples" / "Split-train" / "*")]
    return SimpleNamespace(
        custom_config={
            "spec": json.dumps(request["spec"]),
            "code": "1",
            "checkpoints": request.get("checkpoints"),
        },
        transform_output=str(root / "graph"),
        train_files=files,
        eval_files=files,
        model_run_dir=str(out / "logs"),
        serving_model_dir=str(out / "model"),
        base_model=request.get("base"),
    )


def main() -> None:
    """Train."""
    request = json.load(sys.stdin)
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    logging.getLogger("penstock.progress").setLevel(logging.INFO)
    if request.get("processors", 1) > 1:
        import tensorflow as tf

        (processor,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration()] * request["processors"]
        tf.config.set_logical_device_configuration(processor, parts)
    from models.train import run_fn

    run_fn(arguments(request))


if __name__ == "__main__":
    main()
