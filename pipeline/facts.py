"""From a column's profile to what a first schema says of it."""

from collections.abc import Mapping

from pipeline.profile import Profile
from pipeline.suggest import Target, is_identifier
from schemas.infer import ColumnFacts, Presence

ROWS_A_VALUE = 10
"""A text's values are taken for complete when each was seen this often on average."""


def table_facts(profiles: Mapping[str, Profile], label: str, target: Target) -> list[ColumnFacts]:
    """Return what the schema says of each column, in their order."""
    return [
        label_facts(profile, target) if name == label else column_facts(profile) for name, profile in profiles.items()
    ]


def presence(present: int, rows: int) -> Presence:
    """Return whether all rows, some or none have a value."""
    return "none" if present == 0 else "all" if present == rows else "some"


def column_facts(profile: Profile) -> ColumnFacts:
    """Return what the schema says of a column."""
    raw_type = profile.column.raw_type
    plain = ColumnFacts(profile.name, raw_type, presence(profile.present, profile.rows))
    if profile.column.is_list:
        return plain._replace(is_list=True)
    if profile.is_moment:
        return plain._replace(moment_format="%Y-%m-%dT%H:%M:%SZ" if profile.has_clock else "%Y-%m-%d")
    if raw_type == "bytes" and profile.present >= ROWS_A_VALUE * profile.distinct:
        return plain._replace(values=profile.texts)
    return plain._replace(is_boolean=profile.is_boolean, is_category=is_identifier(profile))


def label_facts(profile: Profile, target: Target) -> ColumnFacts:
    """Return what the schema says of the label: of classes, which there are."""
    plain = column_facts(profile)._replace(raw_type=target.raw_type)
    if target.kind == "regression" or profile.is_boolean:
        return plain
    if target.raw_type == "bytes":
        return plain._replace(values=profile.texts)
    if target.kind == "binary" and (profile.low, profile.high) == (0, 1):
        return plain._replace(is_boolean=True)
    return plain._replace(is_category=True, bounds=(int(profile.low), int(profile.high)))
