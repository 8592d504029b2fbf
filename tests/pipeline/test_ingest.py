"""Staged rows to examples, without TensorFlow."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.discovery import discover
from pipeline import ingest
from pipeline.errors import InputError
from pipeline.ingest import Request, count_written, plan_parts, write_examples, write_part
from pipeline.reader import Reading
from pipeline.stage import stage

ROWS = [
    f"{index % 3 if index % 10 else ''},{index}.5,s{index % 7},2024-01-{index % 28 + 1:02d}" for index in range(400)
]
CSV = "label,price,shop,day\n" + "\n".join(ROWS) + "\n"
BY_TIME = {"by": "time", "column": "day", "eval": 0.2, "test": 0.1}


def request(folder: Path, text: str = CSV, **changes: Any) -> Request:
    (folder / "data.csv").write_text(text)
    source = discover("pipeline.sources")["csv"].Params(files="data.csv")
    staged = stage(Reading(source, folder, {}, {}), folder / "stages")
    given = {
        "stages": [staged.digest],
        "folder": folder / "stages",
        "split": {"by": "hash", "eval": 0.2, "test": 0.2},
        "label": "label",
    }
    return Request.model_validate(given | changes)


def read(folder: Path, split: str) -> pa.Table:
    return pq.read_table(folder / f"Split-{split}")


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
    text = "label,x,t,id\n" + "".join(f"1,NA,a,{i}\n0,2,,{i}\n" for i in range(50))
    write_examples(request(tmp_path, text, split={"by": "hash", "eval": 0.3, "test": 0.3}), tmp_path / "out")
    rows = [row for split in ("train", "eval", "test") for row in read(tmp_path / "out", split).to_pylist()]
    assert {(str(row["x"]), str(row["t"])) for row in rows} == {("None", "[b'a']"), ("[2]", "None")}


def test_time_split_keeps_moments_together(tmp_path):
    counts = write_examples(request(tmp_path, split=BY_TIME), tmp_path / "out")
    days = {split: [day[0] for day in read(tmp_path / "out", split)["day"].to_pylist()] for split in counts.rows}
    assert max(days["train"]) < min(days["eval"])
    assert max(days["eval"]) < min(days["test"])


def test_files_do_not_depend_on_the_order_of_rows(tmp_path):
    first = write_examples(request(tmp_path), tmp_path / "out")
    other = "label,price,shop,day\n" + "\n".join(reversed(ROWS)) + "\n"
    again = write_examples(request(tmp_path, other), tmp_path / "again")
    assert first == again
    for split in ("train", "eval", "test"):
        assert read(tmp_path / "out", split).equals(read(tmp_path / "again", split))


@pytest.mark.parametrize("split", [{"by": "hash"}, BY_TIME, {"by": "stratified", "column": "shop"}])
def test_rows_and_their_order_do_not_depend_on_the_number_of_parts(tmp_path, monkeypatch, split):
    whole = write_examples(request(tmp_path, split=split), tmp_path / "one")
    monkeypatch.setattr(ingest, "PART_ROWS", 50)
    parts, planned = plan_parts(request(tmp_path, split=split), tmp_path / "many")
    for part in reversed(parts):
        write_part(part)
    assert len(list((tmp_path / "many" / "Split-train").iterdir())) > 3
    assert count_written(parts, planned) == whole
    for name in whole.rows:
        assert read(tmp_path / "one", name).equals(read(tmp_path / "many", name))


def test_digests_tell_splits_apart(tmp_path):
    counts = write_examples(request(tmp_path), tmp_path / "out")
    other = write_examples(request(tmp_path, CSV.replace("2,5.5,", "2,5.6,")), tmp_path / "other")
    assert len(set(counts.digests.values())) == 3
    assert sum(counts.digests[split] != other.digests[split] for split in counts.digests) in {1, 2}


def test_empty_split_is_named(tmp_path):
    with pytest.raises(InputError, match="split: .* got no row out of"):
        write_examples(
            request(tmp_path, "label,x\n1,2\n0,1\n", split={"by": "hash", "eval": 0.01, "test": 0.01}), tmp_path / "out"
        )


def test_rows_that_equal_a_training_row_but_for_their_day_are_counted(tmp_path):
    lines = [f"{i % 2},{i % 50 if i >= 190 else i},2024-01-{i // 10 + 1:02d}\n" for i in range(280)]
    text = "label,x,day\n" + "".join(lines)
    counts = write_examples(request(tmp_path, text, split=BY_TIME), tmp_path / "a")
    # the first 190 rows train, the others repeat the first 50
    assert (counts.overlap, counts.rows["eval"] + counts.rows["test"]) == (90, 90)


def test_equal_rows_are_never_parted(tmp_path):
    twice = CSV + CSV.partition("\n")[2]
    for split in ({"by": "hash"}, {"by": "group", "column": "price", "eval": 0.3, "test": 0}, BY_TIME):
        counts = write_examples(request(tmp_path, twice, split=split), tmp_path / split["by"])
        assert all(rows % 2 == 0 for rows in counts.rows.values())


def test_lists_are_sequence_features(tmp_path):
    schema = pa.schema([("a", pa.list_(pa.int64())), ("b", pa.list_(pa.string())), ("c", pa.list_(pa.float32()))])
    batch = pa.RecordBatch.from_pylist([{"a": [1, 2], "b": ["x"], "c": []}, {"a": None, "b": [], "c": [1.5]}], schema)
    examples = ingest.to_examples(batch, ingest.example_schema(schema))
    assert examples.schema.types == [
        pa.large_list(pa.int64()), pa.large_list(pa.large_binary()), pa.large_list(pa.float32()),
    ]  # fmt: skip
    assert examples.to_pylist() == [{"a": [1, 2], "b": [b"x"], "c": []}, {"a": None, "b": [], "c": [1.5]}]
