import csv
import datetime
import gzip
import random
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from pipeline.check import check
from pipeline.errors import InputError
from pipeline.problem import load_problem
from pipeline.resolve import read_columns, resolve
from pipeline.scaffold import infer_for, scaffold
from schemas.store import columns, read_schema


def penguins(count=344):
    """Rows like the Palmer penguins: three species, missing measurements, a row number."""
    chance = random.Random(0)
    means = {"Adelie": (38.8, 3700), "Chinstrap": (48.8, 3733), "Gentoo": (47.5, 5076)}
    rows = []
    for index in range(count):
        species = chance.choices(list(means), [152, 68, 124])[0]
        length, mass = means[species]
        rows.append(
            {
                "rowid": index + 1,
                "species": species,
                "island": chance.choice(["Biscoe", "Dream", "Torgersen"]),
                "bill_length_mm": "NA" if index % 50 == 3 else round(chance.gauss(length, 3), 1),
                "body_mass_g": "NA" if index % 50 == 3 else round(chance.gauss(mass, 400)),
                "sex": "NA" if index % 40 == 7 else chance.choice(["male", "female"]),
                "year": chance.choice([2007, 2008, 2009]),
            }
        )
    return rows


def write(path, rows):
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0])
        writer.writerows(row.values() for row in rows)
    return path


def make(tmp_path, rows, label="y", name="table.csv"):
    """Scaffold the rows and return the checked problem, its columns and the notes."""
    made = scaffold(write(tmp_path / name, rows), label, None, tmp_path)
    loaded = load_problem(made.problem)
    found = read_columns(loaded, whole=False)
    check(loaded, found)
    resolve(loaded.problem, found)
    return loaded, found, made


def table(label, count=60, **more):
    """Return rows with the label, a number `x` and more columns; each is a function of the row's index."""
    chance = random.Random(1)
    return [
        {"y": label(index), "x": round(chance.random(), 6)} | {name: value(index) for name, value in more.items()}
        for index in range(count)
    ]


def kinds(loaded):
    return {name: params.kind for name, params in loaded.problem.features.items()}


def refusal(tmp_path, rows, label="y", name="table.csv"):
    with pytest.raises(InputError) as raised:
        scaffold(write(tmp_path / name, rows), label, None, tmp_path)
    assert not (tmp_path / "problems").exists()
    assert not (tmp_path / "schemas").exists()
    return str(raised.value)


def test_penguins(tmp_path):
    loaded, found, made = make(tmp_path, penguins(), "species", "penguins.csv")
    problem = loaded.problem
    assert made.problem == tmp_path / "problems" / "penguins.yaml"
    assert made.schema == tmp_path / "schemas" / "penguins.pbtxt"
    assert (problem.name, problem.source.kind, problem.source.files) == ("penguins", "csv", "penguins.csv")
    assert problem.target.kind == "multiclass"
    assert kinds(loaded) == {
        "island": "categorical",
        "bill_length_mm": "numeric",
        "body_mass_g": "numeric",
        "sex": "categorical",
        "year": "numeric",
    }
    assert problem.model.family == "wide_deep"
    assert (problem.training.batch_size, problem.training.early_stopping.patience) == (16, 10)
    assert problem.evaluation.slices == (("island",), ("sex",))
    assert found["species"].values == ("Adelie", "Chinstrap", "Gentoo")
    schema = {feature.name: feature for feature in read_schema(made.schema).feature}
    assert list(schema) == list(penguins(1)[0])
    assert schema["island"].presence.min_fraction == 1
    assert schema["sex"].presence.min_fraction == 0
    assert "left out rowid: a whole number of its own for each row: an id" in made.notes
    assert made.notes[0] == "344 rows; label species: multiclass; 5 features (2 categorical, 3 numeric)"


def test_numbers_alone_make_a_regression_with_a_plain_network(tmp_path):
    chance = random.Random(0)
    loaded, found, _ = make(tmp_path, table(lambda _: round(chance.gauss(20, 9), 2), 500, z=lambda _: chance.random()))
    assert loaded.problem.target.kind == "regression"
    assert loaded.problem.model.family == "mlp"
    assert found["y"].raw_type == "float"


