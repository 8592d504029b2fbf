"""What may be compared: any kind of file, raw tables and rows of a query's result, requests; and where rows stand."""

import csv
import json

import duckdb
import pytest

from pipeline.errors import InputError
from pipeline.problem import load_problem
from pipeline.scaffold import scaffold
from pipeline.validate import validate

pytestmark = pytest.mark.tensorflow
CITIES = ["Bern", "Genf", "Zug"]


def rows():
    return [
        {"id": index, "label": ["up", "down"][index % 2], "city": CITIES[index % 7 % 3], "length": 10 + index % 13 / 2}
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


def read_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def with_source(loaded, source):
    return loaded._replace(problem=loaded.problem.model_copy(update={"source": source}))


def changed(index=1, **cells):
    table = rows()
    table[index] |= cells
    return table


def edit(loaded, old, new):
    text = loaded.schema_path.read_text()
    assert old in text
    loaded.schema_path.write_text(text.replace(old, new))


def only(report):
    (anomaly,) = report.anomalies
    return anomaly


def places(anomaly):
    return [(row.file.rpartition("/")[2], row.line) for row in anomaly.rows]


def as_parquet(folder, table):
    write(folder / "new.csv", table)
    duckdb.sql(f"COPY (FROM read_csv('{folder / 'new.csv'}')) TO '{folder / 'new.parquet'}'")
    return folder / "new.parquet"


def as_jsonl(folder, table):
    (folder / "new.jsonl").write_text("\n".join(map(json.dumps, table)))
    return folder / "new.jsonl"


def as_parquet_folder(folder, table):
    (folder / "lake").mkdir()
    return as_parquet(folder, table).rename(folder / "lake" / "part.parquet").parent


def as_delta(folder, table):
    import deltalake
    import pyarrow as pa

    deltalake.write_deltalake(folder / "delta", pa.Table.from_pylist(table))
    return folder / "delta"


def as_tfrecord(folder, table):
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(folder / "new.tfrecord")) as writer:
        for row in table:
            features = {
                "id": tf.train.Feature(int64_list=tf.train.Int64List(value=[row["id"]])),
                "label": tf.train.Feature(bytes_list=tf.train.BytesList(value=[row["label"].encode()])),
                "city": tf.train.Feature(bytes_list=tf.train.BytesList(value=[row["city"].encode()])),
                "length": tf.train.Feature(float_list=tf.train.FloatList(value=[row["length"]])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return folder / "new.tfrecord"


KINDS = {
    as_parquet: [("new.parquet", 3), ("new.parquet", 51)],
    as_parquet_folder: [("part.parquet", 3), ("part.parquet", 51)],
    as_jsonl: [("new.jsonl", 3), ("new.jsonl", 51)],
    as_tfrecord: [("new.tfrecord", 3), ("new.tfrecord", 51)],
    as_delta: [("", None), ("", None)],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", ["csv", "sql"])
def test_data_of_any_kind(loaded, tmp_path, kind, source):
    if source == "sql":
        from pipeline.sources.sql import Params

        loaded = with_source(loaded, Params(url="$NOWHERE", table="sales"))
    table = changed(2, city="Rom")
    table[50]["city"] = "Rom"
    anomaly = only(validate(loaded, kind(tmp_path, table)))
    assert (anomaly.feature, anomaly.kind, anomaly.count) == ("city", "unexpected values", 2)
    assert places(anomaly) == KINDS[kind]
    if kind is as_delta:
        assert [row.row["id"] for row in anomaly.rows] == [2, 50]


def test_requests_are_data_to_serve(loaded, tmp_path):
    import numpy as np
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    with tf.io.TFRecordWriter(str(tmp_path / "requests.tfrecord")) as writer:
        for index in range(0, 90, 2):
            log, part = PredictionLog(), changed(20, city="Rom")[index : index + 2]
            inputs = {
                "id": np.array([row["id"] for row in part], "float64"),
                "city": np.array([row["city"].encode() for row in part]),
                "length": np.array([[row["length"]] for row in part], "float32"),
            }
            for name, array in inputs.items():
                log.predict_log.request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
            writer.write(log.SerializeToString())
    report = validate(loaded, tmp_path / "requests.tfrecord")
    assert (report.rows, report.environment) == (90, "SERVING")
    assert (only(report).feature, places(only(report))) == ("city", [("requests.tfrecord", 11)])


def test_the_environment_may_be_said(loaded, tmp_path):
    table = [{name: value for name, value in row.items() if name != "label"} for row in rows()]
    unlabelled = write(tmp_path / "new.csv", table)
    assert validate(loaded, unlabelled).environment == "SERVING"
    report = validate(loaded, unlabelled, "TRAINING")
    assert (report.environment, only(report).feature, only(report).kind) == ("TRAINING", "label", "missing column")
    anomaly = only(validate(loaded, None, "SERVING"))
    assert (anomaly.feature, anomaly.kind) == ("label", "new column")
    assert anomaly.expected == "no such column: the schema does not have it in this environment"


@pytest.fixture
def joined(loaded, tmp_path):
    """A problem whose query makes the schema's columns of others."""
    (tmp_path / "made.sql").write_text(
        "SELECT id, label, name AS city, half * 2 AS length FROM data LEFT JOIN cities USING (code)"
    )
    write(tmp_path / "cities.csv", [{"code": code, "name": name} for code, name in enumerate(CITIES)])
    raw = [
        {"id": row["id"], "label": row["label"], "code": CITIES.index(row["city"]), "half": row["length"] / 2}
        for row in rows()
    ]
    write(tmp_path / "raw.csv", raw)
    files = {"data": "raw.csv", "cities": "cities.csv"}
    return with_source(loaded, loaded.problem.source.model_copy(update={"files": files, "query": "made.sql"}))


def test_a_raw_table_goes_through_the_query(joined, tmp_path):
    assert validate(joined).anomalies == ()
    raw = [row | {"code": 9} if row["id"] == "5" else row for row in read_rows(tmp_path / "raw.csv")]
    report = validate(joined, write(tmp_path / "new.csv", raw))
    assert (report.way, report.rows) == ("read as table 'data' of the query made.sql", 90)
    anomaly = only(report)
    assert (anomaly.feature, anomaly.kind, anomaly.found) == ("city", "missing values", "none in 1 row")
    (row,) = anomaly.rows
    assert (row.file, row.line, row.row) == ("", None, {"id": 5, "label": "down", "city": None, "length": 12.5})


@pytest.mark.parametrize("without", ["", "label", "length"])
def test_rows_of_the_querys_result_do_without_the_query(joined, tmp_path, without):
    (tmp_path / "cities.csv").unlink()
    table = [{name: value for name, value in row.items() if name != without} for row in changed(3, city="Rom")]
    report = validate(joined, write(tmp_path / "new.csv", table))
    assert report.way == "read as rows of the schema's columns, not as table 'data' of the query made.sql"
    found = {(anomaly.feature, anomaly.kind): places(anomaly) for anomaly in report.anomalies}
    expected = {("city", "unexpected values"): [("new.csv", 5)]}
    assert found == expected | ({("length", "missing column"): []} if without == "length" else {})


def test_the_query_runs_where_it_can(joined, tmp_path):
    raw = [{**row, "city": "?", "length": 0} for row in read_rows(tmp_path / "raw.csv")]
    report = validate(joined, write(tmp_path / "new.csv", raw))
    assert (report.way, report.anomalies) == ("read as table 'data' of the query made.sql", ())


def test_each_kind_of_anomaly_shows_its_rows(loaded, tmp_path):
    edit(loaded, 'name: "length"', 'name: "length"\n  float_domain { max: 15 }')
    table = changed(10, city="", length=99)
    table[20] |= {"city": "Rom", "length": "long"}
    table[30]["label"] = 'per"haps'
    report = validate(loaded, write(tmp_path / "new.csv", table), rows_file=tmp_path / "rows.csv")
    found = {(each.feature, each.kind): (each.found, places(each)) for each in report.anomalies}
    first = [
        ("new.csv", index + 2)
        for index, row in enumerate(table)
        if row["length"] not in {"long"} and row["length"] > 15
    ]
    assert found == {
        ("label", "unexpected values"): ("'per\"haps' in 1 row", [("new.csv", 32)]),
        ("city", "missing values"): ("none in 1 row", [("new.csv", 12)]),
        ("length", "out of range"): (f"'15.5', '16.0', '99.0' in {len(first)} rows", first[:3]),
        ("length", "wrong type"): ("'long' in 1 row", [("new.csv", 22)]),
    }
    assert report.offending_rows == len({*first, ("new.csv", 32), ("new.csv", 12), ("new.csv", 22)})


def test_errors_come_first_then_the_schemas_order(loaded, tmp_path):
    table = [{"extra": 1} | row for row in changed(city="Rom", label="perhaps")]
    (tmp_path / "new.csv").write_text(write(tmp_path / "new.csv", table).read_text() + "1,2\n")
    report = validate(loaded, tmp_path / "new.csv")
    assert [each.feature for each in report.anomalies] == ["", "label", "city", "extra"]
    assert report.names == ("id", "label", "city", "length", "extra")


def test_a_rare_value_of_a_long_domain_is_found(loaded, tmp_path):
    names = [f"city {index:05}" for index in range(3000)]
    listed = "".join(f'    value: "{name}"\n' for name in names)
    start = loaded.schema_path.read_text().index('    value: "Bern"')
    text = loaded.schema_path.read_text()
    loaded.schema_path.write_text(text[:start] + listed + text[start:])
    table = [row | {"city": name} for name in names for row in rows()[:10]]
    table[7777]["city"] = "city 01500x"
    anomaly = only(validate(loaded, write(tmp_path / "new.csv", table)))
    assert (anomaly.found, places(anomaly)) == ("'city 01500x' in 1 row", [("new.csv", 7779)])


def test_a_share_of_unexpected_values_may_be_allowed(loaded, tmp_path):
    edit(loaded, 'name: "city"', 'name: "city"\n  distribution_constraints { min_domain_mass: 0.95 }')
    table = rows()
    for index in range(4):
        table[index]["city"] = "Rom"
    assert validate(loaded, write(tmp_path / "new.csv", table)).anomalies == ()
    table[4]["city"] = "Rom"
    assert only(validate(loaded, write(tmp_path / "new.csv", table))).count == 5


def test_lists(tmp_path):
    table = [
        {"label": ["up", "down"][index % 2], "n": index % 11, "tags": ["a", "b"][: 1 + index % 3 % 2]}
        for index in range(60)
    ]
    (tmp_path / "table.jsonl").write_text("\n".join(map(json.dumps, table)))
    loaded = load_problem(scaffold(tmp_path / "table.jsonl", "label", None, tmp_path).problem)
    edit(loaded, 'name: "tags"', 'name: "tags"\n  string_domain { value: "a" value: "b" }')
    text = loaded.schema_path.read_text()
    start = text.index('name: "tags"')
    counted = text[start:].replace("value_count {\n    min: 0\n", "value_count {\n    min: 1\n    max: 2\n", 1)
    loaded.schema_path.write_text(text[:start] + counted)
    assert validate(loaded).anomalies == ()
    table[7]["tags"] = ["a", "odd"]
    table[9]["tags"] = ["a", "b", "a"]
    (tmp_path / "new.jsonl").write_text("\n".join(map(json.dumps, table)))
    found = {each.kind: each for each in validate(loaded, tmp_path / "new.jsonl").anomalies}
    assert {kind: places(each) for kind, each in found.items()} == {
        "unexpected values": [("new.jsonl", 8)],
        "number of values": [("new.jsonl", 10)],
    }
    assert found["number of values"].expected == "at least 1 values, at most 2"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_offending_rows_are_written_with_reason_and_place(loaded, tmp_path, suffix):
    table = [row | {"file": "own"} for row in changed(4, city="Rom")]
    table[6] |= {"length": "", "city": ""}
    content = write(tmp_path / "new.csv", table).read_text() + "too,few\n"
    (tmp_path / "new.csv").write_text(content)
    out = tmp_path / f"rows{suffix}"
    report = validate(loaded, tmp_path / "new.csv", rows_file=out)
    assert report.offending_rows == 3
    assert [path.name for path in tmp_path.glob("*rows*")] == [out.name]
    read = {".csv": "read_csv", ".jsonl": "read_json", ".parquet": "read_parquet"}[suffix]
    written = duckdb.sql(f"SELECT why, _file, line, text, id, city, length, file FROM {read}('{out}')").fetchall()
    name = str(tmp_path / "new.csv")
    assert written[0] == ("city: unexpected values", name, 6, None, 4, "Rom", 12.0, "own")
    assert written[1] == ("city: missing values; length: missing values", name, 8, None, 6, None, None, "own")
    assert written[2][0] == "missing columns: Expected Number of Columns: 5 Found: 2"
    assert written[2][1:] == (name, 92, "too,few", None, None, None, None)
    assert [each.kind for each in report.anomalies if not each.feature] == ["unreadable rows"]


def test_no_offending_row_no_file(loaded, tmp_path):
    out = tmp_path / "rows.csv"
    assert validate(loaded, rows_file=out).offending_rows == 0
    table = [row | {"extra": 1} for row in rows()]
    assert validate(loaded, write(tmp_path / "new.csv", table), rows_file=out).offending_rows == 0
    assert not out.exists()
    for path, message in ((tmp_path / "rows.txt", "expected a file ending in"), (tmp_path / "no" / "a.csv", "no such")):
        with pytest.raises(InputError, match=message):
            validate(loaded, rows_file=path)
