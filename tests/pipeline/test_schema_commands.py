"""`penstock schema`: what the commands print, write and answer with."""

import csv
import json
import re
import subprocess
import sys
from datetime import date, timedelta

import duckdb
import pytest
import typer
from typer.testing import CliRunner

from pipeline.contract import accept_differences, compare
from pipeline.errors import InputError
from pipeline.problem import load_problem
from pipeline.schema_commands import app
from pipeline.validate import validate
from schemas.store import read_schema

YAML = """\
name: sales
source: {kind: csv, files: sales.csv, null: ["", NA]}
split: {by: time, column: day, eval: 0.2, test: 0.1}
schema: schemas/sales.pbtxt
target: {column: sold, kind: binary}
features: {shop: categorical, price: numeric, share: numeric}
"""
SCHEMA = """\
# curated by hand
feature {
  name: "sold"
  type: INT
  bool_domain {}
  presence { min_fraction: 1 min_count: 1 }
  not_in_environment: "SERVING"
}
feature {
  name: "shop"
  type: BYTES
  string_domain {
    value: "Bern"   # since 1998
    value: "Zug"
  }
  presence { min_fraction: 1 min_count: 1 }
}
feature {
  name: "price"
  type: FLOAT
  float_domain { min: 0 }
  presence { min_count: 1 }
}
feature {
  name: "share"
  type: FLOAT
  presence { min_count: 1 }
}
feature {
  name: "day"
  type: BYTES
  time_domain { string_format: "%Y-%m-%d" }
  presence { min_fraction: 1 }
}
default_environment: "TRAINING"
default_environment: "SERVING"
"""


def rows(count=100):
    return [
        {
            "sold": index % 2,
            "shop": ["Bern", "Zug"][index % 3 == 0],
            "price": index % 17 + 0.5,
            "share": index % 11 / 10,
            "day": date(2024, 1, 1) + timedelta(days=index // 10),
        }
        for index in range(count)
    ]


def write(path, table):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    return path


@pytest.fixture
def problem(tmp_path):
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "sales.pbtxt").write_text(SCHEMA)
    (tmp_path / "sales.yaml").write_text(YAML)
    write(tmp_path / "sales.csv", rows())
    return tmp_path / "sales.yaml"


@pytest.fixture
def schema(problem):
    return problem.parent / "schemas" / "sales.pbtxt"


@pytest.fixture
def penstock():
    """`penstock("schema", ...)`: exit code and output; our own errors are raised."""
    group = typer.Typer()
    group.add_typer(app, name="schema")

    @group.callback()
    def start():
        """Keep the group's name."""

    def run(*arguments):
        done = CliRunner().invoke(group, ["schema", *map(str, arguments)])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output

    return run


def changed(problem, **cells):
    """Write the table with `column=value` in its first rows, as many as there are values."""
    table = rows()
    for name, values in cells.items():
        for row, value in zip(table, values, strict=False):
            row[name] = value
    return write(problem.parent / "new.csv", table)


def test_the_problems_own_data_is_as_the_schema_says(penstock, problem):
    assert penstock("diff", problem) == (0, "no difference: 100 rows, environment TRAINING\n")


def test_diff_says_it_in_words_with_numbers(penstock, problem):
    data = changed(problem, shop=["Genf", ""], price=[-1.5], share=["?"] * 90, sold=[5])
    code, output = penstock("diff", problem, data)
    assert code == 1
    assert [line.strip() for line in output.splitlines()[1:-1]] == [
        "sold: 0 to 5, the schema allows 0 to 1; outside in 1 % of the rows",
        "shop: missing in 1 % of the rows, the schema allows 0 %",
        "shop: new value 'Genf' in 1 % of the rows (the domain has 2)",
        "price: -1.5 to 16.5, the schema allows at least 0; outside in 1 % of the rows",
        "share: text, was number with decimals; 90 % of the rows hold no number with decimals: '?'",
    ]
    assert output.splitlines()[-1] == f"accept some of them: penstock schema accept {problem} --data {data}"


def test_diff_is_json(penstock, problem):
    code, output = penstock("diff", problem, changed(problem, shop=["Genf"]), "--json")
    assert (code, json.loads(output)) == (
        1,
        {
            "rows": 100,
            "environment": "TRAINING",
            "differences": [
                {
                    "feature": "shop",
                    "kind": "unexpected values",
                    "words": "new value 'Genf' in 1 % of the rows (the domain has 2)",
                    "rows": 1,
                    "share": 0.01,
                }
            ],
        },
    )


