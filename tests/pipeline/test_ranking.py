"""What features tell of the label, by hand; which of them are kept; that the train split alone is asked."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from models.discovery import discover
from models.spec import FeatureParams, ModelSpec
from pipeline.errors import InputError
from pipeline.examples.load import Label
from pipeline.examples.ranking import RankedFeature, Ranking, rank, select
from pipeline.ingest import Request, train_rows, write_examples
from pipeline.problem import FeatureSelection
from pipeline.reader import Reading
from pipeline.report.facts import read_facts
from pipeline.report.sources import ReportSources
from pipeline.resolve import with_features
from pipeline.sql import quote
from pipeline.stage import stage
from pipeline.tables import connect

ROWS = 4000
HOURS = [f"2024-01-{1 + index // 24 % 28:02d}T{index % 24:02d}:00:00Z" for index in range(ROWS)]
LABEL = Label(column="y", kind="binary")


def measure(folder: Path, table: dict[str, list[Any]], features: dict[str, Any], label: Label = LABEL) -> Ranking:
    file = folder / "rows.parquet"
    pq.write_table(pa.table(table), file)
    params = {name: TypeAdapter(FeatureParams).validate_python(settings) for name, settings in features.items()}
    with connect() as connection:
        return rank(connection, f"read_parquet({quote(str(file))})", label, params)


def shares(ranking: Ranking) -> dict[str, float | None]:
    return {each.name: each.share and round(each.share, 2) for each in ranking.features}


def bits(number: int, place: int) -> int:
    return number >> place & 1


def test_a_copy_tells_all_and_a_stranger_nothing(tmp_path):
    table = {
        "y": [bits(row, 0) for row in range(ROWS)],
        "copy": [f"is {bits(row, 0)}" for row in range(ROWS)],
        "other": [float(bits(row, 1)) for row in range(ROWS)],
        "half": [bits(row, 0) if bits(row, 1) else 2 for row in range(ROWS)],
    }
    kinds = {"copy": "categorical", "other": "numeric", "half": "numeric"}
    found = measure(tmp_path, table, {name: {"kind": kind} for name, kind in kinds.items()})
    assert shares(found) == {"copy": 1.0, "half": 0.5, "other": 0.0}
    assert [each.name for each in found.features] == ["copy", "half", "other"]
    assert found.features[0].bits == pytest.approx(1, abs=1e-3)


def test_a_number_that_is_a_name_is_counted_by_value(tmp_path):
    table = {"y": [bits(row % 40, 0) for row in range(ROWS)], "user": [row % 40 for row in range(ROWS)]}
    as_number, as_name = (measure(tmp_path, table, {"user": {"kind": kind}}) for kind in ("numeric", "embedding"))
    assert shares(as_name) == {"user": 1.0}
    assert as_number.features[0].share < 0.5


def test_columns_together_tell_what_none_tells_alone(tmp_path):
    table = {
        "y": [bits(row, 0) ^ bits(row, 1) for row in range(ROWS)],
        "a": [f"a{bits(row, 0)}" for row in range(ROWS)],
        "b": [f"b{bits(row, 1)}" for row in range(ROWS)],
    }
    features = {"a": {"kind": "categorical"}, "a x b": {"kind": "crossed", "columns": ["a", "b"], "hash_buckets": 4}}
    assert shares(measure(tmp_path, table, features)) == {"a x b": 1.0, "a": 0.0}


def test_many_numbers_tell_what_the_best_of_them_does(tmp_path):
    table = {
        "y": [bits(row, 0) for row in range(ROWS)],
        "a": [row % 97 + 0.001 * row for row in range(ROWS)],
        "b": [bits(row, 0) + 0.0001 * row for row in range(ROWS)],
    }
    pca = {"kind": "pca", "columns": ["a", "b"], "components": 1}
    found = measure(tmp_path, table, {"a": {"kind": "numeric"}, "b": {"kind": "numeric"}, "p": pca})
    by_name = {each.name: each.bits for each in found.features}
    assert by_name["p"] == by_name["b"] > by_name["a"]


def test_a_time_tells_what_its_hour_does_if_the_model_sees_it(tmp_path):
    table = {"y": [int(6 <= row % 24 < 18) for row in range(ROWS)], "at": HOURS}
    tells = {
        part: measure(tmp_path, table, {"at": {"kind": "datetime", "parts": [part]}}).features[0].share
        for part in ("hour", "year")
    }
    assert tells["hour"] > 0.7
    assert tells["year"] < 0.05


def test_the_time_between_two_moments_tells_what_neither_does(tmp_path):
    opened = [row * 7919 % ROWS * 3600 for row in range(ROWS)]
    table = {"y": [bits(row, 0) for row in range(ROWS)], "from": opened}
    table["to"] = [start + 3600 * (1 + late) for start, late in zip(opened, table["y"], strict=True)]
    datetime = {"kind": "datetime", "parts": ["year"], "age": True}
    took = {"kind": "elapsed", "columns": ["from", "to"]}
    found = measure(tmp_path, table, {"from": datetime, "to": datetime, "took": took})
    assert shares(found)["took"] == 1.0
    assert max(each.share for each in found.features[1:]) < 0.05


def test_moments_that_are_none_are_counted_as_text(tmp_path):
    texts = [f"day {bits(row, 0)}" for row in range(ROWS)]
    table = {"y": [bits(row, 0) for row in range(ROWS)], "from": texts, "to": HOURS}
    took = {"kind": "elapsed", "columns": ["from", "to"]}
    assert shares(measure(tmp_path, table, {"from": {"kind": "datetime"}, "took": took})) == {"from": 1.0, "took": 1.0}


def test_what_bins_can_not_see_comes_first_and_stays(tmp_path):
    table = {"y": [bits(row, 0) for row in range(ROWS)], "x": list(range(ROWS)), "said": ["so"] * ROWS}
    found = measure(tmp_path, table, {"x": {"kind": "numeric"}, "said": {"kind": "text"}})
    assert [each.name for each in found.features] == ["said", "x"]
    assert select(found, FeatureSelection(min_bits=9)).kept == {"said"}


def test_a_label_of_one_class_measures_nothing(tmp_path):
    with pytest.raises(InputError, match="one class in the train split"):
        measure(tmp_path, {"y": [1, 1], "x": [1, 2]}, {"x": {"kind": "numeric"}})


def ranking(**told: float | None) -> Ranking:
    return Ranking(features=tuple(RankedFeature(name=name, bits=each, share=each) for name, each in told.items()))


@pytest.mark.parametrize(
    ("selection", "kept"),
    [
        ({"keep": 2}, {"a", "b"}),
        ({"keep": 9}, {"a", "b", "c"}),
        ({"min_bits": 0.2}, {"a", "b"}),
        ({"keep": 1, "min_bits": 0.2}, {"a"}),
        ({"keep": 1, "always": ["c"]}, {"a", "c"}),
    ],
)
def test_what_is_kept(selection, kept):
    chosen = select(ranking(a=0.3, b=0.2, c=0.0), FeatureSelection.model_validate(selection))
    assert chosen.kept == kept
    assert chosen.dropped == [name for name in "abc" if name not in kept]


def test_nothing_left_is_an_error():
    with pytest.raises(InputError, match="no feature is left: 'a' tells most of the label, 0.3 bits, expected 0.5"):
        select(ranking(a=0.3, b=0.2), FeatureSelection(min_bits=0.5))


def test_the_models_inputs_are_those_of_the_kept_features():
    spec = ModelSpec.model_validate(
        {
            "inputs": {
                "types": {"a": "float", "b": "bytes", "c": "bytes", "y": "int"},
                "features": {
                    "a": {"kind": "numeric"},
                    "b": {"kind": "categorical"},
                    "b x c": {"kind": "crossed", "columns": ["b", "c"], "hash_buckets": 4},
                },
                "target": {"kind": "binary", "column": "y"},
            },
            "model": {"family": "mlp"},
        }
    )
    inputs = with_features(spec, {"b x c"}).inputs
    assert (inputs.columns, list(inputs.features)) == (["b", "c"], ["b x c"])
    assert inputs.types == {"b": "bytes", "c": "bytes", "y": "int"}


def test_the_rows_are_those_of_the_train_split_and_the_bits_those_of_the_report(tmp_path):
    # x is the label in the first half of the days, its contrary in the second
    rows = [(bits(row, 0), bits(row, 0) ^ (row % 28 >= 14), row % 28 + 1, row % 9) for row in range(ROWS)]
    lines = [f"{y},{x},2024-01-{day:02d},{z}.5" for y, x, day, z in rows]
    (tmp_path / "data.csv").write_text("\n".join(["y,x,day,z", *lines]) + "\n")
    source = discover("pipeline.sources")["csv"].Params(files="data.csv")
    staged = stage(Reading(source, tmp_path, {}, {}), tmp_path / "stages")
    by_time = {"by": "time", "column": "day", "eval": 0.3, "test": 0.2}
    request = Request.model_validate(
        {"stages": [staged.digest], "folder": tmp_path / "stages", "split": by_time, "label": "y"}
    )
    features = dict.fromkeys("xz", discover("models.features")["numeric"].Params())
    with connect() as connection:
        found = rank(connection, train_rows(connection, request, ["x", "z", "y"]), LABEL, features)
    assert shares(found) == {"x": 1.0, "z": 0.0}
    write_examples(request, tmp_path / "out")
    splits = ("train", "eval", "test")
    facts = read_facts(ReportSources(problem="p", run_id="r", examples=tmp_path / "out", splits=splits, label=LABEL))
    told = {column.name: column.information_bits for column in facts.columns}
    assert {each.name: each.bits for each in found.features} == {"x": told["x"], "z": told["z"]}
