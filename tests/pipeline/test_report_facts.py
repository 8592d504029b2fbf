"""What the report says of small tables, against numpy and values worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import InputError
from pipeline.examples import groups
from pipeline.examples.information import jensen_shannon
from pipeline.examples.load import Label
from pipeline.gate.verdict import Finding, Verdict
from pipeline.report.columns import ColumnFacts
from pipeline.report.facts import Facts, read_facts
from pipeline.report.page import render_report
from pipeline.report.sources import ReportSources
from schemas.anomalies import Anomaly

TYPES = {int: pa.int64(), float: pa.float32(), str: pa.large_binary(), bytes: pa.large_binary()}
ROWS = 1000


def write_split(folder: Path, split: str, columns: dict[str, list[Any]]) -> None:
    arrays = {}
    for name, values in columns.items():
        value_type = TYPES[type(next((value for value in values if value is not None), b""))]
        lists = [None if value is None else [value.encode() if isinstance(value, str) else value] for value in values]
        arrays[name] = pa.array(lists, pa.large_list(value_type))
    target = folder / f"Split-{split}"
    target.mkdir(parents=True)
    pq.write_table(pa.table(arrays), target / "examples-00000-of-00001.parquet")


def sources(folder: Path, **changes: Any) -> ReportSources:
    given = {
        "problem": "p",
        "run_id": "r",
        "examples": folder,
        "splits": ("train", "eval"),
        "label": {"column": "y", "kind": "binary"},
    }
    return ReportSources.model_validate(given | changes)


def column(facts: Facts, name: str) -> ColumnFacts:
    return next(column for column in facts.columns if column.name == name)


@pytest.fixture(scope="module")
def tables() -> dict[str, dict[str, list[Any]]]:
    rng = np.random.default_rng(1)
    made: dict[str, dict[str, list[Any]]] = {}
    for split, shift in (("train", 0.0), ("eval", 1.0)):
        label = rng.integers(2, size=ROWS)
        made[split] = {
            "y": [int(value) for value in label],
            "x": [float(value) for value in (rng.normal(shift, 2, ROWS) + label).astype("float32")],
            "n": [None if index % 10 == 0 else int(value) for index, value in enumerate(rng.integers(0, 7, ROWS))],
            "t": ["é" if value < 0.3 + shift / 10 else "b" for value in rng.random(ROWS)],
            "day": [f"2024-{1 + index % 12:02d}-15T10:00:00Z" for index in range(ROWS)],
        }
    return made


@pytest.fixture(scope="module")
def facts(tables: dict[str, dict[str, list[Any]]], tmp_path_factory: pytest.TempPathFactory) -> Facts:
    folder = tmp_path_factory.mktemp("examples")
    for split, columns in tables.items():
        write_split(folder, split, columns)
    anomaly = Anomaly(feature="t", severity="error", kind="unexpected values", expected="b", found="é")
    other = anomaly.model_copy(update={"feature": "gone"})
    return read_facts(
        sources(folder, time_column="day", slice_columns=("t", "n"), anomalies=(anomaly, other), features=("x", "t"))
    )


def test_kinds_roles_and_rows(facts):
    assert {each.name: (each.kind, each.whole, each.role) for each in facts.columns} == {
        "y": ("number", True, "label"),
        "x": ("number", False, "feature"),
        "n": ("number", True, "unused"),
        "t": ("text", False, "feature"),
        "day": ("time", False, "unused"),
    }
    assert [(series.name, series.rows) for series in facts.series] == [("train", ROWS), ("eval", ROWS)]


def test_moments_and_quantiles_are_numpys(facts, tables):
    for index, split in enumerate(tables):
        for name in ("x", "n"):
            values = np.array([value for value in tables[split][name] if value is not None], float)
            part = column(facts, name).parts[index]
            found = (part.mean, part.sd, part.low, part.high)
            assert found == pytest.approx((values.mean(), values.std(ddof=1), values.min(), values.max()))
            assert part.quantiles == tuple(np.quantile(values, groups.QUANTILES, method="inverted_cdf"))
            assert part.missing == ROWS - len(values)
            assert part.zeros == (values == 0).sum()


def test_histograms_share_bins_and_count_tails(facts, tables):
    histogram = column(facts, "x").histogram
    assert histogram is not None
    bins = histogram.bins
    edges = bins.start + bins.width * np.arange(bins.number + 1)
    for split, rows in zip(tables, histogram.rows, strict=True):
        values = np.array(tables[split]["x"])
        expected = np.histogram(values, [-np.inf, *edges, np.inf])[0]
        assert list(rows) == list(expected)
    assert sum(histogram.rows[0]) == ROWS


def test_drift_of_numbers_is_that_of_the_histograms(facts):
    histogram, (drift,) = column(facts, "x").histogram, column(facts, "x").drifts
    assert histogram is not None
    assert drift.distance == pytest.approx(jensen_shannon(*histogram.rows))
    assert drift.distance > column(facts, "day").drifts[0].distance


def test_drift_of_text_is_the_largest_change_of_a_share(facts, tables):
    shares = [np.mean(np.array(tables[split]["t"]) == "é") for split in tables]
    (drift,) = column(facts, "t").drifts
    assert drift.distance == pytest.approx(abs(shares[0] - shares[1]))
    by_value = {"é": shares, "b": [1 - value for value in shares]}
    assert [drift.first, drift.second] == pytest.approx(by_value[str(drift.value)])


def test_top_values_by_split(facts, tables):
    found = {top.value: top.rows for top in column(facts, "t").top}
    assert found == {value: tuple(tables[split]["t"].count(value) for split in tables) for value in ("é", "b")}
    assert column(facts, "n").distinct == 7


def test_what_a_feature_tells_of_the_label(facts, tables):
    train = tables["train"]
    assert column(facts, "x").correlation == pytest.approx(np.corrcoef(train["x"], train["y"])[0, 1], abs=1e-6)
    shares = {each.name: each.information_share for each in facts.columns}
    assert shares["y"] is None
    assert shares["x"] > 0.02
    assert all(shares[name] < 0.01 for name in ("n", "t", "day"))


def test_the_label_by_time_and_by_slice(facts, tables):
    label = facts.label
    train = tables["train"]
    assert label.by_split[0] == pytest.approx(np.mean(train["y"]))
    assert label.timeline is not None
    assert (label.timeline.unit, sum(sum(moment.rows) for moment in label.timeline.moments)) == ("week", 2 * ROWS)
    by_text, by_number = label.slices
    row = next(row for row in by_text.rows if row.value == "é")
    chosen = [value for value, text in zip(train["y"], train["t"], strict=True) if text == "é"]
    assert row.rows[0] == len(chosen)
    assert row.cells[0] == pytest.approx(np.mean(chosen))
    assert {row.value for row in by_number.rows} == {None, *"0123456"}


def test_anomalies_stand_at_their_column(facts):
    assert [found.kind for found in column(facts, "t").anomalies] == ["unexpected values"]
    assert [found.feature for found in facts.table_anomalies] == ["gone"]


def test_missing_is_null_empty_infinite_or_not_a_number(tmp_path):
    inf, nan = float("inf"), float("nan")
    write_split(
        tmp_path,
        "train",
        {
            "y": [1, 0, 1, 0],
            "x": [1.5, inf, nan, None],
            "t": ["", "a", None, "b"],
            "e": [None] * 4,
            "m": [-(2**63), 1, 2, 3],
        },
    )
    facts = read_facts(sources(tmp_path, splits=("train",)))
    assert {each.name: each.parts[0].missing for each in facts.columns} == {"y": 0, "x": 3, "t": 2, "e": 4, "m": 1}
    assert column(facts, "e").distinct == 0


def test_bytes_that_are_no_text_are_shown(tmp_path):
    write_split(tmp_path, "train", {"y": [1, 0], "b": [b"\xff\x00a", b"ok"]})
    facts = read_facts(sources(tmp_path, splits=("train",)))
    assert {top.value for top in column(facts, "b").top} == {"\\xFF\\x00a", "ok"}


def test_an_earlier_run_is_one_more_series(tmp_path):
    for run, values in (("now", ["a", "a", "b", "b"]), ("before", ["a", "c", "c", "c"])):
        write_split(
            tmp_path / run, "train", {"y": [0, 1, 0, 1], "t": values, **({"new": [1, 2, 3, 4]} if run == "now" else {})}
        )
    facts = read_facts(sources(tmp_path / "now", splits=("train",), previous=tmp_path / "before"))
    assert [series.name for series in facts.series] == ["train", "previous"]
    assert facts.rows == 4
    (drift,) = column(facts, "t").drifts
    assert (drift.distance, drift.value, drift.first, drift.second) == (0.75, "c", 0, 0.75)
    assert column(facts, "t").parts[1].unseen == 3
    assert column(facts, "t").distinct == 2
    assert (column(facts, "new").parts[1].missing, column(facts, "new").drifts) == (4, ())


def test_labels_of_other_kinds(tmp_path):
    for split in ("train", "eval"):
        columns = {"y": ["u", "v", "v", None] * 50, "z": [1.0, 2.0, 4.0, None] * 50, "x": [0, 1, 1, 5] * 50}
        write_split(tmp_path, split, columns)
    label = Label(column="y", kind="multiclass")
    facts = read_facts(sources(tmp_path, label=label, slice_columns=("x",), time_column="x"))
    assert facts.label.measures == facts.label.cells == ("v", "u")
    assert {row.value: row.cells for row in facts.label.slices[0].rows} == {"1": (1, 0), "0": (0, 1), "5": (None, None)}
    assert column(facts, "x").information_share == 1
    assert facts.label.timeline is not None
    assert facts.label.timeline.unit == ""
    facts = read_facts(sources(tmp_path, label=Label(column="z", kind="regression"), slice_columns=("x",)))
    assert facts.label.by_split == pytest.approx((7 / 3, 7 / 3))
    # the label's entropy is log2 3; where x is 1, two thirds of the rows, one bit of it is left
    assert column(facts, "x").information_share == pytest.approx(1 - 2 / 3 / np.log2(3), abs=0.003)
    facts = read_facts(sources(tmp_path, label=Label(column="y", kind="binary", positive="u")))
    assert facts.label.by_split == pytest.approx((1 / 3, 1 / 3))


def test_many_different_numbers_are_counted_by_small_steps(facts, tables, tmp_path, monkeypatch):
    monkeypatch.setattr(groups, "MOST_VALUES", 100)
    monkeypatch.setattr(groups, "MOST_ROWS", 100)
    for split, columns in tables.items():
        write_split(tmp_path, split, columns)
    stepped = read_facts(sources(tmp_path))
    for found, exact in zip(column(stepped, "x").parts, column(facts, "x").parts, strict=True):
        assert found.quantiles == pytest.approx(exact.quantiles, abs=1e-3)
        assert found.mean == exact.mean


def test_counted_quantiles_are_the_selected_ones(facts, tables, tmp_path, monkeypatch):
    monkeypatch.setattr(groups, "MOST_ROWS", 0)
    for split, columns in tables.items():
        write_split(tmp_path, split, columns)
    counted = read_facts(sources(tmp_path))
    for name in ("x", "n", "day"):
        for found, selected in zip(column(counted, name).parts, column(facts, name).parts, strict=True):
            assert found.quantiles == selected.quantiles


def test_the_page_of_50_features_is_less_than_2_megabytes(tmp_path):
    rng, rows = np.random.default_rng(2), 400
    for folder, split in (("now", "train"), ("now", "eval"), ("now", "test"), ("before", "train")):
        columns: dict[str, list[Any]] = {"y": [int(value) for value in rng.integers(2, size=rows)]}
        for index in range(0, 50, 2):
            columns[f"number {index}"] = [float(value) for value in rng.normal(size=rows)]
            columns[f"text {index}"] = [f"{value:<300}" for value in rng.integers(20, size=rows)]
        write_split(tmp_path / folder, split, columns)
    findings = [
        Finding(check=check, level="block", feature=name, message="0.3, at most 0.1 allowed" * 3, accept="penstock" * 9)
        for name in columns
        for check in ("drift", "leakage", "missing")
    ]
    given = {
        "splits": ("train", "eval", "test"),
        "previous": tmp_path / "before",
        "previous_run": "before",
        "verdict": Verdict(schema_source="curated", compared_with="before", findings=findings),
        "slice_columns": tuple(columns)[:5],
    }
    html = render_report(read_facts(sources(tmp_path / "now", **given)))
    assert html.count("<article") == 51
    assert len(html.encode()) < 1_000_000


def test_quarantine_by_reason(tmp_path):
    write_split(tmp_path, "train", {"y": [1, 0]})
    rows = {
        "table": ["data"] * 3,
        "file": ["a.csv", "a.csv", None],
        "line": [2, 9, None],
        "column": ["x", "x", None],
        "value": ["?", "!", None],
        "reason": ["expected a number", "expected a number", "too few values"],
        "row": ["1,?", "2,!" + "0" * 900, "3"],
        "lines": [1, 1, 1],
    }
    pq.write_table(pa.table(rows), tmp_path / "quarantine.parquet")
    refused = read_facts(sources(tmp_path, splits=("train",), quarantine=(tmp_path / "quarantine.parquet",))).refused
    assert refused is not None
    assert refused.total == 3
    assert [(reason.reason, reason.rows) for reason in refused.reasons] == [
        ("expected a number", 2),
        ("too few values", 1),
    ]
    assert [row.place for row in refused.rows] == ["a.csv:2", "a.csv:9", "data"]
    assert len(refused.rows[1].row) == 200
    two = (tmp_path / "quarantine.parquet",) * 2
    assert read_facts(sources(tmp_path, splits=("train",), quarantine=two)).refused.total == 6
    assert read_facts(sources(tmp_path, splits=("train",), quarantine=None)).refused is None


def test_a_column_to_show_the_label_by_may_have_come_later(tmp_path):
    write_split(tmp_path, "train", {"y": [1, 0], "shop": ["a", "b"]})
    facts = read_facts(sources(tmp_path, splits=("train",), time_column="day", slice_columns=("city", "shop")))
    assert facts.label.timeline is None
    assert [table.column for table in facts.label.slices] == ["shop"]


def test_what_is_not_there_is_named(tmp_path):
    write_split(tmp_path, "train", {"y": [1, 0]})
    with pytest.raises(InputError, match=r"Split-eval: expected files examples-\*\.parquet"):
        read_facts(sources(tmp_path))
    with pytest.raises(InputError, match="expected a column 'z' in the examples"):
        read_facts(sources(tmp_path, splits=("train",), label=Label(column="z", kind="binary")))