def test_data_without_the_label_is_data_to_serve(penstock, problem):
    table = [{name: value for name, value in row.items() if name != "sold"} for row in rows()]
    data = write(problem.parent / "new.csv", table)
    assert penstock("diff", problem, data) == (0, "no difference: 100 rows, environment SERVING\n")
    write(problem.parent / "sales.csv", table)
    assert "sold: no such column in the data" in penstock("diff", problem)[1]


def test_rows_that_cannot_be_read_are_told_with_their_place(penstock, problem):
    table = [*rows(1000), rows(1)[0] | {"price": "oops"}]
    code, output = penstock("diff", problem, write(problem.parent / "new.csv", table))
    assert code == 1
    assert re.search(r"price: 0\.0999 % of the rows can't be read: .*'oops', first at \S+new\.csv:1002", output)


def test_diff_reads_other_kinds_of_files(penstock, problem):
    columns = "sold, shop, price, share, strftime(day, '%Y-%m-%d') AS day, [1, 2] AS pair"
    parquet = problem.parent / "new.parquet"
    duckdb.sql(f"COPY (SELECT {columns} FROM read_csv('{problem.parent / 'sales.csv'}')) TO '{parquet}'")
    assert "pair: a column that the schema does not have: whole number" in penstock("diff", problem, parquet)[1]
    penstock("accept", problem, "pair", "--data", parquet)
    assert penstock("diff", problem, parquet)[0] == 0


def test_spans_are_compared_together(penstock, problem):
    problem.write_text(YAML.replace("files: sales.csv", 'files: "sales-{SPAN}.csv", spans: {last: 2}'))
    write(problem.parent / "sales-1.csv", rows())
    write(problem.parent / "sales-2.csv", [row | {"shop": "Genf"} for row in rows()])
    assert "new value 'Genf' in 50 % of the rows" in penstock("diff", problem)[1]


def test_diff_of_schemas(penstock, problem, schema):
    other = schema.with_name("other.pbtxt")
    other.write_text(SCHEMA.replace('value: "Zug"', 'value: "Genf"'))
    code, output = penstock("diff", problem, other)
    assert code == 1
    assert "shop: value 'Genf' added" in output
    assert "shop: value 'Zug' removed" in output
    assert penstock("diff", problem, schema)[0] == 0


def test_accept_edits_what_is_chosen_and_keeps_the_rest(penstock, problem, schema):
    data = changed(problem, shop=["Genf", ""], price=[-1.5])
    code, output = penstock("accept", problem, "shop:unexpected-values", "--data", data)
    assert code == 0
    assert '\n+    value: "Genf"\n' in output
    assert schema.read_text() == SCHEMA.replace("# since 1998\n", '# since 1998\n    value: "Genf"\n')
    penstock("accept", problem, "--all", "--data", data)
    assert "# since 1998" in schema.read_text()
    assert "float_domain { min: -1.5 }" in schema.read_text()
    assert penstock("diff", problem, data)[0] == 0


def test_every_difference_that_can_be_accepted_is_none_afterwards(problem):
    """Also of columns that come and go, change their type, or hold nothing at all."""
    table = [
        {"shop": index, "price": "", "day": row["day"], "sold": row["sold"] * 3, "new": "ab"[index % 2]}
        for index, row in enumerate(rows())
    ]
    loaded, data = load_problem(problem), problem.parent / "new.parquet"
    write(problem.parent / "new.csv", table)
    duckdb.sql(f"COPY (FROM read_csv('{problem.parent / 'new.csv'}')) TO '{data}'")
    compared = compare(loaded, data)
    assert {(each.feature, each.kind) for each in compared.differences} == {
        ("sold", "out of range"),
        ("shop", "wrong type"),
        ("price", "missing values"),
        ("share", "missing column"),
        ("new", "new column"),
    }
    accept_differences(loaded, compared, None)
    assert compare(loaded, data).differences == ()
    added = read_schema(loaded.schema_path).feature[-1]
    assert (added.name, list(added.string_domain.value)) == ("new", ["a", "b"])


def test_accept_lists_what_could_be_accepted(penstock, problem, schema):
    assert penstock("accept", problem) == (0, "nothing to accept\n")
    code, output = penstock("accept", problem, "--data", changed(problem, shop=["Genf"]))
    assert code == 0
    assert "shop:unexpected-values" in output
    assert schema.read_text() == SCHEMA
    listed = json.loads(penstock("accept", problem, "--data", problem.parent / "new.csv", "--json")[1])
    assert [each["name"] for each in listed] == ["shop:unexpected-values"]


