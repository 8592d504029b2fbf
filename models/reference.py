"""What the network itself answers to held-out rows, kept beside the SavedModel: what is served must answer alike."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.dataset import dense, sample
from models.settings import Settings
from models.spec import ModelSpec, target_kind
from models.targets import LabelFacts

if TYPE_CHECKING:
    import keras
    import tensorflow_transform as tft

REFERENCE_FILE = "reference.json"
"""Its name, beside the SavedModel's folder: the rows are the table's own and have no place where models are served."""
ROWS = 500


class Reference(Settings):
    """What an exported model must come to.

    Attributes:
        rows: how many held-out rows were asked, at even distances over the split.
        answers: Keras's answers to them by name, `[rows]` or `[rows, any]`; null is NaN.
        lines: of each vocabulary in the SavedModel's assets.
    """

    rows: int
    answers: dict[str, list[Any]]
    lines: dict[str, int]


def record_reference(
    network: "keras.Model",
    spec: ModelSpec,
    transformed: "tuple[tft.TFTransformOutput, LabelFacts]",
    files: Sequence[Path],
    folder: Path,
) -> None:
    """Write the Reference of the model that was exported to `folder`.

    Args:
        network: as it is served, with its weights as they are in memory.
        spec: the model.
        transformed: tf.Transform's graph, and what the training split says of the label.
        files: of the split that the rows are taken from.
        folder: the SavedModel.
    """
    import tensorflow as tf

    transform, facts = transformed
    inputs = spec.inputs
    batch = sample(files, inputs.columns, ROWS)
    columns = dense(batch, {name: inputs.types[name] for name in inputs.columns}, inputs.lengths)
    features = transform.transform_features_layer().call(
        {name: tf.constant(column) for name, column in columns.items()}
    )
    answers = target_kind(inputs.target).answers(network(features, training=False), facts)
    reference = Reference(
        rows=batch.num_rows,
        answers={name: _plain(answer.numpy()) for name, answer in answers.items()},
        lines={file.name: file.read_bytes().count(b"\n") for file in sorted((folder / "assets").glob("*"))},
    )
    folder.with_name(REFERENCE_FILE).write_text(reference.model_dump_json(), "utf-8")


def _plain(answer: Any) -> list[Any]:
    """Return a `[rows]` or `[rows, any]` array as lists, bytes as text."""
    import numpy as np

    plain: list[Any] = (np.char.decode(answer.astype(bytes), "utf-8") if answer.dtype == object else answer).tolist()
    return plain


def read_reference(folder: Path) -> Reference:
    """Return what was recorded of the SavedModel in `folder`.

    Raises:
        OSError: nothing was.
        ValueError: it is damaged.
    """
    return Reference.model_validate_json(folder.with_name(REFERENCE_FILE).read_bytes())
