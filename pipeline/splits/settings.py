"""The settings of each way to split."""

import itertools
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, PlainValidator, ValidationInfo, field_validator, model_validator

from models.settings import Settings
from pipeline.errors import InputError

HASH = "__hash"
"""Name of the column with each row's 64-bit hash of all its values."""
Share = Annotated[float, Field(gt=0, lt=1)]


def _read_cut(value: Any) -> float | int | str:
    """Return a share (below 1), a number (above 1) or a moment in UTC as `2013-10-01T00:00:00Z`."""
    if isinstance(value, int | float) and not isinstance(value, bool) and (0 <= value < 1 or 1 < value < float("inf")):
        # float() and int(): YAML's own numbers are subclasses
        return int(value) if isinstance(value, int) and value else float(value)
    try:
        moment = datetime.fromisoformat(value.isoformat() if isinstance(value, date) else value)
        return f"{(moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None).isoformat()}Z"
    except (TypeError, ValueError, OverflowError):
        msg = f"expected a share between 0 and 1, a moment such as 2013-10-01 or a number, received {value!r:.80}"
        raise ValueError(msg) from None


Cut = Annotated[float | int | str, PlainValidator(_read_cut)]


class Shares(Settings):
    """How much goes into each split; what is left trains.

    Attributes:
        folds: cut what neither `test` nor a named split takes into so many equal parts, one of them the eval split.
        fold: which one, from 0.
        eval: share of the eval split; left out beside `folds`.
        test: share of the test split, 0 for none.
        named: shares of further splits by name, of rows that would train without them: `{calibration: 0.05}`.
    """

    folds: int | None = Field(default=None, ge=2)
    fold: int = Field(default=0, ge=0)
    eval: Share | None = Field(default=None, validate_default=True)
    test: float = Field(default=0.1, ge=0, lt=1)
    named: dict[str, Share] = Field(default_factory=dict)

    @field_validator("eval")
    @classmethod
    def _fill_in(cls, share: float | None, given: ValidationInfo) -> float | None:
        return 0.2 if share is None and given.data.get("folds") is None else share

    @model_validator(mode="after")
    def _agree(self) -> "Shares":
        _refuse_names(self.named)
        _refuse_folds(self)
        _refuse_excess({**({"eval": self.eval} if self.eval else {}), "test": self.test, **self.named})
        return self


class HashSplit(Shares):
    """By a hash of the row's values: a row never changes its split when others are added. Equal rows stay together.

    Attributes:
        folds, fold, eval, test, named: as Shares has them.
    """

    by: Literal["hash"] = "hash"


class GroupSplit(Shares):
    """By a hash of an entity: all rows of one customer, patient or device are in one split, and stay there.

    Attributes:
        column: the entity, read as text; a row without one goes by its own hash.
        folds, fold, eval, test, named: as Shares has them, of the entities rather than of the rows.
    """

    by: Literal["group"] = "group"
    column: str


class StratifiedSplit(Shares):
    """The same shares in every split for every value of a column, exact to the row. Equal rows stay together.

    The rows of a value are cut at ranks of their hashes. Where the shares are no whole rows, the largest remainders are
    rounded up; of equal ones train goes before eval, test and the named splits. So rows near a cut may move when rows
    of their value are added: a split that never changes is a function of the row alone, exact shares are not. Where no
    row may ever move, split by `hash`.

    Attributes:
        column: its values, at most 10,000; rows without one are a value of their own.
        folds, fold, eval, test, named: as Shares has them.
    """

    by: Literal["stratified"] = "stratified"
    column: str


class TimeSplit(Settings):
    """By time: train, then eval, test and the named splits in their order. One moment is never in two splits.

    Either all are shares or all are cut-offs. A cut-off is the first moment of its split, and no row moves when others
    are added; with shares the cut-offs move along with the rows. Rows without a time train.

    Attributes:
        column: the moments to sort by, ISO 8601 text or numbers.
        eval: share or cut-off of the eval split. A cut-off is a date, a moment (in UTC if it has no offset), or a
            number above 1 where the column has numbers.
        test: share or cut-off of the test split, 0 for none; left out beside a cut-off: none.
        named: shares or cut-offs of further splits by name.
    """

    by: Literal["time"] = "time"
    column: str
    eval: Cut = 0.2
    test: Cut = Field(default=None, validate_default=True)
    named: dict[str, Cut] = Field(default_factory=dict)

    @field_validator("test", mode="before")
    @classmethod
    def _fill_in(cls, cut: Any, given: ValidationInfo) -> Any:
        return cut if cut is not None else 0.1 if is_share(given.data.get("eval", 0.2)) else 0

    @property
    def cuts(self) -> dict[str, float | int | str]:
        """Share or cut-off of each split but train, in the order of time."""
        return {"eval": self.eval, **({"test": self.test} if self.test else {}), **self.named}

    @model_validator(mode="after")
    def _agree(self) -> "TimeSplit":
        _refuse_names(self.named)
        cuts = list(self.cuts.values())
        told = ", ".join(f"{name} {cut}" for name, cut in self.cuts.items())
        if not all(cuts):
            raise ValueError(f"only test may be 0, received {told}")
        if len({"moment" if isinstance(cut, str) else is_share(cut) for cut in cuts}) > 1:
            raise ValueError(f"expected shares only, moments only or numbers only, received {told}")
        if is_share(cuts[0]):
            _refuse_excess({name: float(share) for name, share in self.cuts.items()})
        elif any(_order(cut) >= _order(later) for cut, later in itertools.pairwise(cuts)):
            raise ValueError(f"expected each cut-off later than the one before it, received {told}")
        return self


