"""What each feature tells of the label, and which of them are worth having.

Measured as the report measures columns (`Groups.information`): mutual information on the train split, in bits; numbers
in 16 bins of equally many rows, text by its 100 most frequent values, missing as a bin of its own; corrected by Miller
and Madow (1955). A feature is measured by what it makes of its columns, as far as bins can see it; the largest of these
counts, for none of them tells more than the feature itself does.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from models.features.datetime import MONDAY_S, PERIOD_S
from models.settings import Settings
from models.spec import columns_of
from pipeline.errors import InputError
from pipeline.examples.classes import class_sql
from pipeline.examples.groups import Groups
from pipeline.examples.information import Information
from pipeline.examples.load import Field, Label, Loaded, load_rows
from pipeline.examples.summary import Summary, summarize
from pipeline.problem import FeatureSelection

if TYPE_CHECKING:
    import duckdb

RANKING_FILE = "ranking.json"
"""A Ranking, in the folder of its artifact."""
CATEGORIES = {"categorical", "embedding"}
"""Kinds of features to which a number is a name."""
UNMEASURED = {"text", "sequence", "vector"}
"""Kinds of features whose values are made of parts: bins of whole values say nothing of them."""


class RankedFeature(Settings):
    """A feature in its place.

    Attributes:
        name: of the feature.
        bits: its mutual information with the label; None: bins can't measure it.
        share: of the label's entropy.
        kept: whether the model has it.
    """

    name: str
    bits: float | None
    share: float | None
    kept: bool = True


class Ranking(Settings):
    """The features of a problem: those that can't be measured first, then the others, what tells most first."""

    features: tuple[RankedFeature, ...]

    @property
    def kept(self) -> set[str]:
        """The names of those that the model has."""
        return {feature.name for feature in self.features if feature.kept}

    @property
    def dropped(self) -> list[str]:
        """The names of the others, what tells most first."""
        return [feature.name for feature in self.features if not feature.kept]


def rank(connection: "duckdb.DuckDBPyConnection", rows: str, label: Label, features: Mapping[str, Any]) -> Ranking:
    """Return the features, all of them kept, by what they tell of the label in `rows`, SQL of a table.

    Raises:
        InputError: the label has one value in these rows, or there is no such column.
    """
    loaded = load_rows(connection, [("train", rows)], label)
    summary = summarize(connection, loaded)
    classes = class_sql(connection, label, loaded, summary)
    ranked = [_measure(connection, loaded, summary, (classes, name, params)) for name, params in features.items()]
    return Ranking(features=tuple(sorted(ranked, key=_place)))


def _place(feature: RankedFeature) -> tuple[bool, float, str]:
    return feature.bits is not None, -(feature.bits or 0.0), feature.name


def _measure(
    connection: "duckdb.DuckDBPyConnection", loaded: Loaded, summary: Summary, asked: tuple[str, str, Any]
) -> RankedFeature:
    classes, name, params = asked
    if params.kind in UNMEASURED:
        return RankedFeature(name=name, bits=None, share=None)
    found: list[Information] = []
    for field, values in _views(loaded, name, params):
        groups = Groups(connection, field, 1, 1)
        groups.count(classes, summary.different(values), sum(summary.rows))
        information = groups.information()
        if information is None:
            raise InputError("the label has one class in the train split: nothing to measure")
        found.append(information)
    best = max(found)
    return RankedFeature(name=name, bits=best.bits, share=best.share)


def _views(loaded: Loaded, name: str, params: Any) -> Iterator[tuple[Field, Field]]:
    """Yield what the model sees of a feature's columns, each with the column that it has as many values as."""
    columns = [loaded.find(column) for column in columns_of(name, params)]
    column = columns[0]
    if params.kind == "datetime" and column.kind != "text":
        if params.age:
            yield column, column
        for part in params.parts:
            seconds = f"(CAST({column.value} AS DOUBLE) - {MONDAY_S}) % {PERIOD_S[part]}"
            yield Field(name, f"({seconds} + {PERIOD_S[part]}) % {PERIOD_S[part]}", "number", whole=False), column
        return
    if params.kind == "elapsed" and all(each.kind != "text" for each in columns):
        yield Field(name, f"({columns[1].value} - {column.value})", "number", whole=True), column
    yield from ((column, column) for column in columns)
    if len(columns) > 1 or (params.kind in CATEGORIES and column.kind == "number"):
        texts = ", ".join(f"coalesce(CAST({column.place} AS VARCHAR), '')" for column in columns)
        yield Field(name, f"concat_ws(chr(31), {texts})", "text", whole=False), column


def select(ranking: Ranking, selection: FeatureSelection) -> Ranking:
    """Return the ranking with what the selection keeps; features that can't be measured are, always.

    Raises:
        InputError: nothing is left.
    """
    ranked = [feature for feature in ranking.features if feature.bits is not None]
    told = [feature.name for feature in ranked if (feature.bits or 0.0) >= selection.min_bits]
    unmeasured = [feature.name for feature in ranking.features if feature.bits is None]
    stay = {*told[: selection.keep], *selection.always, *unmeasured}
    if not stay:
        best = ranked[0]
        raise InputError(
            f"no feature is left: '{best.name}' tells most of the label, "
            f"{best.bits:.4g} bits, expected {selection.min_bits:g}"
        )
    return Ranking(features=tuple(each.model_copy(update={"kept": each.name in stay}) for each in ranking.features))
