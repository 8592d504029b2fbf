"""A connection as a source gets it."""

from collections.abc import Iterator

import duckdb
import pytest

from pipeline.tables import connect


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as opened:
        opened.execute("SET preserve_insertion_order = false").fetchall()
        yield opened
