"""TFDV's statistics of a DuckDB table are those that TFDV makes of the whole table at once."""

import pytest

from pipeline.convert import convert
from pipeline.statistics import accumulate, import_ahead, merge, table_statistics
from pipeline.tables import connect, describe

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def table():
    """200,000 rows (several batches) and how their columns are read."""
    with connect() as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT range AS id, CASE WHEN range % 4 > 0 THEN range % 10 END AS digit, "
            "range / 8 AS share, 'v' || range % 3 AS name FROM range(200000)"
        ).fetchall()
        yield connection, [convert(column, None) for column in describe(connection, "t").values()]


def facts(statistics):
    (dataset,) = statistics.datasets
    found = {feature.path.step[0]: feature for feature in dataset.features}
    digit, name = found["digit"].num_stats, found["name"].string_stats
    return {
        "rows": dataset.num_examples,
        "missing": digit.common_stats.num_missing,
        "range": (found["id"].num_stats.min, found["id"].num_stats.max),
        "mean": round(digit.mean, 6),
        "values": sorted((each.value, each.frequency) for each in name.top_values),
    }


WHOLE = {
    "rows": 200_000,
    "missing": 50_000,
    "range": (0, 199_999),
    # of 20 numbers in a row, those that 4 divides are missing: 1, 2, 3, 5, 6, 7, 9, 0, 1, 3, 4, 5, 7, 8, 9
    "mean": round(70 / 15, 6),
    "values": [("v0", 66_667), ("v1", 66_667), ("v2", 66_666)],
}


def test_statistics_of_all_rows(table):
    connection, conversions = table
    assert facts(table_statistics(connection, conversions, "t")) == WHOLE


def test_parts_that_are_merged_are_the_whole(table):
    connection, conversions = table
    parts = [accumulate(connection, conversions, f"(FROM t WHERE id % 3 = {part})") for part in range(3)]
    # statistics of a part leave it as it is
    assert [facts(part.statistics())["rows"] for part in parts] == [66_667, 66_667, 66_666]
    assert facts(merge(parts).take()) == WHOLE


def test_an_error_in_the_block_waits_for_the_import():
    with pytest.raises(KeyError), import_ahead():
        raise KeyError
