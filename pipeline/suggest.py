"""From a column's profile to a role in the problem: what kind of label, what kind of feature, or why neither."""

import re
from typing import Literal, NamedTuple

from models.raw import RawType
from pipeline.errors import InputError
from pipeline.profile import Profile, often

LEAST_ROWS = 30
"""Labelled rows below which no split of a table says anything."""
CLASSES = 50
NUMBER_CLASSES = 20
ROWS_A_CLASS = 5
PLAIN_CATEGORIES = 50
"""A category with more values keeps only those that are seen often."""
TOP_CATEGORIES = 5_000
LONG_VALUE = 50
SENTENCE = 30
"""Characters of a text, on average, from which on its words say something; of SEVERAL_WORDS."""
SEVERAL_WORDS = 4
VECTOR = 1_024
"""Lists that all have one length, up to this, are vectors."""
YES = {
    "yes",
    "y",
    "true",
    "t",
    "1",
    "positive",
    "pos",
    "+",
    "success",
    "succeeded",
    "won",
    "win",
    "ja",
    "oui",
    "sí",
    "si",
}
IDENTIFIER = re.compile(r"(^|.*[\W_])(id|ID|Id)|.*[a-z0-9](ID|Id)")


class Target(NamedTuple):
    """What the label is.

    Attributes:
        kind: the target's kind.
        raw_type: its type in the schema.
        positive: the text that means "yes".
        other: the text that means "no".
    """

    kind: Literal["binary", "multiclass", "regression"]
    raw_type: RawType
    positive: str | None = None
    other: str | None = None


class Feature(NamedTuple):
    """How a column enters the network; settings are text that YAML reads."""

    kind: Literal["numeric", "categorical", "datetime", "sequence", "vector", "text"]
    settings: tuple[tuple[str, str], ...] = ()


def suggest_target(label: Profile) -> Target:
    """Return what kind of label the column is.

    Raises:
        InputError: it is none.
    """
    reason = _no_label(label)
    if reason:
        raise InputError(f"label '{label.name}': {reason}")
    raw_type = label.column.raw_type
    if label.is_boolean:
        return Target("binary", raw_type)
    if label.distinct == 2 and not label.is_number:
        return _yes_or_no(label, raw_type)
    if label.distinct == 2 and label.is_whole:
        # a number says "yes" from 0.5 on; other pairs, such as 1 and 2, are compared as text
        return Target("binary", "int") if label.low <= 0 < label.high else _yes_or_no(label, "bytes")
    if not label.is_number:
        return Target("multiclass", raw_type)
    span = label.high - label.low + 1
    if label.is_whole and label.distinct <= NUMBER_CLASSES and span <= 2 * label.distinct and abs(label.high) <= 100:
        return Target("multiclass", "int")
    return Target("regression", raw_type)


def _no_label(label: Profile) -> str | None:
    if label.column.is_list:
        return "expected one value a row, received lists"
    if label.present == 0:
        return "expected values, received a column in which every row is missing"
    if label.present < LEAST_ROWS:
        return f"expected at least {LEAST_ROWS} rows with a label, received {label.present} (of {label.rows} rows)"
    if label.distinct == 1:
        return f"expected at least two values to tell apart, received {label.values[0][0]!r} in every row"
    if label.is_moment:
        return "expected classes or a number, received dates; a query can turn them into a number of days"
    if label.is_number:
        return None
    if label.distinct > CLASSES:
        return (
            f"expected at most {CLASSES} classes or a number, received {label.distinct:,} different texts "
            f"in {label.present:,} rows; an id or free text is no label"
        )
    if label.distinct > 2 and label.present < ROWS_A_CLASS * label.distinct:
        return (
            f"expected at least {ROWS_A_CLASS} rows a class, received {label.distinct} classes in {label.present} rows"
        )
    return None


def _yes_or_no(label: Profile, raw_type: RawType) -> Target:
    """Return the target with the text that means "yes": a word that says so, else the rarer one."""
    texts = [text for text, _ in label.values]
    said = [text for text in texts if text.strip().casefold() in YES]
    positive = said[0] if len(said) == 1 and not label.is_number else texts[1]
    return Target("binary", raw_type, positive, next(text for text in texts if text != positive))


def left_out(profile: Profile) -> str | None:
    """Return why the column can't be a feature, or None."""
    if profile.present == 0:
        return "every row is missing"
    if profile.column.is_list:
        return "the same list in every row" if profile.distinct == 1 and not profile.missing else None
    if profile.distinct == 1 and not profile.missing:
        return f"the same value in every row, {profile.values[0][0]!r:.40}"
    if profile.is_text:
        return _no_category(profile)
    if profile.is_number and _is_row_number(profile):
        return "a whole number of its own for each row: an id"
    return _too_rare(profile) if is_identifier(profile) else None


def _no_category(profile: Profile) -> str | None:
    if _is_free_text(profile):
        return None
    if profile.rows > 50 and profile.distinct > 0.9 * profile.present:
        return f"{profile.distinct:,} different texts in {profile.present:,} rows: an id"
    if profile.length > LONG_VALUE and profile.distinct > 0.5 * profile.present:
        return f"{profile.length:.0f} characters on average, no sentence"
    return _too_rare(profile)


def _is_free_text(profile: Profile) -> bool:
    """Return whether the column holds sentences, which differ from row to row."""
    is_long = profile.length > SENTENCE and profile.words >= SEVERAL_WORDS
    return profile.is_text and is_long and profile.distinct > 0.5 * profile.present


def _too_rare(profile: Profile) -> str | None:
    if profile.distinct > PLAIN_CATEGORIES and profile.repeated < 2:
        return f"{profile.distinct:,} different values, none in {often(profile.rows)} rows or more"
    return None


def _is_row_number(profile: Profile) -> bool:
    unique = profile.rows > 50 and profile.distinct > 0.9 * profile.present
    counts = profile.rises and profile.high - profile.low + 1 == profile.rows
    return profile.is_whole and unique and (counts or is_identifier(profile))


def is_identifier(profile: Profile) -> bool:
    """Return whether the column holds whole numbers that are names, as its own says: `id`, `user_id`, `PassengerId`."""
    return profile.column.raw_type == "int" and not profile.is_boolean and bool(IDENTIFIER.fullmatch(profile.name))


def _suggest_list(profile: Profile) -> Feature:
    if profile.column.raw_type == "bytes":
        return Feature("sequence", (("of", "ids"),))
    if 1 < profile.shortest == profile.longest <= VECTOR:
        return Feature("vector", (("length", str(profile.longest)),))
    return Feature("sequence")


def suggest_feature(profile: Profile) -> Feature:
    """Return the kind of feature that a column becomes if it isn't `left_out`."""
    if profile.column.is_list:
        return _suggest_list(profile)
    if _is_free_text(profile):
        return Feature("text", (("min_count", str(often(profile.rows))),))
    if profile.is_moment:
        return Feature("datetime", () if profile.has_clock else (("parts", "[weekday, year]"),))
    if profile.is_number and not is_identifier(profile):
        return Feature("numeric")
    settings = []
    if profile.distinct > PLAIN_CATEGORIES:
        settings.append(("min_count", str(often(profile.rows))))
    if profile.distinct > TOP_CATEGORIES:
        settings.append(("top_k", str(TOP_CATEGORIES)))
    return Feature("categorical", tuple(settings))