def test_a_missing_column_may_stay_as_an_optional_one(penstock, problem, schema):
    data = write(problem.parent / "new.csv", [{**row, "share": None} for row in rows()])
    table = [{name: value for name, value in row.items() if name != "share"} for row in rows()]
    write(data, table)
    penstock("accept", problem, "share:optional", "--data", data)
    assert schema.read_text().count("min_count: 0") == 1
    assert penstock("diff", problem, data)[0] == 0


def test_limits_are_set_without_data(penstock, problem, schema):
    (problem.parent / "sales.csv").unlink()
    code, output = penstock("accept", problem, "shop:drift=0.1", "shop:skew=0.2", "price:drift=0.3")
    assert code == 0
    assert "+      threshold: 0.1\n" in output
    shop, price = read_schema(schema).feature[1:3]
    assert shop.drift_comparator.infinity_norm.threshold == 0.1
    assert shop.skew_comparator.infinity_norm.threshold == 0.2
    assert price.drift_comparator.jensen_shannon_divergence.threshold == 0.3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: expected one of shop:unexpected-values"),
        (["shop:missing values"], "shop:missing values: expected one of shop:unexpected-values"),
        (["shop", "--all"], "--all: expected no feature beside it"),
        (["shop:drift=5"], "expected a limit between 0 and 1"),
        (["shop", "shop:drift=0.1"], "expected limits or differences, not both"),
    ],
)
def test_accept_refuses(penstock, problem, schema, arguments, words):
    data = changed(problem, shop=["Genf"])
    with pytest.raises(InputError) as error:
        penstock("accept", problem, *arguments, "--data", data)
    assert words in str(error.value)
    assert schema.read_text() == SCHEMA


def test_without_a_schema_says_what_makes_one(penstock, problem):
    problem.write_text(YAML.replace("schema: schemas/sales.pbtxt\n", ""))
    for command in ("diff", "show", "accept", "check"):
        with pytest.raises(InputError, match=r"`penstock schema infer \S+sales.yaml` writes a first one"):
            penstock(command, problem)


def test_show(penstock, problem):
    code, output = penstock("show", problem)
    assert code == 0
    assert re.search(r"shop +text +every row +Bern, Zug +all", output)
    shown = json.loads(penstock("show", problem, "--json")[1])
    assert [(each["name"], each["domain"], each["environments"]) for each in shown[:2]] == [
        ("sold", "", ["TRAINING"]),
        ("shop", "Bern, Zug", ["TRAINING", "SERVING"]),
    ]


def test_check_finds_nothing_odd(penstock, problem):
    code, output = penstock("check", problem, problem)
    assert (code, output.count("ok, 5 columns in")) == (0, 2)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("float_domain { min: 0 }", "float_domain { min: 2 max: 1 }", "sales.pbtxt:21: error: price: float_domain: ex"),
        ('not_in_environment: "SERVING"', "", 'the label needs `not_in_environment: "SERVING"`'),
        ('name: "share"', 'name: "other"', "features.share: no column 'share' in the table"),
        ('name: "price"\n  type: FLOAT', 'name: "price"\n  type: BYTES', "a numeric feature must be a number"),
        (
            'name: "price"',
            'name: "price"\n  not_in_environment: "SERVING"',
            "sales.yaml:6: features.price: 'price' is not expected in SERVING: a feature must be there",
        ),
        ('name: "day"', 'name: "day"\n  in_environment: "SERVING"', "split.column: 'day' is not expected in TRAINING"),
        ('name: "sold"', 'name: "sold"\n  in_environment: "SERVING"', "'sold' is not expected in TRAINING"),
    ],
)
def test_check_says_what_does_not_fit(penstock, problem, schema, old, new, words):
    schema.write_text(SCHEMA.replace(old, new))
    code, output = penstock("check", problem)
    assert (code, words in output) == (2, True), output
    assert penstock("check", problem, "--json")[0] == 2


def test_check_refuses_what_is_no_schema(penstock, problem, schema):
    schema.write_text("feature {")
    with pytest.raises(
        InputError, match=r"sales.yaml:4: schema: \S+sales.pbtxt: expected a TensorFlow Metadata schema"
    ):
        penstock("check", problem)