class ColumnSplit(Settings):
    """By a column that names each row's split, for a table that comes already split, or a query that splits it.

    Attributes:
        column: `train`, `eval`, `test` or one of `named`; no row may have anything else.
        group: an entity that is in one split, and in one fold of a cross-validation: a customer, a patient, a device. A
            row without one goes by its own hash.
        test: whether there is a test split.
        named: further splits.
    """

    by: Literal["column"] = "column"
    column: str
    group: str | None = None
    test: bool = True
    named: tuple[str, ...] = ()

    @field_validator("named")
    @classmethod
    def _agree(cls, named: tuple[str, ...]) -> tuple[str, ...]:
        _refuse_names(dict.fromkeys(named))
        return named


Split = Annotated[HashSplit | GroupSplit | StratifiedSplit | TimeSplit | ColumnSplit, Field(discriminator="by")]


SPLIT_KINDS = frozenset(each.model_fields["by"].default for each in get_args(get_args(Split)[0]))
"""What `by:` may be."""


def is_share(cut: float | int | str) -> bool:
    """Return whether a TimeSplit's `cut` is a share, not a cut-off."""
    return not isinstance(cut, str) and cut < 1


def _order(cut: float | int | str) -> Any:
    return datetime.fromisoformat(cut) if isinstance(cut, str) else cut


def _refuse_names(named: Mapping[str, Any]) -> None:
    for name in named:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in {"train", "eval", "test"}:
            raise ValueError(
                "named: expected names in small letters, digits and _, other than train, eval and test, "
                f"received '{name:.80}'"
            )


def _refuse_folds(split: Shares) -> None:
    if split.folds is None and split.fold:
        raise ValueError(f"fold needs folds: how many there are; received fold {split.fold} alone")
    if split.folds and split.eval is not None:
        raise ValueError(f"with folds, one of them is the eval split: leave eval out, received {split.eval}")
    if split.folds and split.fold >= split.folds:
        raise ValueError(f"fold: expected 0 to {split.folds - 1}, received {split.fold}")


def _refuse_excess(given: Mapping[str, float]) -> None:
    if sum(_exact(share) for share in given.values()) >= 1:
        raise ValueError(f"{' + '.join(given)} must be below 1, received {' + '.join(map(str, given.values()))}")


def _exact(share: float) -> Fraction:
    """Return the share as it was written: 0.1 is a tenth, not the nearest binary number."""
    return Fraction(repr(share))


def shares(split: Shares) -> dict[str, Fraction]:
    """Return the share of each split in their order along the hash: a named split takes from nothing but train."""
    named = {name: _exact(share) for name, share in split.named.items()}
    held = {"eval": _exact(split.eval or 0), "test": _exact(split.test)}
    train = 1 - sum(named.values(), sum(held.values(), Fraction()))
    return {**named, "train": train, **{name: share for name, share in held.items() if share}}


def names(split: Split) -> list[str]:
    """Return the names of the splits: train, eval, test if there is one, and the named ones."""
    return ["train", "eval", *(["test"] if split.test else []), *split.named]


def judged(split: Split) -> str:
    """Return the split that the model is evaluated on: test if there is one, else eval."""
    return "test" if split.test else "eval"


def columns(split: Split) -> dict[str, str]:
    """Return the columns of the table that the split goes by, by the setting that names them."""
    named = {key: getattr(split, key, None) for key in ("column", "group")}
    return {key: name for key, name in named.items() if name}


def group_of(split: Split) -> str | None:
    """Return the column of the entity whose rows the split keeps together."""
    return split.column if isinstance(split, GroupSplit) else getattr(split, "group", None)


def with_fold(split: Split, fold: int) -> Split:
    """Return `split` with another of its folds as the eval split.

    Raises:
        InputError: it has no folds, or none of that number.
    """
    folds = split.folds if isinstance(split, Shares) else None
    if not isinstance(split, Shares) or folds is None:
        raise InputError(f"split.folds: required to choose fold {fold}, but missing")
    if not 0 <= fold < folds:
        raise InputError(f"fold: expected 0 to {folds - 1} as split.folds is {folds}, received {fold}")
    return split.model_copy(update={"fold": fold})
