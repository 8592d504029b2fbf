"""Labels for TensorFlow Serving: the `models.config` that its `--model_config_file` reads.

https://www.tensorflow.org/tfx/serving/serving_config#assigning_string_labels_to_model_versions
"""

from __future__ import annotations

import json
from pathlib import Path

from serving.standing import Standing
from serving.store import write_file

FILE = "models.config"
HEADER = "# made by `penstock models label`\n"
MOUNTED = "/models"
"""Where the official image looks for models; `compose.yaml` mounts the folder there."""


def render_model_config(name: str, standing: Standing) -> str:
    """Return the configuration of one model: the live and the labelled versions are loaded; empty without labels."""
    if not standing.labels:
        return ""
    wanted = sorted({*standing.labels.values(), standing.live})  # type: ignore[type-var]
    versions = "".join(f" versions: {version}" for version in wanted)
    labels = "".join(
        f"    version_labels {{ key: {json.dumps(label)} value: {version} }}\n"
        for label, version in sorted(standing.labels.items())
    )
    return (
        f"{HEADER}"
        "model_config_list {\n"
        "  config {\n"
        f"    name: {json.dumps(name)}\n"
        f"    base_path: {json.dumps(f'{MOUNTED}/{name}')}\n"
        '    model_platform: "tensorflow"\n'
        f"    model_version_policy {{ specific {{{versions} }} }}\n"
        f"{labels}"
        "  }\n"
        "}\n"
    )


def read_model_config(base: Path) -> str:
    """Return what the file says, empty without one of ours."""
    file = base / FILE
    text = file.read_text("utf-8", "replace") if file.is_file() else ""
    return text if text.startswith(HEADER) else ""


def write_model_config(base: Path, standing: Standing) -> None:
    """Write the file anew if it must change; without labels there is none."""
    text = render_model_config(base.name, standing)
    found = read_model_config(base)
    if text and text != found:
        write_file(base / FILE, text)
    elif found and not text:
        (base / FILE).unlink()
