"""Which rows train, which evaluate, which test: an SQL expression per way to split."""

from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from models.settings import Settings

Share = Annotated[float, Field(gt=0, lt=1)]
HASH = "__hash"
"""Name of the column with each row's 64-bit hash of all its values."""


class HashSplit(Settings):
    """By a hash of the row's values: a row never changes its split when others are added.

    Attributes:
        eval: share of the eval split.
        test: share of the test split, 0 for none.
    """

    by: Literal["hash"] = "hash"
    eval: Share = 0.2
    test: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _leave_rows_to_train(self) -> "HashSplit":
        return _check_shares(self)


class TimeSplit(Settings):
    """By time: the last rows are the test split, those before them the eval split. One moment is never in two splits.

    Attributes:
        column: the moments to sort by.
        eval: share of the eval split.
        test: share of the test split, 0 for none.
    """

    by: Literal["time"] = "time"
    column: str
    eval: Share = 0.2
    test: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _leave_rows_to_train(self) -> "TimeSplit":
        return _check_shares(self)


Split = Annotated[HashSplit | TimeSplit, Field(discriminator="by")]


Shared = TypeVar("Shared", HashSplit, TimeSplit)


def _check_shares(split: Shared) -> Shared:
    if split.eval + split.test >= 1:
        msg = f"eval + test must be below 1, received {split.eval} + {split.test}"
        raise ValueError(msg)
    return split


def names(split: HashSplit | TimeSplit) -> list[str]:
    """Return the names of the splits."""
    return ["train", "eval", "test"] if split.test else ["train", "eval"]


def identifier(name: str) -> str:
    """Return `name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def expression(split: HashSplit | TimeSplit, table: str) -> str:
    """Return SQL that gives each row of `table` (with the column HASH) its split."""
    train, before_test = 1 - split.eval - split.test, 1 - split.test
    if isinstance(split, HashSplit):
        place = f"{HASH} % 1000000"
        bounds = [str(round(share * 1_000_000)) for share in (train, before_test)]
    else:
        place = identifier(split.column)
        # a scalar subquery each: DuckDB computes them once
        bounds = [f"(SELECT quantile_disc({place}, {share}) FROM {table})" for share in (train, before_test)]
    last = f"WHEN {place} >= {bounds[1]} THEN 'test'" if split.test else ""
    return f"CASE {last} WHEN {place} >= {bounds[0]} THEN 'eval' ELSE 'train' END"
