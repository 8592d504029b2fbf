"""Statistics of the rows that served models were asked about, from `data_gate.serving`."""

import json

import pytest
from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList

from pipeline.errors import InputError
from pipeline.preflight import prepare
from pipeline.problem import load_problem
from pipeline.serving_data import serving_statistics
from pipeline.workspace import Workspace

pytestmark = pytest.mark.tensorflow
YAML = """\
name: t
source: {kind: csv, files: t.csv}
target: {column: y, kind: binary}
data_gate: {serving: SERVING}
"""


@pytest.fixture
def read(tmp_path):
    (tmp_path / "t.csv").write_text("y,a,b\n" + "".join(f"{i % 2},{i},x{i % 3}\n" for i in range(60)))

    def made(serving):
        (tmp_path / "t.yaml").write_text(YAML.replace("SERVING", serving))
        loaded, workspace = load_problem(tmp_path / "t.yaml"), Workspace(tmp_path / "work", "t")
        return serving_statistics(loaded, prepare(loaded, workspace).columns, workspace)

    return made


def test_rows_of_several_files_are_counted_once(read, tmp_path):
    for part in (1, 2):
        lines = [json.dumps({"a": part, "b": "x0", "asked_at": "2024-05-01"}) for _ in range(5)]
        (tmp_path / f"log{part}.jsonl").write_text("\n".join(lines) + "\n")
    file = read("log*.jsonl")
    (dataset,) = DatasetFeatureStatisticsList.FromString(file.read_bytes()).datasets
    assert dataset.num_examples == 10
    # what the model does not know is not compared
    assert {feature.path.step[0] for feature in dataset.features} == {"a", "b"}
    made = file.stat().st_mtime_ns
    assert (read("log*.jsonl"), file.stat().st_mtime_ns) == (file, made)


@pytest.mark.parametrize(
    ("serving", "says"),
    [
        ("nothing.csv", r"t\.yaml:4: data_gate\.serving: .*nothing\.csv: no such file or directory"),
        ("none-*.csv", r"t\.yaml:4: data_gate\.serving: no file matches the pattern"),
        ("other.csv", r"t\.yaml:4: data_gate\.serving: expected columns of the schema, received c, d"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(read, tmp_path, serving, says):
    (tmp_path / "other.csv").write_text("c,d\n1,2\n")
    with pytest.raises(InputError, match=says):
        read(serving)
