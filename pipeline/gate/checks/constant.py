"""No column that the model reads holds the same value in every row."""

from collections.abc import Iterator
from typing import Literal

from models.settings import Settings
from pipeline.gate.checks import Found, Seen

LEVEL: Literal["block", "warn"] = "block"


class Limits(Settings):
    """None: a column either varies or not."""


def find(seen: Seen, limits: Limits) -> Iterator[Found]:
    """Yield constant columns; one that never varied, as far as is known, only warns."""
    for column in seen.used:
        values = len(column.values) if column.kind == "text" else 1 + (column.low != column.high)
        if sum(column.present) < 2 or values != 1:
            continue
        value = column.values[0] if column.kind == "text" else f"{column.low:g}"
        known = seen.known(column.name)
        varied = known is not None and known.distinct > 1
        before = f"; {seen.named} has {known.distinct:,} values" if known and varied else ""
        yield Found(column.name, f"every value is {value!r}{before}", certain=varied)
