"""Statistics of each split: those that TFX's own executor writes."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def examples(tmp_path: Path):
    from tfx.types import artifact_utils, standard_artifacts

    random = np.random.default_rng(0)
    made = standard_artifacts.Examples()
    made.uri = str(tmp_path / "examples")
    made.split_names = artifact_utils.encode_split_names(["train", "eval"])
    made.span = 3
    made.set_string_custom_property("payload_format", "FORMAT_PARQUET")
    made.set_string_custom_property("file_format", "FILE_FORMAT_PARQUET")
    for split, rows in (("train", 500), ("eval", 70)):
        columns = {
            "number": pa.array([[value] for value in random.normal(size=rows)], pa.large_list(pa.float32())),
            "text": pa.array(
                [None if value == 2 else [b"abc"[value : value + 1]] for value in random.integers(0, 3, rows)],
                pa.large_list(pa.large_binary()),
            ),
        }
        folder = tmp_path / "examples" / f"Split-{split}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table(columns), folder / "examples-00000-of-00001.parquet", row_group_size=200)
    return made


def generate(executor, examples, out, arguments):
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types import standard_artifacts

    statistics = standard_artifacts.ExampleStatistics()
    statistics.uri = str(out)
    executor(BaseBeamExecutor.Context(beam_pipeline_args=arguments, unique_id="1")).Do(
        {"examples": [examples]}, {"statistics": [statistics]}, {"exclude_splits": "[]"}
    )
    return statistics


def test_statistics_are_those_of_tfx(examples, tmp_path):
    import tensorflow_data_validation as tfdv
    from tfx.components.statistics_gen import executor

    from pipeline.components.statistics_gen import Executor

    ours = generate(Executor, examples, tmp_path / "ours", ["--runner=FnApiRunner"])
    theirs = generate(executor.Executor, examples, tmp_path / "theirs", ["--runner=FnApiRunner"])
    other = generate(Executor, examples, tmp_path / "other", ["--runner=DirectRunner", "--direct_num_workers=1"])
    assert (ours.split_names, ours.span) == (theirs.split_names, theirs.span) == (other.split_names, 3)
    for split in ("train", "eval"):
        found, expected, beam = (
            tfdv.load_stats_binary(f"{made.uri}/Split-{split}/FeatureStats.pb") for made in (ours, theirs, other)
        )
        assert beam == expected
        schema = tfdv.infer_schema(expected)
        assert tfdv.infer_schema(found) == schema
        assert found.datasets[0].num_examples == expected.datasets[0].num_examples
        for one, two in zip(*(sorted(each.datasets[0].features, key=str) for each in (found, expected)), strict=True):
            assert one.path == two.path
            assert one.string_stats.rank_histogram == two.string_stats.rank_histogram
            assert one.num_stats.common_stats.num_missing == two.num_stats.common_stats.num_missing
            assert one.num_stats.mean == pytest.approx(two.num_stats.mean)
            assert one.num_stats.histograms[:1] == two.num_stats.histograms[:1]
