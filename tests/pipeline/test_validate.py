import csv
import subprocess
import sys

import duckdb
import pytest

from pipeline.errors import InputError
from pipeline.problem import load_problem
from pipeline.scaffold import scaffold
from pipeline.validate import validate

pytestmark = pytest.mark.tensorflow


def rows():
    return [
        {
            "label": ["yes", "no", "maybe"][index % 3],
            "city": ["Bern", "Genf", "Zug"][index % 7 % 3],
            "length": 10 + index % 13 / 2,
            "count": index % 11 * 3,
            "day": f"2024-02-{index % 28 + 1:02}",
            "flag": ["true", "false"][index % 5 == 0],
            "note": "NA" if index % 4 else ["a", "b"][index % 8 == 0],
        }
        for index in range(90)
    ]


def write(path, table):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    return path


@pytest.fixture
def loaded(tmp_path):
    return load_problem(scaffold(write(tmp_path / "table.csv", rows()), "label", None, tmp_path).problem)


def changed(tmp_path, **cells):
    """Write the table with `column=value` in its second row."""
    table = rows()
    table[1] |= cells
    return write(tmp_path / "new.csv", table)


def found(report):
    return {(anomaly.feature, anomaly.kind): anomaly for anomaly in report.anomalies}


def test_the_problems_own_data_is_as_its_schema_says(loaded):
    report = validate(loaded, None)
    assert (report.rows, report.columns, report.environment, report.anomalies) == (90, 7, "TRAINING", ())


@pytest.mark.parametrize(
    ("cells", "kind", "expected", "words", "examples"),
    [
        (
            {"city": "O'Fallon"},
            "unexpected values",
            "one of 'Bern', 'Genf', 'Zug'",
            '"O\'Fallon" in 1 row',
            ("O'Fallon",),
        ),
        ({"label": "perhaps"}, "unexpected values", "one of 'maybe', 'no', 'yes'", "'perhaps' in 1 row", ("perhaps",)),
        ({"city": "NA"}, "missing values", "a value in every row", "none in 1 row", ()),
        ({"length": "abc"}, "wrong type", "a number", "'abc' in 1 row", ("abc",)),
        ({"count": "abc"}, "wrong type", "a whole number", "'abc' in 1 row", ("abc",)),
        ({"count": "7.5"}, "wrong type", "a whole number", "'7.5' in 1 row", ("7.5",)),
        ({"flag": "2"}, "out of range", "a number of at least 0 and at most 1", "'2' in 1 row", ("2",)),
        ({"flag": "maybe"}, "wrong type", "true, false, 1 or 0", "'maybe' in 1 row", ("maybe",)),
        (
            {"day": "soon"},
            "wrong type",
            "a date or a time as in 2024-05-31 or 2024-05-31T18:30:00Z",
            "'soon' in 1 row",
            ("soon",),
        ),
    ],
)
def test_a_cell_that_is_not_what_the_schema_says(loaded, tmp_path, cells, kind, expected, words, examples):
    report = validate(loaded, changed(tmp_path, **cells))
    (anomaly,) = report.anomalies
    assert (anomaly.feature, anomaly.kind, anomaly.severity) == (next(iter(cells)), kind, "error")
    assert (anomaly.expected, anomaly.examples) == (expected, examples)
    assert (anomaly.found, anomaly.count) == (words, 1)
    (row,) = anomaly.rows
    assert (row.file, row.line, row.value) == (str(tmp_path / "new.csv"), 3, examples[0] if examples else None)


def test_decimals_with_missing_values_are_whole_numbers_still(loaded, tmp_path):
    table = [row | {"count": "" if index == 3 else f"{row['count']}.0"} for index, row in enumerate(rows())]
    (anomaly,) = validate(loaded, write(tmp_path / "new.csv", table)).anomalies
    assert (anomaly.feature, anomaly.found) == ("count", "none in 1 row")


