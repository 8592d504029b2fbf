"""Every column that the model reads has values."""

from collections.abc import Iterator
from typing import Literal

from models.settings import Settings
from pipeline.gate.checks import Found, Seen

LEVEL: Literal["block", "warn"] = "block"


class Limits(Settings):
    """None: a column without any value teaches nothing."""


def find(seen: Seen, limits: Limits) -> Iterator[Found]:
    """Yield columns without a value in the training rows."""
    for column in seen.used:
        if column.present[0] == 0:
            yield Found(column.name, f"no value in any of {next(iter(seen.facts.rows.values())):,} training rows")
