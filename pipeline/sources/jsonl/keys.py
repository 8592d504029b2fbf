"""Which keys the objects have, and what kinds of values."""

from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import InputError
from pipeline.sql import quote

if TYPE_CHECKING:
    import duckdb

MAX_COLUMNS = 10_000
MAX_DEPTH = 32


class Key(NamedTuple):
    """A key of the objects, or of objects inside them.

    Attributes:
        names: from the outermost object inwards.
        json_types: of its values.
    """

    names: tuple[str, ...]
    json_types: frozenset[str]

    @property
    def column(self) -> str:
        """Name of the column that it may be."""
        return ".".join(self.names)

    @property
    def path(self) -> str:
        """SQL literal; DuckDB's own syntax takes `*` for any key, and a JSON pointer's `0` is an item of a list too."""
        if any("*" in name for name in self.names):
            return quote("".join("/" + name.replace("~", "~0").replace("/", "~1") for name in self.names))
        return quote("$" + "".join('."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in self.names))


def column_keys(keys: list[Key]) -> list[Key]:
    """Return those that are columns: all but the objects whose keys are columns."""
    parents = {each.names[:-1] for each in keys}
    return [each for each in keys if each.names not in parents or each.json_types - {"OBJECT", "NULL"}]


def find_keys(connection: "duckdb.DuckDBPyConnection", table: str) -> list[Key]:
    """Return the keys of all objects in `table` (SQL, see `numbered_lines`), outer ones first, as the rows have them.

    Raises:
        InputError: two keys that would be one column, too many columns, or objects nested too deeply.
    """
    found: list[Key] = []
    outer = [Key((), frozenset())]
    while outer:
        keys = _find_types(connection, table, _find_names(connection, table, outer))
        found += keys
        outer = [each for each in keys if "OBJECT" in each.json_types]
        if len(found) > MAX_COLUMNS or (outer and len(outer[0].names) > MAX_DEPTH):
            raise InputError(
                f"expected at most {MAX_COLUMNS:,} keys, nested at most {MAX_DEPTH} deep, received more: "
                f"{found[-1].column[:200]!r}"
            )
    _refuse_twins(column_keys(found))
    return found


def _find_names(connection: "duckdb.DuckDBPyConnection", table: str, outer: list[Key]) -> list[tuple[str, ...]]:
    """Return the names in the objects at the keys `outer`."""
    objects = ", ".join(each.path for each in outer)
    # most rows have the same keys in the same order: DISTINCT leaves little to take apart
    rows = connection.sql(
        f"SELECT index, name, max(position) FROM (SELECT index, unnest(range(len(names))) AS position, unnest(names) "
        f"AS name FROM (SELECT unnest(range({len(outer)})) AS index, unnest(found) AS names "
        f"FROM (SELECT DISTINCT TRY(json_keys(text, [{objects}])) AS found FROM {table} WHERE fault IS NULL))) "
        f"WHERE name <> '' AND NOT contains(name, chr(0)) "
        f"GROUP BY ALL ORDER BY index, 3, name LIMIT {MAX_COLUMNS + 1}"
    ).fetchall()
    return [(*outer[index].names, name) for index, name, _ in rows]


def _find_types(connection: "duckdb.DuckDBPyConnection", table: str, names: list[tuple[str, ...]]) -> list[Key]:
    """Return the keys with the JSON types of their values."""
    if not names:
        return []
    paths = ", ".join(Key(each, frozenset()).path for each in names)
    rows = connection.sql(
        f"SELECT index, list(DISTINCT type) FROM (SELECT unnest(range({len(names)})) AS index, unnest(found) AS type "
        f"FROM (SELECT DISTINCT TRY(json_type(text, [{paths}])) AS found FROM {table} WHERE fault IS NULL)) "
        f"GROUP BY ALL"
    ).fetchall()
    types = dict(rows)
    return [Key(each, frozenset(filter(None, types.get(index, ())))) for index, each in enumerate(names)]


def _refuse_twins(columns: list[Key]) -> None:
    seen: dict[str, Key] = {}
    for each in columns:
        other = seen.setdefault(each.column.casefold(), each)
        if other is not each:
            shown = " and ".join(" -> ".join(map(repr, twin.names)) for twin in (other, each))
            raise InputError(
                f"column '{each.column}': expected one key for it (upper and lower case count as one), received {shown}"
            )
