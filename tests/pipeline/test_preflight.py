"""What `penstock run` finds out before TensorFlow is loaded."""

from datetime import date
from pathlib import Path

import pytest

from pipeline.errors import BlockedError, InputError
from pipeline.preflight import prepare
from pipeline.problem import load_problem
from pipeline.quarantine import export_quarantine, read_quarantine
from pipeline.resolve import read_columns
from pipeline.stage import rows_files
from pipeline.tables import table_files
from pipeline.workspace import Workspace

YAML = """
name: sales
source: {kind: csv, files: "days/{YYYY}-{MM}.csv", spans: {last: 2}}
target: {column: sold, kind: binary}
"""


def rows(month: int, count: int = 100) -> str:
    return "sold,price\n" + "".join(f"{index % 2},{month}{index}.5\n" for index in range(count))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "days").mkdir()
    for month in (5, 6, 7):
        (tmp_path / "days" / f"2013-0{month}.csv").write_text(rows(month))
    return tmp_path


def read(folder: Path, text: str = YAML, latest: str | None = None):
    (folder / "sales.yaml").write_text(text)
    return prepare(load_problem(folder / "sales.yaml"), Workspace(folder / "home", "sales"), latest)


def test_a_rolling_range_ends_at_the_newest_span_or_the_one_asked_for(folder):
    assert read(folder).spans == ("2013-06", "2013-07")
    prepared = read(folder, latest="2013-06")
    assert prepared.spans == ("2013-05", "2013-06")
    assert prepared.span == (date(2013, 6, 1) - date(1970, 1, 1)).days
    assert [each.rows for each in prepared.stages] == [100, 100]


def test_other_commands_look_at_the_newest_span(folder):
    (folder / "sales.yaml").write_text(YAML)
    loaded = load_problem(folder / "sales.yaml")
    assert set(read_columns(loaded, whole=False)) == {"sold", "price"}
    assert table_files(loaded.problem.source, folder) == {"data": [folder / "days" / "2013-07.csv"]}


def test_a_new_span_reads_only_itself(folder):
    before = read(folder)
    workspace = Workspace(folder / "home", "sales")
    (kept,) = rows_files(workspace.stages, before.stages[1].digest)
    seen = kept.stat().st_mtime_ns
    (folder / "days" / "2013-08.csv").write_text(rows(8))
    after = read(folder)
    assert after.spans == ("2013-07", "2013-08")
    assert after.stages[0] == before.stages[1]
    assert kept.stat().st_mtime_ns == seen
    # the span that fell out of the range is not kept
    assert not rows_files(workspace.stages, before.stages[0].digest)


def test_spans_with_other_columns_are_refused(folder):
    (folder / "days" / "2013-07.csv").write_text(rows(7).replace("price", "cost"))
    with pytest.raises(InputError) as caught:
        read(folder)
    assert "column 'price': float in span 2013-06, no such column in span 2013-07" in str(caught.value)


def test_a_span_of_a_source_without_spans(folder):
    with pytest.raises(InputError, match=r"sales.yaml:3: source.files: no {SPAN} or date in it, received --span 7"):
        read(folder, YAML.replace("{YYYY}-{MM}", "2013-07"), "7")


def test_few_refused_rows_are_kept_and_counted(folder):
    (folder / "days" / "2013-07.csv").write_text(rows(7, 2000) + "1,oops\n")
    prepared = read(folder)
    assert [each.rejected for each in prepared.stages] == [{}, {"data": 1}]
    workspace = Workspace(folder / "home", "sales")
    (row,), total = read_quarantine(workspace, 10)
    assert (row["line"], row["column"], row["value"], row["row"], total) == (2002, "price", "oops", "1,oops", 1)
    for name in ("out.parquet", "out.csv", "out.jsonl"):
        assert export_quarantine(workspace, folder / name) == 1
        assert b"oops" in (folder / name).read_bytes()
    with pytest.raises(InputError, match=r"expected a file ending in \.parquet, \.csv, \.jsonl"):
        export_quarantine(workspace, folder / "out.txt")


def test_more_refused_rows_than_allowed_block_and_are_named(folder):
    (folder / "days" / "2013-07.csv").write_text(rows(7) + "1,oops\n1\n")
    with pytest.raises(BlockedError) as caught:
        read(folder)
    lines = str(caught.value).splitlines()
    assert lines[0] == ("blocked: 2 of 202 rows of table 'data' (0.99%) were refused; source.max_rejected allows 0.10%")
    assert "2013-07.csv:102: column 'price': expected a number, received 'oops'" in lines[1]
    assert "2013-07.csv:103" in lines[2]
    assert lines[-1].startswith("all of them: penstock quarantine show ")
    assert read(folder, YAML.replace("spans:", "max_rejected: 2%, spans:")).stages[1].rows == 100


def test_no_refused_rows_leave_no_quarantine(folder):
    (folder / "days" / "2013-07.csv").write_text(rows(7, 2000) + "1,oops\n")
    read(folder)
    (folder / "days" / "2013-07.csv").write_text(rows(7))
    read(folder)
    assert read_quarantine(Workspace(folder / "home", "sales"), 10) == ([], 0)
    with pytest.raises(InputError, match="the last run refused no row"):
        export_quarantine(Workspace(folder / "home", "sales"), folder / "out.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sold,price\n" + "1,2.5\n1,3.5\n", "'sold' has one class only, 1 in all"),
        ("sold,price\n" + "NA,2.5\nNA,3.5\n", "'sold' has no value in any of 2 rows"),
    ],
)
def test_a_label_that_teaches_nothing(folder, text, message):
    (folder / "one.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        read(folder, YAML.replace("days/{YYYY}-{MM}.csv", "one.csv"))
    assert message in str(caught.value)


@pytest.mark.parametrize("split", ["{by: hash}", "{by: time, column: price}"])
def test_too_few_rows_for_the_folds_are_named_before_anything_is_trained(folder, split):
    where = r"sales\.yaml:6: evaluation\.folds: fold \d+ of 300 got no row .*, out of 1\d\d of train and eval"
    with pytest.raises(InputError, match=where):
        read(folder, f"{YAML}split: {split}\nevaluation: {{folds: 300}}\n")
    assert read(folder, f"{YAML}split: {split}\nevaluation: {{folds: 3}}\n").spans