HEAVY = "{'tensorflow', 'tfx', 'keras', 'apache_beam', 'pandas', 'tensorflow_data_validation'}"


@pytest.mark.parametrize("command", ["check", "show", "diff", "accept"])
def test_light_commands_leave_tensorflow_alone(problem, command):
    code = (
        "import sys\nfrom pipeline.schema_commands import app\n"
        f"app([{command!r}, {str(problem)!r}], standalone_mode=False)\n"
        f"print('HEAVY', sorted({HEAVY} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout


@pytest.mark.tensorflow
def test_infer_proposes_what_it_measured(penstock, problem, schema):
    problem.write_text(YAML.replace("schema: schemas/sales.pbtxt\n", ""))
    schema.unlink()
    table = rows(3000)
    for index, row in enumerate(table):
        row["price"] = "" if index % 50 == 0 else row["price"]
        row["shop"] = "Chur" if index in {2900, 2901} else row["shop"]
    write(problem.parent / "sales.csv", table)
    code, output = penstock("infer", problem)
    assert code == 0
    assert "\nschema: schemas/sales.pbtxt\n" in output
    text = schema.read_text()
    assert "Limits of drift and skew: 1.5 times what was measured between 6 blocks of equal size in the order" in text
    assert re.search(r"threshold: 0\.01  # measured \S+ between consecutive blocks", text)
    assert "min_fraction: 0.97  # a value in 98 % of a block's rows" in text
    assert "min_domain_mass: 0.992  # up to 0.4 % of a block's rows hold a value that no earlier block has" in text
    assert "min: 0.0  # 273 rows hold 0, none less" in text
    assert "max: 1.0  # 272 rows hold 1, none more" in text
    sold, shop = read_schema(schema).feature[:2]
    assert (list(sold.not_in_environment), sold.HasField("skew_comparator")) == (["SERVING"], False)
    assert (list(shop.string_domain.value), shop.HasField("drift_comparator")) == (["Bern", "Chur", "Zug"], True)
    problem.write_text(YAML)
    assert penstock("check", problem)[0] == 0
    assert penstock("diff", problem)[0] == 0
    with pytest.raises(InputError, match="exists already; --force overwrites it"):
        penstock("infer", problem)


@pytest.mark.tensorflow
def test_infer_of_lists_spans_and_small_tables(penstock, problem, schema):
    problem.write_text(
        "name: sales\nsource: {kind: parquet, files: 'sales-{SPAN}.parquet', spans: {last: 3}}\n"
        "schema: schemas/sales.pbtxt\ntarget: {column: sold, kind: binary}\n"
    )
    columns = (
        "i % 2 AS sold, [i % 3, 1, 2] AS fixed, range(i % 4) AS any, CASE i % 2 WHEN 0 THEN '' ELSE 'a' END AS text"
    )
    for span, count in ((1, 300), (2, 300), (3, 300)):
        file = problem.parent / f"sales-{span}.parquet"
        duckdb.sql(f"COPY (SELECT {columns} FROM range({count}) AS t(i)) TO '{file}'")
    penstock("infer", problem, "--force")
    assert "times what was measured between 3 spans." in schema.read_text()
    fixed, any_length, text = read_schema(schema).feature[1:4]
    assert (fixed.value_count.min, fixed.value_count.max) == (3, 3)
    assert (any_length.value_count.min, any_length.value_count.HasField("max")) == (0, False)
    assert (list(text.string_domain.value), text.presence.min_fraction) == (["a"], 0.49)
    assert penstock("diff", problem)[0] == 0
    problem.write_text(problem.read_text().replace("last: 3", "last: 1"))
    penstock("infer", problem, "--force")
    assert "No limits of drift and skew: to measure them takes 400 rows." in schema.read_text()
    assert "threshold" not in schema.read_text()


@pytest.mark.tensorflow
def test_diff_finds_what_validate_finds(problem):
    table = [{**row, "extra": 1} for row in rows()]
    for row, (name, value) in zip(
        table, [("shop", "Genf"), ("shop", ""), ("price", -1), ("sold", 5), ("day", "")], strict=False
    ):
        row[name] = value
    loaded, data = load_problem(problem), write(problem.parent / "new.csv", table)
    compared, report = compare(loaded, data), validate(loaded, data)
    found = {(each.feature, each.kind) for each in compared.differences}
    assert found == {(each.feature, each.kind) for each in report.anomalies}
    assert len(found) == 6