@pytest.mark.parametrize(
    ("values", "kind", "positive", "raw_type"),
    [
        ([0, 1, 0], "binary", None, "int"),
        (["true", "false", "false"], "binary", None, "int"),
        ([0.0, 1.0, "NA"], "binary", None, "int"),
        (["good", "bad", "good"], "binary", "bad", "bytes"),
        (["Yes", "unsure", "Yes"], "binary", "Yes", "bytes"),
        ([1, 2, 1], "binary", "2", "bytes"),
        ([1, 2, 3], "multiclass", None, "int"),
        ([1.0, 2.0, 3.0, "NA"], "multiclass", None, "int"),
        ([10, 500, 2000], "regression", None, "int"),
        ([1.5, 2.5], "regression", None, "float"),
        (["a", "b", "c", "d"], "multiclass", None, "bytes"),
    ],
)
def test_the_label_decides_the_target(tmp_path, values, kind, positive, raw_type):
    loaded, found, _ = make(tmp_path, table(lambda index: values[index % len(values)], 90))
    assert loaded.problem.target.kind == kind
    assert getattr(loaded.problem.target, "positive", None) == positive
    assert found["y"].raw_type == raw_type


def test_kinds_of_features(tmp_path):
    start = datetime.date(2024, 1, 1)
    rows = table(
        lambda index: index % 7 % 2,
        400,
        day=lambda index: start + datetime.timedelta(days=index % 300),
        moment=lambda index: f"2024-05-31T{index % 24:02}:00:00Z",
        flag=lambda index: ["true", "false"][index % 3 == 0],
        city=lambda index: f"city {index % 70}",
        user_id=lambda index: index % 90,
        marked=lambda index: "?" if index % 9 == 0 else index % 50 / 7,
    )
    loaded, found, made = make(tmp_path, rows)
    assert kinds(loaded) == {
        "x": "numeric",
        "day": "datetime",
        "moment": "datetime",
        "flag": "numeric",
        "city": "categorical",
        "user_id": "categorical",
        "marked": "numeric",
    }
    features = loaded.problem.features
    assert features["day"].parts == ("weekday", "year")
    assert features["city"].min_count == 3
    assert loaded.problem.source.null == ("", "NA", "?")
    assert 'read as missing: "?"' in made.notes
    assert found["day"].is_moment
    assert found["user_id"].is_category
    assert found["city"].values == ()
    assert "# split: {by: time, column: day, eval: 0.2, test: 0.1}" in made.problem.read_text("utf-8")


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (lambda index: "same", "the same value in every row, 'same'"),
        (lambda index: "NA", "every row is missing"),
        (lambda index: f"user {index}", "90 different texts in 90 rows: an id"),
        (lambda index: "x" * 100 + str(index % 50), "102 characters on average, no sentence"),
        (lambda index: index + 1, "a whole number of its own for each row: an id"),
        (lambda index: ["no", "maybe"][index % 3 == 0], "tells the label: one value for each of its values"),
        (lambda index: f"v{index % 60}", "60 different values, none in 3 rows or more"),
    ],
)
def test_what_teaches_nothing_is_left_out(tmp_path, column, reason):
    loaded, found, made = make(tmp_path, table(lambda index: index % 3 == 0, 90, other=column))
    assert list(loaded.problem.features) == ["x"]
    assert any(note.startswith(f"left out other: {reason}") for note in made.notes)
    assert f"#   other: {reason}" in made.problem.read_text("utf-8")
    assert "other" in found


def test_a_number_in_step_with_the_label_is_left_out(tmp_path):
    rows = table(lambda index: index * 37 % 101 + 0.5, 90, cents=lambda index: (index * 37 % 101 + 0.5) * 100)
    loaded, _, _ = make(tmp_path, rows)
    assert list(loaded.problem.features) == ["x"]


def test_many_columns(tmp_path):
    chance = random.Random(0)
    more = {f"f{number}": lambda _: chance.random() for number in range(200)}
    loaded, _, _ = make(tmp_path, table(lambda index: index % 2, 344, **more))
    assert len(loaded.problem.features) == 201


