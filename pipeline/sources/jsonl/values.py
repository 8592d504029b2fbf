"""DuckDB's types of JSON values: which one a column has, whether a value fits it, and the value itself, all as SQL.

In the templates `{t}` is the value's JSON type and `{s}` its text. Conditions are nested in CASE: DuckDB's AND
evaluates both sides for every row, the slow casts too.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.guess import DATE, MOMENT, TOLERATED
from pipeline.sources import Types
from pipeline.sources.jsonl.keys import Key
from pipeline.sql import quote

if TYPE_CHECKING:
    import duckdb

INTEGERS = ("UBIGINT", "BIGINT", "HUGEINT")
ELEMENTS = {"BOOLEAN": ("BOOLEAN",), "BIGINT": INTEGERS, "DOUBLE": ("DOUBLE", *INTEGERS), "VARCHAR": ("VARCHAR",)}
"""What `json_structure` calls the elements of a list, by the type that they fit."""
LIST = "CASE {t} WHEN 'ARRAY' THEN {s} END"
MISSING = (
    "CASE coalesce({t}, 'NULL') WHEN 'NULL' THEN true WHEN 'OBJECT' THEN true "
    "WHEN 'DOUBLE' THEN lower({s}) = 'nan' ELSE false END"
)
"""Whether there is no value; the keys of an object are columns of their own."""


def _both(first: str, then: str) -> str:
    return f"CASE WHEN {first} THEN coalesce({then}, false) ELSE false END"


def _is_text(pattern: str, sql_type: str) -> str:
    cast = f"try_cast({{s}} AS {sql_type}) IS NOT NULL"
    return _both("{t} = 'VARCHAR'", _both(f"regexp_full_match({{s}}, {quote(pattern)})", cast))


def _is_list(element: str) -> str:
    inside = ", ".join(quote(f'["{each}"]') for each in (*ELEMENTS[element], "NULL"))
    strict = f"TRY(from_json_strict({LIST}, '[\"{element}\"]')) IS NOT NULL"
    return _both("{t} = 'ARRAY'", _both(f"json_structure(CAST({LIST} AS JSON)) IN ({inside})", strict))


FITS = {
    "BOOLEAN": "CASE {t} WHEN 'BOOLEAN' THEN true ELSE lower({s}) IN ('0', '1', 'true', 'false') END",
    "BIGINT": _both(
        "CASE WHEN {t} IN ('UBIGINT', 'BIGINT') THEN true ELSE regexp_full_match({s}, '[+-]?[0-9]+([.]0+)?') END",
        "try_cast({s} AS BIGINT) IS NOT NULL",
    ),
    "DOUBLE": _both("{t} NOT IN ('BOOLEAN', 'ARRAY')", "isfinite(try_cast({s} AS DOUBLE))"),
    "DATE": _is_text(DATE, "DATE"),
    "TIMESTAMP": _is_text(MOMENT, "TIMESTAMPTZ"),
    "VARCHAR": "true",
} | {f"{element}[]": _is_list(element) for element in ELEMENTS}
"""Whether a value that is not missing becomes that type unchanged."""
VALUES = {
    "DOUBLE": "nullif(try_cast({s} AS DOUBLE), CAST('NaN' AS DOUBLE))",
    "TIMESTAMP": "timezone('UTC', try_cast({s} AS TIMESTAMPTZ))",
    "VARCHAR": f"CASE WHEN NOT {MISSING} THEN {{s}} END",
} | {f"{element}[]": f"from_json({LIST}, '[\"{element}\"]')" for element in ELEMENTS}
"""The value, where it is not `try_cast` of the text; null where it is missing."""
WORDS = {
    "BOOLEAN": "expected true or false",
    "BIGINT": "expected a whole number of 64 bits",
    "DOUBLE": "expected a number",
    "DATE": "expected a date as in 2024-05-31",
    "TIMESTAMP": "expected a date or a time as in 2024-05-31T18:30:00Z",
    "BOOLEAN[]": "expected a list of true and false",
    "BIGINT[]": "expected a list of whole numbers of 64 bits",
    "DOUBLE[]": "expected a list of numbers",
    "VARCHAR[]": "expected a list of text",
}
KIND = f"""CASE {{t}}
    WHEN 'BOOLEAN' THEN 'BOOLEAN'
    WHEN 'DOUBLE' THEN CASE WHEN regexp_full_match({{s}}, '-?[0-9]+') THEN 'too large' ELSE 'DOUBLE' END
    WHEN 'VARCHAR' THEN CASE WHEN {FITS["DATE"]} THEN 'DATE'
        WHEN {FITS["TIMESTAMP"]} THEN 'TIMESTAMP' ELSE 'VARCHAR' END
    WHEN 'ARRAY' THEN CAST(json_structure(CAST({LIST} AS JSON)) AS VARCHAR)
    ELSE CASE WHEN try_cast({{s}} AS BIGINT) IS NULL THEN 'too large' ELSE 'BIGINT' END END"""
"""What a value is by itself: text that looks like a number is text."""
KINDS = {
    "BOOLEAN": ("BOOLEAN",),
    "DOUBLE": ("BIGINT", "DOUBLE", "too large"),
    "TIMESTAMP": ("DATE", "TIMESTAMP"),
} | {f"{element}[]": tuple(f'["{each}"]' for each in (*inside, "NULL")) for element, inside in ELEMENTS.items()}
"""The kinds of values in a column, by its type, in the order in which types are tried."""


def fill(template: str, json_type: str = "t", text: str = "s") -> str:
    """Return the template's SQL for a value."""
    return template.replace("{t}", json_type).replace("{s}", text)


