"""The parity certificate: how far what is served lies from what the network itself answers to the same rows."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from models.settings import Settings

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Answers = Mapping[str, Array]

PARITY_FILE = "parity.json"
TOLERANCE = 1e-5
TOLERANCE_OF_HALF = 1e-2
"""Of a network that computes in 16 bits: bfloat16 has 8 of them for the digits, and where it rounds is not told."""


class Parity(Settings):
    """The certificate.

    Attributes:
        rows: held-out rows that were asked.
        tolerance: the largest difference that is let through.
        relative: whether differences are shares of the largest answer (of a label with a unit), or plain (of
            probabilities and scores).
        differences: the largest one from Keras's own answers, by the way that the rows were asked; None: not available.
    """

    rows: int
    tolerance: float
    relative: bool
    differences: dict[str, float | None]

    def refusals(self) -> list[str]:
        """Return a line for each way that differs by more than is tolerated."""
        kind = " of the largest answer" if self.relative else ""
        return [
            f"parity: asked by {way} it answers up to {difference:.3g}{kind} other than the network that was trained "
            f"({self.rows} rows), tolerated is {self.tolerance:g}"
            for way, difference in self.differences.items()
            if difference is not None and difference > self.tolerance
        ]


def to_answers(predictions: Sequence[Any], names: Sequence[str]) -> "Answers":
    """Return a client's predictions, one a row, as `[rows]` or `[rows, any]` arrays by name."""
    import numpy as np

    (only, *others) = names
    if not others:
        return {only: np.array(predictions)}
    return {name: np.array([row[name] for row in predictions]) for name in names}


def largest_difference(expected: "Answers", found: "Answers", tolerance: float, *, relative: bool) -> float:
    """Return the largest difference of any answer to any row; 1.0 of another text or another shape.

    A text may be another one where the numbers that it follows from are as good as equal: the class that is likeliest
    or the order of items is then a matter of the last digit.
    """
    return max(_difference(expected, found, name, tolerance, relative=relative) for name in expected)


def _difference(expected: "Answers", found: "Answers", name: str, tolerance: float, *, relative: bool) -> float:
    import numpy as np

    wanted, given = expected[name], found[name]
    if wanted.shape != given.shape:
        return 1.0
    if wanted.dtype.kind == "U":
        return float(((wanted != given) & ~_tied(expected, wanted.shape, tolerance)).any())
    gaps = np.abs(wanted - given)
    scale = float(np.abs(wanted).max()) if relative else 1.0
    return float(gaps.max() / (scale or 1.0)) if np.isfinite(gaps).all() else 1.0


def _tied(expected: "Answers", shape: tuple[int, ...], tolerance: float) -> "Array":
    """Return which texts, `[rows]` or `[rows, any]`, follow from numbers that their neighbours equal."""
    import numpy as np

    numbers = next((each for each in expected.values() if each.dtype.kind == "f" and each.ndim == 2), None)
    if numbers is None:
        return np.zeros(shape, bool)
    best_first = -np.sort(-numbers, axis=1)
    close = np.abs(np.diff(best_first, axis=1)) <= tolerance
    # what follows after the last item is not known
    end = np.full((len(numbers), 1), numbers.shape[1] > 1 and len(shape) > 1)
    tied: Array = np.hstack([close, end]) | np.hstack([np.zeros_like(end), close])
    return tied if len(shape) > 1 else tied[:, :1].reshape(shape)