ODD_NAMES = (
    "a b", "a.b", "größe (m²)", "it's", 'say "hi"', "#1", "null", "no", "~", "1.5", "a: b", "{x}", "[x]", "- x", "x,y",
    "&x", "*x", "!x", "%x", "@x", "`x", "back\\slash", "emoji 😀", "hard\u00a0space", "=", "?", "very " * 40 + "long",
)  # fmt: skip


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_odd_names_of_columns(tmp_path, suffix):
    chance = random.Random(0)
    more = {name: lambda _: round(chance.random(), 6) for name in ODD_NAMES}
    rows = [{"the: #label": index % 2, **{name: value(index) for name, value in more.items()}} for index in range(60)]
    file = write(tmp_path / f"odd.csv{'.gz' if suffix == '.csv.gz' else ''}", rows)
    if suffix == ".parquet":
        duckdb.sql(f"COPY (SELECT * FROM read_csv('{file}', header = true)) TO '{tmp_path / 'odd.parquet'}'")
        file = tmp_path / "odd.parquet"
    loaded = load_problem(scaffold(file, "the: #label", None, tmp_path).problem)
    check(loaded, read_columns(loaded, whole=False))
    assert [name.strip() for name in loaded.problem.features] == [name.strip() for name in ODD_NAMES]


def test_odd_values_of_a_label(tmp_path):
    for index, pair in enumerate([("null", "~"), ("#", 'say "no"'), ("ja: gern", "nein\nnie"), (">50K", "<=50K")]):
        loaded, found, _ = make(tmp_path, table(lambda row, pair=pair: pair[row % 2], 60), name=f"t{index}.csv")
        assert loaded.problem.target.positive in pair
        assert sorted(found["y"].values) == sorted(pair)


def test_file_names_that_look_like_patterns_and_folders_elsewhere(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "data [1]"
    root.mkdir()
    outside.mkdir()
    made = scaffold(write(outside / "my data [2].csv", penguins()), "species", None, root)
    loaded = load_problem(made.problem)
    assert loaded.problem.name == "my_data_2"
    assert read_columns(loaded._replace(problem=loaded.problem.model_copy(update={"schema_file": None})), whole=False)


def test_shares_and_sizes_follow_the_rows(tmp_path):
    duckdb.sql(
        "COPY (SELECT range % 2 AS y, hash(range) % 1000 / 7 AS x FROM range(100000)) "
        f"TO '{tmp_path / 'big.parquet'}' (FORMAT parquet)"
    )
    problem = load_problem(scaffold(tmp_path / "big.parquet", "y", "other", tmp_path).problem).problem
    assert (problem.name, problem.source.kind) == ("other", "parquet")
    assert (problem.training.batch_size, problem.training.epochs) == (512, 10)
    small = make(tmp_path, table(lambda index: index % 2, 40))[0].problem
    assert (small.split.eval, small.split.test) == (0.3, 0)


def test_infer_for_sees_what_the_query_makes(tmp_path):
    write(tmp_path / "penguins.csv", penguins())
    (tmp_path / "heavy.sql").write_text("SELECT CAST(body_mass_g > 4000 AS INTEGER) AS heavy, island, sex FROM data")
    (tmp_path / "heavy.yaml").write_text(
        "name: heavy\n"
        "source: {kind: csv, files: penguins.csv, query: heavy.sql}\n"
        "target: {column: heavy, kind: binary}\n"
    )
    schema = infer_for(load_problem(tmp_path / "heavy.yaml"))
    features = {feature.name: feature for feature in schema.feature}
    assert features["heavy"].HasField("bool_domain")
    assert list(features["heavy"].not_in_environment) == ["SERVING"]
    assert columns(schema)["island"].values == ("Biscoe", "Dream", "Torgersen")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (lambda index: "NA", "label 'y': expected values, received a column in which every row is missing"),
        (lambda index: "a", "label 'y': expected at least two values to tell apart, received 'a' in every row"),
        (
            lambda index: f"user {index}",
            "label 'y': expected at most 50 classes or a number, received 60 different texts",
        ),
        (lambda index: f"c{index % 20}", "label 'y': expected at least 5 rows a class, received 20 classes in 60 rows"),
        (
            lambda index: index % 2 if index < 20 else "NA",
            "expected at least 30 rows with a label, received 20 (of 60 rows)",
        ),
        (lambda index: f"2024-01-{index % 28 + 1:02}", "label 'y': expected classes or a number, received dates"),
    ],
)
def test_labels_that_are_none(tmp_path, label, message):
    assert message in refusal(tmp_path, table(label))


def test_an_unknown_label_names_the_near_ones_and_the_columns(tmp_path):
    message = refusal(tmp_path, penguins(), "spceies")
    assert "no column 'spceies'; did you mean 'species'? the columns are rowid, species, island" in message


