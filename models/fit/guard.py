"""Numbers that are none: in the columns before training, and in the loss, with the batch that made it so."""

from typing import TYPE_CHECKING

from models.fit import TrainingError
from models.fit.feed import Course

if TYPE_CHECKING:
    import keras

    from models.dataset import Columns


def check_columns(split: str, columns: "Columns") -> None:
    """Refuse transformed columns with NaN or infinity: a network may hide them (relu makes 0 of NaN) and never learn.

    Raises:
        TrainingError: which columns, and how many rows.
    """
    import numpy as np

    floats = {name: column.reshape(len(column), -1) for name, column in columns.items() if column.dtype.kind == "f"}
    rows = {name: int((~np.isfinite(column).all(axis=1)).sum()) for name, column in floats.items()}
    broken = ", ".join(f"{name} in {count} rows" for name, count in rows.items() if count)
    if broken:
        msg = f"{split} split: expected numbers, found NaN or infinity after tf.Transform: {broken}"
        raise TrainingError(msg)


def check_weights(network: "keras.Model", epoch: int) -> None:
    """Refuse weights with NaN or infinity, which the loss does not always show.

    Raises:
        TrainingError: which ones, after which epoch (from 0).
    """
    import numpy as np

    broken = [each.path for each in network.trainable_variables if not np.isfinite(each.numpy()).all()]
    if broken:
        msg = f"NaN or infinity in the weights after epoch {epoch + 1}: {', '.join(broken)}; {ADVICE}"
        raise TrainingError(msg)


def lost(columns: "Columns", course: Course, step: int) -> TrainingError:
    """Return the error that says which batch (`step`, over all epochs from 0) made the loss NaN or infinite."""
    import numpy as np

    epoch, batch = divmod(step, course.steps)
    rows = course.batch(step)
    sizes = {name: float(np.abs(column[rows]).max()) for name, column in columns.items() if column.dtype.kind == "f"}
    name = max(sizes, key=sizes.__getitem__)
    place = f"epoch {epoch + 1}, batch {batch + 1} of {course.steps}"
    found = f"its largest number is {sizes[name]:g}, in {name}"
    return TrainingError(f"the loss became NaN or infinite in {place}; {found}; {ADVICE}")


ADVICE = "lower training.learning_rate, set training.clip_norm, or clip extreme values"
