"""No time is missing from the column that the split goes by."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

from models.settings import Settings
from pipeline.gate.checks import Found, Seen

LEVEL: Literal["block", "warn"] = "block"


class Limits(Settings):
    """How long a time without a row may be.

    Attributes:
        before: in units of the longest one of the data before.
        usual: in a first run, in units of what 99 % of the times between two moments do not exceed; above it warns.
    """

    before: float = 2.0
    usual: float = 20.0


def find(seen: Seen, limits: Limits) -> Iterator[Found]:
    """Yield the longest gap if it is too long."""
    gap = seen.facts.gap
    if gap is None:
        return
    began = datetime.fromtimestamp(gap.after, UTC)
    message = f"no row from {began:%Y-%m-%d %H:%M} on for {timedelta(seconds=round(gap.seconds))}"
    name = seen.split_columns[0]
    if seen.before and seen.before.gap:
        longest = seen.before.gap.seconds
        if gap.seconds > limits.before * longest:
            yield Found(name, f"{message}; at most {timedelta(seconds=round(longest))} in {seen.named}")
    elif gap.seconds > limits.usual * gap.usual:
        yield Found(name, f"{message}; 99 % are at most {timedelta(seconds=round(gap.usual))}", certain=False)