def test_no_column_to_learn_from_says_why(tmp_path):
    rows = [{"y": index % 2, "id": index + 1, "same": "x"} for index in range(60)]
    message = refusal(tmp_path, rows)
    assert "expected at least one column to predict 'y' from, received none; 'id': a whole number of its own" in message
    assert "'same': the same value in every row, 'x'" in message


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("a,,A\n" + "1,2,3\n" * 40, ["column 2 has no name", "2 columns are named 'a'"]),
        ("a,b\n1,2\n1,2,3\n", ["1 of 2 rows can't be read", "table.csv:3: too many columns", "Columns: 2 Found: 3"]),
        ("", ["received an empty file"]),
        ("a,b\n", ["every row is missing"]),
    ],
)
def test_broken_files(tmp_path, text, messages):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(InputError) as raised:
        scaffold(tmp_path / "table.csv", "a", None, tmp_path)
    assert [message for message in messages if message not in str(raised.value)] == []


def test_a_few_rows_that_cannot_be_read_are_allowed_for(tmp_path):
    rows = "".join(f"{index % 2},{index}.5\n" for index in range(200))
    (tmp_path / "table.csv").write_text(f"a,b\n{rows}1,2,3\n1,oops\n1,?\n")
    made = scaffold(tmp_path / "table.csv", "a", None, tmp_path)
    source = load_problem(made.problem).problem.source
    assert (source.max_rejected, source.null) == (0.01, ("", "NA", "?"))
    assert "some rows can't be read: `penstock run` leaves them out, up to 1%" in made.notes


def test_refuses_to_overwrite(tmp_path):
    make(tmp_path, penguins(), "species")
    with pytest.raises(InputError) as raised:
        scaffold(tmp_path / "table.csv", "species", None, tmp_path)
    assert [message.split(":")[0] for message in raised.value.messages] == [
        str(tmp_path / "problems" / "table.yaml"),
        str(tmp_path / "schemas" / "table.pbtxt"),
    ]


@pytest.mark.parametrize(
    ("file", "name", "message"),
    [
        ("x.xlsx", None, ".tfrecords.gz, received 'x.xlsx'"),
        (
            "x.csv",
            "a/b",
            "--name: expected letters, digits, '_', '.' and '-' (at most 128) other than 'serving', received 'a/b'",
        ),
        ("x.csv", "", "received ''"),
        ("x.csv", "Serving", "other than 'serving', received 'Serving'"),
        ("£.csv", None, "--name: expected letters"),
        ("missing.csv", None, "missing.csv: no such file"),
    ],
)
def test_files_and_names_that_cannot_be(tmp_path, file, name, message):
    with pytest.raises(InputError) as raised:
        scaffold(tmp_path / file, "y", name, tmp_path)
    assert message in str(raised.value)


def test_does_without_tensorflow(tmp_path):
    write(tmp_path / "penguins.csv", penguins())
    code = (
        "import sys; from pathlib import Path; from pipeline.scaffold import scaffold; "
        "scaffold(Path('penguins.csv'), 'species', None, Path.cwd()); "
        "sys.exit(any(name.split('.')[0] in {'tensorflow', 'tfx', 'keras', 'apache_beam'} for name in sys.modules))"
    )
    paths = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=paths, check=False).returncode == 0


def test_free_text_and_lists_are_features(tmp_path):
    columns = {
        "y": "range % 2",
        "said": "'this one is good in every way that I know of, says number ' || if(range % 3 > 0, range, -1)",
        "steps": "range(range % 5)",
        "point": "[range / 2, 5.5]",
        "tags": "[CAST(range % 7 AS VARCHAR)]",
        "same": "[1, 2]",
        "hash": "repeat('x', 60) || range",
    }
    selected = ", ".join(f"{value} AS {name}" for name, value in columns.items())
    duckdb.sql(f"COPY (SELECT {selected} FROM range(90)) TO '{tmp_path / 'lists.parquet'}' (FORMAT parquet)")
    made = scaffold(tmp_path / "lists.parquet", "y", None, tmp_path)
    loaded = load_problem(made.problem)
    found = read_columns(loaded, whole=False)
    check(loaded, found)
    resolve(loaded.problem, found)
    assert kinds(loaded) == {"said": "text", "steps": "sequence", "point": "vector", "tags": "sequence"}
    assert [loaded.problem.features[name].of for name in ("steps", "tags")] == ["numbers", "ids"]
    assert loaded.problem.features["said"].min_count == 3
    assert loaded.problem.features["point"].length == 2
    assert "lists of 0 to 4 values; the last 32 count" in made.problem.read_text()
    assert "free text, 14 words on average" in made.problem.read_text()
    assert "left out same: the same list in every row" in made.notes
