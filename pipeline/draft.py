"""The problem that `penstock init` writes, as YAML with comments that say what to change."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.profile import Profile
from pipeline.suggest import Feature, Target

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*([ ./-][A-Za-z0-9_]+)*")
RESERVED = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
SLICES = 2
SLICE_VALUES = 12
GATES = {"binary": "auc", "multiclass": "class_accuracy", "regression": "squared_correlation"}


class Draft(NamedTuple):
    """All that the YAML says.

    Attributes:
        name: of the problem.
        source: the table.
        profiles: of every column.
        label: the label's profile.
        target: what the label is.
        features: by column, in the table's order.
        dropped: why a column is no feature, by column.
    """

    name: str
    source: Any
    profiles: Mapping[str, Profile]
    label: Profile
    target: Target
    features: Mapping[str, Feature]
    dropped: Mapping[str, str]

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return self.label.rows


class Size(NamedTuple):
    """Settings that fit tables of up to `rows` labelled rows; training takes seconds to a few minutes."""

    rows: float
    layers: str
    dropout: float
    batch_size: int
    epochs: int
    patience: int
    shares: str


SIZES = (
    Size(100, "[16]", 0.1, 8, 60, 10, "eval: 0.3, test: 0"),
    Size(1_000, "[32, 16]", 0.1, 16, 60, 10, "eval: 0.2, test: 0.1"),
    Size(10_000, "[64, 32]", 0.1, 64, 30, 6, "eval: 0.2, test: 0.1"),
    Size(100_000, "[128, 64]", 0.1, 256, 15, 4, "eval: 0.2, test: 0.1"),
    Size(1_000_000, "[128, 64]", 0.0, 512, 10, 2, "eval: 0.1, test: 0.1"),
    Size(float("inf"), "[128, 64]", 0.0, 1024, 5, 2, "eval: 0.1, test: 0.1"),
)


def quoted(text: str) -> str:
    """Return `text` as a YAML string, in quotes unless it is plain for every YAML reader, old ones too."""
    if PLAIN.fullmatch(text) and text.casefold() not in RESERVED:
        return text
    escapes = {ord('"'): '\\"', ord("\\"): "\\\\"}
    escapes |= {ord(each): f"\\U{ord(each):08x}" for each in text if not each.isprintable()}
    return f'"{text.translate(escapes)}"'


def render(draft: Draft) -> str:
    """Return the problem's YAML."""
    size = next(size for size in SIZES if draft.label.present < size.rows)
    parts = [_source(draft), _split(draft, size), _target(draft), _features(draft)]
    return "\n".join([*parts, _network(draft, size), _evaluation(draft)])


def _source(draft: Draft) -> str:
    nulls = [quoted(text) for text in getattr(draft.source, "null", ())]
    null = f'  null: [{", ".join(nulls)}]   # cell texts that mean "missing"\n' if nulls else ""
    bound = draft.source.max_rejected
    refused = f"  max_rejected: {bound:.0%}   # of the rows can't be read; more stop the run\n" if bound >= 0.01 else ""
    return (
        f"# Predicts {quoted(draft.label.name)}. A first draft by `penstock init`: change what you know better.\n"
        f"name: {quoted(draft.name)}\n\n"
        f"source:\n"
        f"  kind: {draft.source.kind}\n"
        f"  files: {quoted(draft.source.files)}\n"
        f"{null}{refused}"
        f"  # query: problems/{draft.name}.sql   # SQL (DuckDB) over the table `data`: joins, filters, new columns\n"
    )


def _split(draft: Draft, size: Size) -> str:
    lines = [f"split: {{by: hash, {size.shares}}}   # by a hash of each row"]
    moment = next((name for name, profile in draft.profiles.items() if profile.is_moment and profile.present), None)
    if moment:
        lines += [
            "# to train on the past and to test on what came later:",
            f"# split: {{by: time, column: {quoted(moment)}, {size.shares}}}",
        ]
    return "\n".join([*lines, "", f"schema: schemas/{draft.name}.pbtxt   # types, allowed values, presence", ""])


def _target(draft: Draft) -> str:
    target = draft.target
    entries = {"column": quoted(draft.label.name), "kind": target.kind}
    hint = "" if target.kind == "binary" else f"   # {_range(draft.label)}"
    if target.kind == "multiclass":
        hint = f"   # {draft.label.distinct} classes{'; or kind: regression' if draft.label.is_number else ''}"
    if target.positive is not None and target.other is not None:
        entries["positive"] = quoted(target.positive)
        hint = f"   # what is predicted; the other is {quoted(target.other)}"
    return f"target: {_flow(entries)}{hint}\n"


def _features(draft: Draft) -> str:
    lines = ["features:"]
    for name, feature in draft.features.items():
        settings = _flow({"kind": feature.kind, **dict(feature.settings)}) if feature.settings else feature.kind
        lines.append(f"  {quoted(name)}: {settings}   # {_describe(draft.profiles[name], feature)}")
    if draft.dropped:
        lines.append("  # left out:")
    lines += [f"  #   {quoted(name)}: {reason}" for name, reason in draft.dropped.items()]
    return "\n".join([*lines, ""])


def _describe(profile: Profile, feature: Feature) -> str:
    missing = f", {profile.missing:,} missing" if profile.missing else ""
    if feature.kind == "datetime":
        return f"{profile.distinct:,} moments{missing}"
    if feature.kind == "categorical":
        return f"{profile.distinct:,} values{missing}"
    if feature.kind == "vector":
        return f"{profile.distinct:,} lists{missing}"
    if feature.kind == "sequence":
        return (
            f"{profile.distinct:,} lists of {profile.shortest} to {profile.longest} values{missing}; the last 32 count"
        )
    if feature.kind == "text":
        return f"free text, {profile.words:.0f} words on average{missing}"
    few = "; categorical, if they are names" if profile.is_whole and 3 <= profile.distinct <= 12 else ""
    return f"{'yes or no' if profile.is_boolean else _range(profile)}{missing}{few}"


def _range(profile: Profile) -> str:
    return f"{profile.low:.6g} to {profile.high:.6g}"


def _network(draft: Draft, size: Size) -> str:
    has_categories = any(feature.kind == "categorical" for feature in draft.features.values())
    model = {"family": "wide_deep" if has_categories else "mlp", "layers": size.layers}
    if size.dropout:
        model["dropout"] = str(size.dropout)
    training = {
        "batch_size": str(size.batch_size),
        "epochs": str(size.epochs),
        "early_stopping": _flow({"patience": str(size.patience)}),
    }
    return f"model: {_flow(model)}\ntraining: {_flow(training)}\n"


def _evaluation(draft: Draft) -> str:
    slices = [
        f"[{quoted(name)}]"
        for name, feature in draft.features.items()
        if feature.kind == "categorical" and draft.profiles[name].distinct <= SLICE_VALUES
    ][:SLICES]
    return (
        "evaluation:\n"
        f"  slices: [{', '.join(slices)}]   # metrics also for each value of these columns\n"
        "  # gates:   # a model outside of these bounds is not pushed\n"
        f"  #   {GATES[draft.target.kind]}: {{min: 0.7, not_worse_than_served_by: 0.01}}\n"
    )


def _flow(entries: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"