def test_numbers_outside_of_the_schemas_bounds(loaded, tmp_path):
    text = loaded.schema_path.read_text()
    bounded = text.replace('name: "length"', 'name: "length"\n  float_domain { min: 10 max: 12 }')
    loaded.schema_path.write_text(bounded)
    (anomaly,) = validate(loaded, None).anomalies
    assert (anomaly.kind, anomaly.expected) == ("out of range", "a number of at least 10 and at most 12")
    assert anomaly.found == "'12.5', '13.0', '13.5' and 5 more values in 55 rows"


def test_columns_that_come_and_go(loaded, tmp_path):
    table = [{"extra": 1} | {name: value for name, value in row.items() if name != "length"} for row in rows()]
    report = validate(loaded, write(tmp_path / "new.csv", table))
    assert [(anomaly.feature, anomaly.kind) for anomaly in report.anomalies] == [
        ("length", "missing column"),
        ("extra", "new column"),
    ]


def test_without_the_label_it_is_data_to_serve(loaded, tmp_path):
    table = [{name: value for name, value in row.items() if name != "label"} for row in rows()]
    report = validate(loaded, write(tmp_path / "new.csv", table))
    assert (report.environment, report.anomalies) == ("SERVING", ())


def test_parquet_in_place_of_csv(loaded, tmp_path):
    table = f"read_csv('{tmp_path / 'table.csv'}', nullstr = 'NA')"
    duckdb.sql(f"COPY (SELECT * FROM {table} LIMIT 50) TO '{tmp_path / 'new.parquet'}'")
    assert validate(loaded, tmp_path / "new.parquet").rows == 50


def test_the_query_runs_over_the_new_first_table(loaded, tmp_path):
    (tmp_path / "with_country.sql").write_text("SELECT data.*, country FROM data LEFT JOIN countries USING (city)")
    write(tmp_path / "countries.csv", [{"city": city, "country": "CH"} for city in ("Bern", "Genf", "Zug")])
    files = {"data": "table.csv", "countries": "countries.csv"}
    source = loaded.problem.source.model_copy(update={"files": files, "query": "with_country.sql"})
    joined = loaded._replace(problem=loaded.problem.model_copy(update={"source": source}))
    report = validate(joined, changed(tmp_path, city="Rom"))
    assert set(found(report)) == {("city", "unexpected values"), ("country", "new column")}
    write(tmp_path / "new.csv", [{"label": "yes"}])
    with pytest.raises(InputError, match="city"):
        validate(joined, tmp_path / "new.csv")


def test_data_that_is_no_table(loaded, tmp_path):
    (tmp_path / "empty.csv").write_text("label,city\n")
    with pytest.raises(InputError, match=r"empty\.csv: expected rows, received none"):
        validate(loaded, tmp_path / "empty.csv")
    with pytest.raises(InputError, match=r"nowhere\.csv: no such file"):
        validate(loaded, tmp_path / "nowhere.csv")


def test_without_a_curated_schema_says_what_makes_one(loaded):
    bare = loaded._replace(problem=loaded.problem.model_copy(update={"schema_file": None}))
    with pytest.raises(InputError, match="`penstock init DATA --label COLUMN` writes a first one"):
        validate(bare, None)


def test_report_is_json(loaded, tmp_path):
    report = validate(loaded, changed(tmp_path, city="Rom")).model_dump(mode="json")
    assert report["anomalies"] == [
        {
            "feature": "city",
            "severity": "error",
            "kind": "unexpected values",
            "expected": "one of 'Bern', 'Genf', 'Zug'",
            "found": "'Rom' in 1 row",
            "examples": ["Rom"],
            "count": 1,
            "rows": [{"value": "Rom", "file": str(tmp_path / "new.csv"), "line": 3, "row": None}],
        }
    ]


def test_the_module_itself_does_without_tensorflow():
    code = "import sys, pipeline.validate; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