def find_types(
    connection: "duckdb.DuckDBPyConnection", table: str, columns: Sequence[Key], given: Types
) -> dict[str, str]:
    """Return the type of each column; `given` ones win where 99 % of the values allow it."""
    present = f"{_values(table, columns)} WHERE NOT {fill(MISSING)}"
    rows = connection.sql(f"SELECT index, {fill(KIND)} AS kind, count(*) FROM {present} GROUP BY ALL").fetchall()
    counts: dict[str, dict[str, int]] = {each.column: {} for each in columns}
    for index, kind, count in rows:
        counts[columns[index].column][kind] = count
    found = {name: _decide(each) for name, each in counts.items()}
    wanted = {name: _wanted(sql_type, given.get(name)) for name, sql_type in found.items()}
    asked = [index for index, each in enumerate(columns) if wanted[each.column] not in {"VARCHAR", found[each.column]}]
    if asked:
        fits = " ".join(f"WHEN {index} THEN {fill(FITS[wanted[columns[index].column]])}" for index in asked)
        refuted = connection.sql(
            f"SELECT index FROM {present} AND index IN ({', '.join(map(str, asked))}) GROUP BY index "
            f"HAVING count(*) FILTER (CASE index {fits} END) < count(*) * {1 - TOLERATED}"
        ).fetchall()
        wanted |= {columns[index].column: found[columns[index].column] for (index,) in refuted}
    return wanted


def _values(table: str, columns: Sequence[Key]) -> str:
    """Return SQL of all values below each other: `index, t, s`."""
    paths = ", ".join(each.path for each in columns)
    return (
        f"(SELECT unnest(range({len(columns)})) AS index, unnest(TRY(json_type(text, [{paths}]))) AS t, "
        f"unnest(TRY(json_extract_string(text, [{paths}]))) AS s FROM {table} WHERE fault IS NULL)"
    )


def _wanted(found: str, given: str | None) -> str:
    """Return the type to try: a schema knows a list by the type of its values."""
    if given and found.endswith("[]"):
        return f"{given}[]" if f"{given}[]" in FITS else found
    if given == "TIMESTAMP" and found == "DATE":
        return found
    return given if given in FITS else found or "VARCHAR"


def _decide(counts: dict[str, int]) -> str:
    """Return the type that enough of the values have; nothing without values."""
    if not counts:
        return ""
    enough = sum(counts.values()) * (1 - TOLERATED)
    for sql_type, kinds in KINDS.items():
        if sum(counts.get(kind, 0) for kind in kinds) >= enough:
            return _narrow(sql_type, counts, enough)
    return "VARCHAR"


def _narrow(sql_type: str, counts: dict[str, int], enough: float) -> str:
    """Return BIGINT for DOUBLE and DATE for TIMESTAMP where no value needs more."""
    if sql_type == "TIMESTAMP" and "TIMESTAMP" not in counts:
        return "DATE"
    if sql_type == "DOUBLE" and "DOUBLE" not in counts:
        # whole numbers beyond 64 bits are names, no quantities
        return "BIGINT" if counts.get("BIGINT", 0) >= enough else "VARCHAR"
    return sql_type
