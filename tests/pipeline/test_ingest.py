"""Source to examples, without TensorFlow."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import InputError
from pipeline.ingest import Request, write_examples

ROWS = [
    f"{index % 3 if index % 10 else ''},{index}.5,s{index % 7},2024-01-{index % 28 + 1:02d}" for index in range(400)
]
CSV = "label,price,shop,day\n" + "\n".join(ROWS) + "\n"


def request(folder: Path, **changes: object) -> Request:
    if not (folder / "data.csv").exists():
        (folder / "data.csv").write_text(CSV)
    given = {
        "source": {"kind": "csv", "files": "data.csv"},
        "root": folder,
        "split": {"by": "hash", "eval": 0.2, "test": 0.2},
        "label": "label",
        "types": {},
        "digest": "x",
    }
    return Request.model_validate(given | changes)


def read(folder: Path, split: str) -> pa.Table:
    return pq.read_table(folder / f"Split-{split}" / "examples.parquet")


def test_payload_is_what_tfx_bsl_reads(tmp_path):
    counts = write_examples(request(tmp_path), tmp_path / "out")
    table = read(tmp_path / "out", "train")
    assert table.schema.types == [
        pa.large_list(pa.int64()),
        pa.large_list(pa.float32()),
        pa.large_list(pa.large_binary()),
        pa.large_list(pa.large_binary()),
    ]
    assert counts.dropped == 40
    assert sum(counts.rows.values()) == 360
    assert counts.rows["train"] == table.num_rows
    assert all(len(day[0]) == 10 for day in table["day"].to_pylist())


def test_missing_values_are_null_lists(tmp_path):
    (tmp_path / "data.csv").write_text("label,x,t,id\n" + "".join(f"1,NA,a,{i}\n0,2,,{i}\n" for i in range(50)))
    write_examples(request(tmp_path, split={"by": "hash", "eval": 0.3, "test": 0.3}), tmp_path / "out")
    rows = [row for split in ("train", "eval", "test") for row in read(tmp_path / "out", split).to_pylist()]
    assert {(str(row["x"]), str(row["t"])) for row in rows} == {("None", "[b'a']"), ("[2]", "None")}


def test_time_split_keeps_moments_together_and_in_order(tmp_path):
    counts = write_examples(
        request(tmp_path, split={"by": "time", "column": "day", "eval": 0.2, "test": 0.1}), tmp_path / "out"
    )
    days = {split: [day[0] for day in read(tmp_path / "out", split)["day"].to_pylist()] for split in counts.rows}
    assert max(days["train"]) < min(days["eval"])
    assert max(days["eval"]) < min(days["test"])
    assert all(found == sorted(found) for found in days.values())


def test_files_do_not_depend_on_the_order_of_rows(tmp_path):
    write_examples(request(tmp_path), tmp_path / "out")
    (tmp_path / "data.csv").write_text("label,price,shop,day\n" + "\n".join(reversed(ROWS)) + "\n")
    write_examples(request(tmp_path), tmp_path / "again")
    assert read(tmp_path / "out", "train").equals(read(tmp_path / "again", "train"))


def test_schema_decides_the_type(tmp_path):
    write_examples(request(tmp_path, types={"label": "float", "price": "bytes"}), tmp_path / "out")
    table = read(tmp_path / "out", "train")
    assert table.schema.field("label").type == pa.large_list(pa.float32())
    assert table["price"][0].as_py()[0].endswith(b".5")


def test_text_in_a_number_column_is_named(tmp_path):
    (tmp_path / "data.csv").write_text(CSV.replace(",7.5,", ",abc,"))
    with pytest.raises(InputError, match=r"column 'price': the schema expects float, received 'abc' \(1 such rows"):
        write_examples(request(tmp_path, types={"price": "float"}), tmp_path / "out")


def test_empty_split_is_named(tmp_path):
    (tmp_path / "data.csv").write_text("label,x\n1,2\n0,1\n")
    with pytest.raises(InputError, match="split: .* got no row out of"):
        write_examples(request(tmp_path, split={"by": "hash", "eval": 0.01, "test": 0.01}), tmp_path / "out")


def test_parquet_source_gives_the_same_examples(tmp_path):
    import duckdb

    write_examples(request(tmp_path), tmp_path / "out")
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT * FROM '{tmp_path}/data.csv') TO '{tmp_path}/data.parquet'")
    write_examples(request(tmp_path, source={"kind": "parquet", "files": "data.parquet"}), tmp_path / "again")
    assert read(tmp_path / "out", "eval").equals(read(tmp_path / "again", "eval"))


def test_ragged_row_is_named_with_its_line(tmp_path):
    (tmp_path / "data.csv").write_text(CSV + "1,2.5,a,2024-01-01,more\n" + CSV.partition("\n")[2])
    with pytest.raises(InputError, match=r"(?i)data.csv.*line: 402|line: 402.*data.csv"):
        write_examples(request(tmp_path), tmp_path / "out")


def test_text_that_looks_like_a_boolean_or_a_number_stays_text(tmp_path):
    (tmp_path / "data.csv").write_text("label,sex,zip\n" + "".join(f"{i % 2},F,{i:05d}\n" for i in range(99)))
    write_examples(request(tmp_path, types={"sex": "bytes", "zip": "bytes"}, texts=("sex", "zip")), tmp_path / "out")
    table = read(tmp_path / "out", "train")
    assert set(map(str, table["sex"].to_pylist())) == {"[b'F']"}
    assert all(len(code[0]) == 5 for code in table["zip"].to_pylist())


def test_decimals_in_a_column_of_whole_numbers_are_named(tmp_path):
    with pytest.raises(InputError, match="column 'price': the schema expects whole numbers, received 0.5"):
        write_examples(request(tmp_path, types={"price": "int"}), tmp_path / "out")
