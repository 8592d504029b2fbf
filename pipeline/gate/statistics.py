"""A run's data as TFDV's statistics over all splits at once: StatisticsGen has them by split, too few rows for a share.

The counts are those that TFDV's own generators would make (a test compares them), so its validation and its distances
are the same.
"""

from typing import TYPE_CHECKING, Any

from pipeline.examples.load import Field
from pipeline.gate.facts import ColumnFacts
from pipeline.gate.measure import Measured

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList as Statistics

STATISTICS_FILE = "statistics.pb"


def to_statistics(measured: Measured) -> "Statistics":
    """Return the statistics of the columns that hold one value a row."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    facts = measured.facts
    found = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = found.datasets.add(num_examples=facts.total)
    for field, column in zip(measured.fields, facts.columns, strict=True):
        feature = dataset.features.add()
        feature.path.step.append(field.name)
        present = sum(column.present)
        if field.kind == "number":
            feature.type = feature.INT if field.whole else feature.FLOAT
            _fill_number(feature.num_stats, column, measured.histograms.get(field.name))
            common = feature.num_stats.common_stats
        else:
            feature.type = feature.STRING
            _fill_text(feature.string_stats, field, column, measured)
            common = feature.string_stats.common_stats
        common.num_non_missing, common.num_missing = present, facts.total - present
        if present:
            common.min_num_values = common.max_num_values = 1
            common.avg_num_values, common.tot_num_values = 1.0, present
    return found


def _fill_number(stats: Any, column: ColumnFacts, counts: Any) -> None:
    if column.low is None or column.high is None or counts is None:
        return
    stats.min, stats.max = column.low, column.high
    histogram = stats.histograms.add(type=0)
    width = (column.high - column.low) / len(counts)
    for index, rows in enumerate(counts):
        histogram.buckets.add(
            low_value=column.low + index * width, high_value=column.low + (index + 1) * width, sample_count=float(rows)
        )


def _fill_text(stats: Any, field: Field, column: ColumnFacts, measured: Measured) -> None:
    stats.unique = column.distinct
    for rank, (text, rows) in enumerate(measured.tops.get(field.name, [])):
        stats.rank_histogram.buckets.add(low_rank=rank, high_rank=rank, label=text, sample_count=float(rows))
        if rank < 20:
            stats.top_values.add(value=text, frequency=float(rows))
