"""A schema that is proposed for a problem, each of its limits beside the measurement that it comes from."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from models.spec import target_kind
from pipeline.convert import convert
from pipeline.distances import Distance, measure
from pipeline.errors import InputError
from pipeline.facts import presence, table_facts
from pipeline.observation import SPAN, TABLE, open_rows
from pipeline.problem import LoadedProblem, Problem
from pipeline.profile import Profile, read_profiles
from pipeline.sql import identifier
from pipeline.suggest import Target
from pipeline.tables import explain_errors
from schemas.edit import annotate, replace_file
from schemas.infer import ColumnFacts, Limits, infer_schema
from schemas.store import schema_text
from schemas.words import number, percent

if TYPE_CHECKING:
    import duckdb

BLOCKS = 6
LEAST_ROWS = 200
"""A block with fewer rows says nothing of a distribution."""
MOST_ROWS = 600_000
"""Distances are measured on so many rows at most: more change them by less than the limits are rounded."""
BLOCK = "__block"
BLOCKED = "__blocked"
HEADROOM = {"time": 1.5, "span": 1.5, "random": 3.0}
"""Limit by measured distance; blocks at random tell the noise alone, and leave more to come."""
LEAST_LIMIT = {"infinity_norm": 0.01, "jensen_shannon_divergence": 0.05}
"""TFDV draws ten bins of equal width: one extreme value more moves them, and a divergence by up to 0.03."""
TOUCHING = (10, 0.001)
"""A bound is natural where so many rows, and such a share of them, hold it and none goes beyond."""

Measure = Literal["infinity_norm", "jensen_shannon_divergence"]
Notes = dict[tuple[str, tuple[str, ...]], str]


class Blocks(NamedTuple):
    """The parts of the table that are compared.

    Attributes:
        size: how many, in their order; 0: the table is too small.
        kind: what makes them.
        words: that in words.
    """

    size: int
    kind: Literal["time", "span", "random"]
    words: str

    def told(self) -> str:
        """Return how the limits follow from what is measured."""
        if not self.size:
            return f"No limits of drift and skew: to measure them takes {2 * LEAST_ROWS} rows."
        return f"Limits of drift and skew: {HEADROOM[self.kind]:g} times what was measured between {self.words}."


class Proposal(NamedTuple):
    """A schema to curate.

    Attributes:
        path: where it was written.
        text: of the file.
        rows: of the table.
        columns: of the table.
        notes: what a person should know, a line each.
        yaml_line: the line that the problem's YAML lacks; empty if it is there.
    """

    path: Path
    text: str
    rows: int
    columns: int
    notes: tuple[str, ...]
    yaml_line: str


def propose(loaded: LoadedProblem, *, force: bool) -> Proposal:
    """Write a schema of the problem's data, with limits that are measured on the data itself.

    Raises:
        InputError: the schema is there already (and not `force`), the table can't be read, or it has no label.
    """
    path = loaded.schema_path or loaded.root / "schemas" / f"{loaded.problem.name}.pbtxt"
    if path.exists() and not force:
        raise InputError(f"{path}: exists already; --force overwrites it, `penstock schema diff` compares it with data")
    label = loaded.problem.target.column
    with open_rows(loaded, None, {}) as connection:
        profiles = read_profiles(connection)
        if label not in profiles:
            raise InputError(loaded.complain(("target", "column"), f"no column '{label}' in the table"))
        facts = _facts(connection, profiles, loaded.problem)
        blocks = _cut(connection, loaded, profiles[label].rows)
        measured = Measured(connection, blocks, profiles, label, {})
        limits = measured.limits(facts)
    rows = profiles[label].rows
    lead = [f"Inferred by `penstock schema infer` from {rows:,} rows; curate it with what you know.", blocks.told()]
    text = annotate(schema_text(infer_schema(facts, label, limits), "\n".join(lead)), measured.notes)
    replace_file(path, text)
    shown = path.relative_to(loaded.root).as_posix() if path.is_relative_to(loaded.root) else str(path)
    line = "" if loaded.schema_path else f"schema: {shown}"
    return Proposal(path, text, rows, len(facts), (blocks.told(),), line)


def _facts(
    connection: "duckdb.DuckDBPyConnection", profiles: Mapping[str, Profile], problem: Problem
) -> list[ColumnFacts]:
    """Return the facts as an example has them: an empty text is a missing value, and a list has a length."""
    label = problem.target.column
    target = Target(target_kind(problem.target).LABELS, profiles[label].column.raw_type)
    converted = {name: convert(profile.column, None).value for name, profile in profiles.items()}
    counted = ", ".join(f"count({value})" for value in converted.values())
    ((*counts,),) = connection.sql(f"SELECT {counted} FROM source").fetchall()
    found = []
    for facts, present in zip(table_facts(profiles, label, target), counts, strict=True):
        known = presence(present, profiles[label].rows)
        lengths = _lengths(connection, facts.name) if facts.is_list else None
        values = tuple(text for text in facts.values if text)
        found.append(facts._replace(presence=known, values=values, counts=lengths))
    return found


def _lengths(connection: "duckdb.DuckDBPyConnection", name: str) -> tuple[int, int] | None:
    """Return the least and the largest number of values in a row."""
    size = f"len({identifier(name)})"
    ((least, most),) = connection.sql(f"SELECT min({size}), max({size}) FROM source").fetchall()
    return None if least is None else (least, most)


def _cut(connection: "duckdb.DuckDBPyConnection", loaded: LoadedProblem, rows: int) -> Blocks:
    """Make the table BLOCKED of rows with their BLOCK; rows without a time are in none."""
    split = loaded.problem.split
    ((spans,),) = connection.sql(f"SELECT count(DISTINCT {SPAN}) FROM {TABLE}").fetchall()
    count = min(BLOCKS, rows // LEAST_ROWS)
    if count < 2:
        return Blocks(0, "random", "")
    blocks = Blocks(count, "random", f"{count} blocks of rows at random")
    block, condition = f"hash(row_number() OVER ()) % {count}", ""
    if spans > 1:
        block, blocks = SPAN, Blocks(spans, "span", f"{spans} spans")
    elif split.by == "time":
        time = identifier(split.column)
        block, condition = f"ntile({count}) OVER (ORDER BY {time}) - 1", f" WHERE {time} IS NOT NULL"
        blocks = Blocks(count, "time", f"{count} blocks of equal size in the order of {split.column}")
    share = min(1.0, MOST_ROWS / rows)
    sampled = f"(SELECT * FROM {TABLE} USING SAMPLE {100 * share:.6g} PERCENT (bernoulli, 1))" if share < 1 else TABLE
    with explain_errors():
        connection.execute(f"CREATE TEMP TABLE {BLOCKED} AS SELECT *, {block} AS {BLOCK} FROM {sampled}{condition}")
    return blocks


class Measured(NamedTuple):
    """What limits come from.

    Attributes:
        connection: with the table, also as BLOCKED.
        blocks: of BLOCKED.
        profiles: of the table's columns.
        label: no data to serve has it.
        notes: filled with where each number comes from, by column and field.
    """

    connection: "duckdb.DuckDBPyConnection"
    blocks: Blocks
    profiles: Mapping[str, Profile]
    label: str
    notes: Notes

    def limits(self, facts: Sequence[ColumnFacts]) -> dict[str, Limits]:
        """Return what is proposed by column."""
        measures: dict[str, Measure] = {
            each.name: "infinity_norm" if each.raw_type == "bytes" else "jensen_shannon_divergence"
            for each in facts
            if (each.values or each.raw_type != "bytes") and each.presence != "none"
        }
        distances: Mapping[str, Distance] = {}
        if self.blocks.size and measures:
            columns = [convert(self.profiles[name].column, None) for name in measures]
            tables = [f"(SELECT * FROM {BLOCKED} WHERE {BLOCK} = {index})" for index in range(self.blocks.size)]
            distances = measure(self.connection, columns, tables, measures)
        found = {}
        for each in facts:
            limits = self._bounded(each, Limits(measure=measures.get(each.name, "infinity_norm")))
            limits = self._loose(each, self._present(each, limits)) if self.blocks.size else limits
            found[each.name] = self._distant(each, distances.get(each.name), limits)
        return found

    def _first(self, query: str) -> Any:
        return self.connection.sql(query).fetchall()[0][0]

    def _bounded(self, facts: ColumnFacts, limits: Limits) -> Limits:
        """Propose 0 as the least number, 1 or 100 as the largest of shares: where the data touches it."""
        profile, known = self.profiles[facts.name], facts.is_boolean or facts.is_category
        if facts.is_list or facts.raw_type == "bytes" or known or profile.low < 0 or facts.presence == "none":
            return limits
        share = facts.raw_type == "float" and profile.high in {1, 100}
        bounds: dict[str, float] = {}
        for name, bound in (("max", profile.high if share else None), ("min", 0.0)):
            if bound is None:
                continue
            touching = self._first(f"SELECT count(*) FROM source WHERE {identifier(facts.name)} = {bound}")
            # both bounds of a share are natural if its upper one is
            if touching >= max(TOUCHING[0], TOUCHING[1] * profile.rows) or "max" in bounds:
                bounds[name] = bound
                words = f"{touching:,} rows hold {number(bound)}, none {'less' if name == 'min' else 'more'}"
                words = words if touching else "the lower end of a share"
                self.notes[facts.name, ("int_domain" if facts.raw_type == "int" else "float_domain", name)] = words
        return limits._replace(low=bounds.get("min"), high=bounds.get("max"))

    def _present(self, facts: ColumnFacts, limits: Limits) -> Limits:
        """Allow as many missing values as the worst block has, and as many more as blocks differ by."""
        if facts.presence != "some":
            return limits
        value = convert(self.profiles[facts.name].column, None).value
        query = f"SELECT count({value}) / count(*) FROM {BLOCKED} GROUP BY {BLOCK}"
        shares = [share for (share,) in self.connection.sql(query).fetchall()]
        room = max(0.01, max(shares) - min(shares))
        least = math.floor(100 * (min(shares) - room) + 1e-9) / 100
        if least <= 0:
            return limits
        told = dict.fromkeys(percent(each) for each in (min(shares), max(shares)))
        words = f"a value in {' to '.join(told)} of a block's rows"
        self.notes[facts.name, ("presence", "min_fraction")] = words
        return limits._replace(min_fraction=least)

    def _loose(self, facts: ColumnFacts, limits: Limits) -> Limits:
        """Allow new values where later blocks have some: twice the largest share of a block's rows."""
        if not facts.values or facts.is_list:
            return limits
        value = convert(self.profiles[facts.name].column, None).value
        counted = f"SELECT {value} AS value, {BLOCK} AS block, count(*) AS rows FROM {BLOCKED} GROUP BY ALL"
        first = f"SELECT *, min(block) OVER (PARTITION BY value) AS first FROM ({counted}) WHERE value IS NOT NULL"
        shares = f"SELECT sum(rows) FILTER (block = first) / sum(rows) AS fresh FROM ({first}) GROUP BY block"
        share = self._first(f"SELECT max(fresh) FROM ({shares} HAVING block >= {self.blocks.size // 2})") or 0
        mass = math.floor(1000 * (1 - 2 * share) + 1e-9) / 1000
        if share == 0 or mass <= 0:
            return limits
        words = f"up to {percent(share)} of a block's rows hold a value that no earlier block has"
        self.notes[facts.name, ("distribution_constraints", "min_domain_mass")] = words
        return limits._replace(min_mass=mass)

    def _distant(self, facts: ColumnFacts, found: Distance | None, limits: Limits) -> Limits:
        """Propose limits of distances; one of 1 or more would allow any distribution."""
        if found is None:
            return limits
        drift, skew = (_round_up(max(LEAST_LIMIT[limits.measure], HEADROOM[self.blocks.kind] * each)) for each in found)
        told = {"drift_comparator": (drift, f"measured {found.drift:.2g} between consecutive blocks")}
        if facts.name != self.label:
            told["skew_comparator"] = (skew, f"measured {found.skew:.2g} between the last block and those before it")
        kept = {comparator: limit for comparator, (limit, _) in told.items() if limit < 1}
        for comparator in kept:
            self.notes[facts.name, (comparator, limits.measure, "threshold")] = told[comparator][1]
        return limits._replace(drift=kept.get("drift_comparator"), skew=kept.get("skew_comparator"))


def _round_up(value: float) -> float:
    """Return two digits of a number, never less than it."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / step - 1e-9) * step:.6g}")
