"""Tables of databases: a real SQLite and a real PostgreSQL; of MySQL and SQL Server only the URL (test_credentials)."""

import math
import sqlite3
import traceback
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from pydantic import ValidationError

from models.discovery import discover
from pipeline.databases import streams as databases
from pipeline.errors import InputError
from pipeline.problem import load_problem
from pipeline.sources import sql

if TYPE_CHECKING:
    from tests.pipeline.conftest import Server

ROWS = [
    (1, 10, 1.5, 2.25, True, "2013-01-01", "2013-01-01 10:00:00", "text"),
    (2, None, None, None, None, None, None, None),
    (3, -9_007_199_254_740_993, -0.25, 100.0, False, "1969-12-31", "2013-06-30 23:59:59", "hé, 'you'"),
]
NAMES = "id, whole, real, exact, flag, day, moment, words"
TYPES = ["BIGINT", "BIGINT", "DOUBLE", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP", "VARCHAR"]
LOGIN = ("PENSTOCK_SQL_USER", "PENSTOCK_SQL_PASSWORD", "PENSTOCK_PASSFILE", "PGPASSFILE", "PGUSER", "PGPASSWORD")


class Table(NamedTuple):
    types: dict[str, str]
    rows: list[tuple[Any, ...]]


@pytest.fixture(autouse=True)
def nobody_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in LOGIN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def login(postgres: "Server", monkeypatch: pytest.MonkeyPatch) -> "Server":
    """The server, with user and password in the environment."""
    monkeypatch.setenv("PENSTOCK_SQL_USER", postgres.database.user or "")
    monkeypatch.setenv("PENSTOCK_SQL_PASSWORD", postgres.database.password or "")
    return postgres


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        yield connection


def read(kind: Any, params: Any, *files: Path) -> Table:
    """Return the table as the pipeline has it, sorted by the first column."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET timezone = 'UTC'")
        types = kind.look(connection, files, params, {}, whole=True)
        connection.execute(f"CREATE TABLE data AS SELECT * FROM {kind.scan(connection, files, params, types)}")
        assert not kind.rejects(connection) or kind is not sql
        described = connection.execute("DESCRIBE data").fetchall()
        rows = connection.execute("SELECT * FROM data ORDER BY 1").fetchall()
    return Table({name: sql_type for name, sql_type, *_ in described}, rows)


def read_sqlite(tmp_path: Path, query: str | None = None, **settings: Any) -> Table:
    url = f"sqlite:///{tmp_path}/shop.db"
    if query is None:
        return read(sql, sql.Params(url=url, **settings))
    (tmp_path / "query.sql").write_text(query)
    return read(sql, sql.Params(url=url, query="query.sql", **settings), tmp_path / "query.sql")


def read_query(server: "Server", tmp_path: Path, query: str, **settings: Any) -> Table:
    (tmp_path / "query.sql").write_text(query)
    return read(sql, sql.Params(url=server.url, query="query.sql", **settings), tmp_path / "query.sql")


def write_csv(file: Path) -> None:
    lines = [",".join("" if value is None else f'"{value}"' for value in row) for row in ROWS]
    file.write_text("\n".join([NAMES.replace(" ", ""), *lines]))


def fill_sqlite(shop: sqlite3.Connection) -> None:
    shop.execute(
        "CREATE TABLE data (id INTEGER PRIMARY KEY, whole BIGINT, real DOUBLE, exact DECIMAL(9, 2), flag BOOLEAN, "
        "day DATE, moment TIMESTAMP, words VARCHAR(20))"
    )
    shop.executemany("INSERT INTO data VALUES (?, ?, ?, ?, ?, ?, ?, ?)", ROWS)
    shop.commit()


def everything(error: BaseException) -> str:
    """Return all that Python would print of an error."""
    return "".join(traceback.format_exception(error))


def test_sqlite_gives_the_same_table_as_a_csv_file(shop: sqlite3.Connection, tmp_path: Path) -> None:
    fill_sqlite(shop)
    write_csv(tmp_path / "data.csv")
    csv = discover("pipeline.sources")["csv"]
    expected = read(csv, csv.Params(files="data.csv"), tmp_path / "data.csv")
    assert read_sqlite(tmp_path, table="data") == expected
    assert list(expected.types.values()) == TYPES


def test_postgresql_gives_the_same_table_as_a_csv_file(login: "Server", tmp_path: Path) -> None:
    values = ", ".join(f"({', '.join('NULL' if v is None else _literal(v) for v in row)})" for row in ROWS)
    login.run(
        "DROP TABLE IF EXISTS same",
        "CREATE TABLE same (id int, whole bigint, real double precision, exact numeric(9, 2), flag boolean, day date, "
        "moment timestamptz, words text)",
        "SET timezone = 'UTC'",
        f"INSERT INTO same VALUES {values}",
    )
    write_csv(tmp_path / "data.csv")
    csv = discover("pipeline.sources")["csv"]
    expected = read(csv, csv.Params(files="data.csv"), tmp_path / "data.csv")
    assert read(sql, sql.Params(url=login.url, table="public.same")) == expected


def _literal(value: Any) -> str:
    return repr(value) if isinstance(value, bool | int | float) else "'" + value.replace("'", "''") + "'"


def test_postgresqls_other_types(login: "Server", tmp_path: Path) -> None:
    found = read_query(
        login,
        tmp_path,
        "SELECT 1::smallint AS small, 1.5::real AS single, 'NaN'::numeric AS no_number, 1e20::numeric AS large,"
        " 'ab'::char(3) AS padded, '10:11:12'::time AS clock, '{\"a\": 1}'::jsonb AS json,"
        " '00000000-0000-0000-0000-000000000001'::uuid AS uuid, '2020-01-02 03:04:05.5+02'::timestamptz AS zoned,"
        " NULL AS nothing -- no more",
    )
    assert list(found.types.values()) == [
        "BIGINT",
        "DOUBLE",
        "DOUBLE",
        "DOUBLE",
        *["VARCHAR"] * 4,
        "TIMESTAMP",
        "VARCHAR",
    ]
    small, single, no_number, large, padded, clock, json, uuid, zoned, nothing = found.rows[0]
    assert (small, single, large, nothing) == (1, 1.5, 1e20, None)
    assert math.isnan(no_number)
    assert (padded, clock, json, uuid) == ("ab ", "10:11:12", '{"a": 1}', "00000000-0000-0000-0000-000000000001")
    assert zoned.isoformat() == "2020-01-02T01:04:05.500000"


@pytest.mark.parametrize("value", ["'\\x00'::bytea", "'1 day'::interval", "ARRAY[1]", "5::money", "'1.2.3.4'::inet"])
def test_a_type_without_a_place_in_a_table_is_refused(value: str, login: "Server", tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"source.query: column 'odd': expected .*, received \w+; CAST it"):
        read_query(login, tmp_path, f"SELECT {value} AS odd")


@pytest.mark.parametrize(
    "value", ["'infinity'::date", "'-infinity'::date", "'infinity'::timestamptz", "'-infinity'::timestamp"]
)
def test_infinity_is_no_date(value: str, login: "Server", tmp_path: Path) -> None:
    import duckdb

    with pytest.raises(duckdb.Error, match="column 'odd': expected a date, received infinity"):
        read_query(login, tmp_path, f"SELECT {value} AS odd")
    assert read_query(login, tmp_path, "SELECT '0044-03-15 BC'::date::text AS old").rows == [("0044-03-15 BC",)]


def test_one_name_for_two_columns_is_refused(login: "Server", tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected one column 'a', received several"):
        read_query(login, tmp_path, "SELECT 1 AS a, 2 AS a")


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_partitioned_table_is_the_same_table(
    count: int, login: "Server", shop: sqlite3.Connection, tmp_path: Path
) -> None:
    query = "SELECT CASE WHEN i % 10 = 0 THEN NULL ELSE i - 20 END AS key, i AS id FROM ({}) AS q"
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i FROM n"
    settings = {"partition": {"column": "key", "count": count}}
    series = query.format("SELECT generate_series(1, 100) AS i")
    whole = read_query(login, tmp_path, series)
    assert len(whole.rows) == 100
    assert sorted(map(str, read_query(login, tmp_path, series, **settings).rows)) == sorted(map(str, whole.rows))
    shop.commit()
    found = read_sqlite(tmp_path, query.format(numbers), **settings)
    assert sorted(map(str, found.rows)) == sorted(map(str, whole.rows))


def test_an_empty_table_can_be_partitioned(shop: sqlite3.Connection, tmp_path: Path) -> None:
    shop.execute("CREATE TABLE data (id INTEGER, flag BOOLEAN, day DATE, moment DATETIME, odd)")
    found = read_sqlite(tmp_path, table="data", partition={"column": "id"})
    assert (list(found.types.values()), found.rows) == (["BIGINT", "BOOLEAN", "DATE", "TIMESTAMP", "VARCHAR"], [])


def test_only_whole_numbers_part_a_table(shop: sqlite3.Connection, tmp_path: Path) -> None:
    fill_sqlite(shop)
    with pytest.raises(InputError, match="source.partition.column: expected whole numbers in 'words', received"):
        read_sqlite(tmp_path, table="data", partition={"column": "words"})


def test_the_types_of_a_sqlite_query(shop: sqlite3.Connection, tmp_path: Path) -> None:
    fill_sqlite(shop)
    found = read_sqlite(
        tmp_path,
        "WITH q AS (SELECT * FROM data) SELECT id, whole + 1 AS more, id / 2.0 AS half, CASE id WHEN 2 THEN 1.5 ELSE 1 "
        "END AS mixed, NULL AS none, upper(words) AS upper, flag AS same_flag FROM q; ",
    )
    assert list(found.types.values()) == ["BIGINT", "BIGINT", "DOUBLE", "DOUBLE", "VARCHAR", "VARCHAR", "BOOLEAN"]
    assert found.rows[1] == (2, None, 1.0, 1.5, None, None, None)


def test_nulls_at_the_start_do_not_hide_a_type(shop: sqlite3.Connection, tmp_path: Path) -> None:
    shop.execute("CREATE TABLE data (id INTEGER, late_text, late_number, real REAL)")
    rows = [
        (i, "x" if i > 19_999 else None, i if i > 19_999 else None, 0.5 if i > 19_999 else None) for i in range(20_001)
    ]
    shop.executemany("INSERT INTO data VALUES (?, ?, ?, ?)", rows)
    shop.commit()
    found = read_sqlite(tmp_path, table="data")
    assert list(found.types.values()) == ["BIGINT", "VARCHAR", "BIGINT", "DOUBLE"]
    assert found.rows == rows


def test_sqlites_times_with_a_zone_are_utc(shop: sqlite3.Connection, tmp_path: Path) -> None:
    shop.execute("CREATE TABLE data (moment TIMESTAMP)")
    shop.execute("INSERT INTO data VALUES ('2020-01-02 03:04:05+02:00')")
    shop.commit()
    assert read_sqlite(tmp_path, table="data").rows[0][0].isoformat() == "2020-01-02T01:04:05"


@pytest.mark.parametrize(
    ("declared", "value", "expected"),
    [
        ("INTEGER", "abc", "column 'odd': expected a whole number, received 'abc'"),
        ("INTEGER", 1.5, "column 'odd': expected a whole number, received 1.5"),
        ("REAL", "abc", "column 'odd': expected a number, received 'abc'"),
        ("DECIMAL(9, 2)", b"abc", "column 'odd': expected a number, received X'616263'"),
        ("TEXT", b"abc", "column 'odd': expected text, received X'616263'"),
        ("BOOLEAN", 2, "column 'odd': expected 0 or 1, received 2"),
        ("DATE", "soon", "column 'odd': expected a date, received soon"),
        ("DATE", "2020-01-01 10:00:00", "column 'odd': expected a date, received 2020-01-01 10:00:00"),
        ("DATETIME", "soon", "column 'odd': expected a date and a time, received soon"),
        ("", b"abc", "column 'odd': expected numbers or text, received blob and number"),
        ("", "abc", "column 'odd': expected numbers or text, received number and text"),
    ],
)
def test_a_value_that_sqlite_let_in_stops_the_run(
    declared: str, value: Any, expected: str, shop: sqlite3.Connection, tmp_path: Path
) -> None:
    import duckdb

    good = "2020-01-01" if declared.startswith("DATE") else 1
    shop.execute(f"CREATE TABLE data (id INTEGER, odd {declared})")
    shop.executemany("INSERT INTO data VALUES (?, ?)", [(1, good), (2, None), (3, value)])
    shop.commit()
    with pytest.raises((InputError, duckdb.Error)) as caught:
        read_sqlite(tmp_path, table="data")
    assert expected in str(caught.value)


def test_a_sqlite_file_is_relative_to_the_root(shop: sqlite3.Connection, tmp_path: Path) -> None:
    fill_sqlite(shop)
    params = sql.anchor(sql.Params(url="sqlite:///shop.db", table="data"), tmp_path)
    assert params.url == f"sqlite:///{tmp_path}/shop.db"
    assert sql.anchor(params, Path("/elsewhere")) == params
    assert len(read(sql, params).rows) == len(ROWS)
    server = sql.Params(url="mysql://host/shop", table="data")
    assert sql.anchor(server, tmp_path) is server


@pytest.mark.parametrize("name", ["none.db", "query.sql"])
def test_what_is_no_sqlite_database_is_named_and_not_made(name: str, tmp_path: Path) -> None:
    (tmp_path / "query.sql").write_text("SELECT 1 AS a, 'this is a text and no database' AS b" * 20)
    with pytest.raises(InputError, match=rf"{name}.*(no such file|file is not a database)"):
        read(sql, sql.Params(url=f"sqlite:///{tmp_path}/{name}", table="data"))
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("settings", [{}, {"partition": {"column": "id"}}])
def test_a_missing_table_is_named(settings: Any, login: "Server", shop: sqlite3.Connection, tmp_path: Path) -> None:
    shop.commit()
    with pytest.raises(InputError, match=r'source.table: expected rows from .*, received: relation "none" does not'):
        read(sql, sql.Params(url=login.url, table="none", **settings))
    shop.execute("CREATE TABLE data (id INTEGER)")
    with pytest.raises(InputError, match="source.table: expected rows from .*, received: no such table: none"):
        read_sqlite(tmp_path, table="none", **settings)


def test_a_query_that_the_database_refuses(login: "Server", tmp_path: Path) -> None:
    with pytest.raises(InputError, match='received: syntax error at or near "SELEC" LINE 1: SELEC 1$'):
        read_query(login, tmp_path, "SELEC 1")


def test_a_query_that_fails_on_the_way_stops_the_run(login: "Server", tmp_path: Path) -> None:
    import duckdb

    with pytest.raises(duckdb.Error, match="source.query: expected rows from .*, received: division by zero"):
        read_query(login, tmp_path, "SELECT 1 / (i - 150000) AS a FROM generate_series(1, 200000) AS i")


def test_a_query_changes_nothing(login: "Server", tmp_path: Path) -> None:
    login.run("DROP TABLE IF EXISTS kept", "CREATE TABLE kept AS SELECT 1 AS id")
    read_query(login, tmp_path, "DELETE FROM kept RETURNING id")
    assert read(sql, sql.Params(url=login.url, table="kept")).rows == [(1,)]


def test_a_missing_sql_file_is_named(tmp_path: Path, shop: sqlite3.Connection) -> None:
    with pytest.raises(InputError, match="source.query: .*none.sql: expected an SQL file"):
        read(sql, sql.Params(url=f"sqlite:///{tmp_path}/shop.db", query="none.sql"), tmp_path / "none.sql")


@pytest.mark.parametrize("url", ["postgresql://no.such.host.invalid/shop", "mysql://no.such.host.invalid/shop"])
def test_a_host_that_is_not_there(url: str) -> None:
    with pytest.raises(InputError, match=r"source.url: expected a connection to \w+://no.such.host.invalid:\d+/shop"):
        read(sql, sql.Params(url=url, table="data"))


def test_the_whole_url_in_the_environment(postgres: "Server", monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SHOP", postgres.database.url)
    params = sql.Params(url="$SHOP", query="query.sql")
    (tmp_path / "query.sql").write_text("SELECT 1 AS a")
    assert read(sql, params, tmp_path / "query.sql").rows == [(1,)]
    assert postgres.database.password not in f"{params!r} {params.model_dump_json()}"


def test_a_login_from_the_password_file(postgres: "Server", tmp_path: Path) -> None:
    password = (postgres.database.password or "").replace("\\", r"\\").replace(":", r"\:")
    (tmp_path / ".pgpass").write_text(f"*:{postgres.database.port}:*:{postgres.database.user}:{password}\n", "utf-8")
    (tmp_path / ".pgpass").chmod(0o600)
    assert read_query(postgres, tmp_path, "SELECT 1 AS a").rows == [(1,)]


def test_a_wrong_password_is_not_repeated(login: "Server", monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PENSTOCK_SQL_PASSWORD", "wr@ng")
    with pytest.raises(InputError, match="source.url: .*, received: .*password authentication failed") as caught:
        read_query(login, tmp_path, "SELECT 1 AS a")
    assert "wr@ng" not in everything(caught.value)
    assert "wr%40ng" not in everything(caught.value)
    assert caught.value.__cause__ is None


def test_a_password_in_the_yaml_is_refused_and_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(
        "name: shop\n"
        "source: {kind: sql, url: 'postgresql://me:hush@host/shop', table: data}\n"
        "target: {column: late, kind: binary}\n"
    )
    with pytest.raises(InputError, match=r"shop.yaml:2: source.url: expected a URL without a password") as caught:
        load_problem(tmp_path / "shop.yaml")
    assert "hush" not in everything(caught.value)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"table": "data"}, "url\n  Field required"),
        ({"url": "oracle://host/shop", "table": "data"}, "expected postgresql://host:5432/database"),
        ({"url": "$", "table": "data"}, "expected postgresql://host:5432/database"),
        ({"url": "$SHOP"}, "expected either table or query, received neither"),
        ({"url": "$SHOP", "table": "data", "query": "query.sql"}, "expected either table or query, received both"),
        ({"url": "$SHOP", "table": "data", "partition": {"column": "id", "count": 0}}, "greater than or equal to 1"),
        ({"url": "$SHOP", "table": "data", "password": "hush"}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_make_no_sense(settings: Any, expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        sql.Params(**settings)


@pytest.fixture
def through_connectorx(login: "Server", monkeypatch: pytest.MonkeyPatch) -> "Server":
    """The server as connectorx reads it: so are MySQL and SQL Server read, which no test can start."""
    monkeypatch.setattr(databases, "ADBC_OPTIONS", {})
    monkeypatch.setattr(sql, "ADBC_OPTIONS", {})
    return login


def test_connectorx_reads_the_same_table(
    through_connectorx: "Server", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "RANGE_ROWS", 7)
    query = (
        "SELECT i::int AS id, NULLIF(i % 2, 0)::smallint AS odd, i / 4.0 AS exact, i % 3 = 0 AS flag, "
        "'t' || i AS words, '2020-01-01 00:00:00+01'::timestamptz AS moment, '2020-01-01'::date AS day "
        "FROM generate_series(1, 50) AS i"
    )
    found = read_query(through_connectorx, tmp_path, query)
    assert list(found.types.values()) == ["BIGINT", "BIGINT", "DOUBLE", "BOOLEAN", "VARCHAR", "TIMESTAMP", "DATE"]
    assert len(found.rows) == 50
    assert found.rows[1][:5] == (2, None, 0.5, False, "t2")
    assert found.rows[0][5].isoformat() == "2019-12-31T23:00:00"
    assert read_query(through_connectorx, tmp_path, query, partition={"column": "id", "count": 2}) == found


def test_a_panic_of_connectorx_is_an_error_like_others(through_connectorx: "Server", tmp_path: Path) -> None:
    import duckdb

    with pytest.raises(InputError, match="source.query: expected rows from .*, received: not implemented: interval"):
        read_query(through_connectorx, tmp_path, "SELECT '1 day'::interval AS a")
    with pytest.raises(duckdb.Error, match="source.query: expected rows from .*, received: .*NaN"):
        read_query(through_connectorx, tmp_path, "SELECT 'NaN'::numeric AS a")
