"""What the report says of one column: presence, distribution by split, drift, and what it tells of the label."""

from collections.abc import Iterator
from typing import Literal

from models.settings import Settings
from pipeline.examples.bins import Bins, make_bins
from pipeline.examples.groups import QUANTILES, Groups
from pipeline.examples.information import jensen_shannon
from pipeline.examples.load import Kind
from pipeline.examples.summary import Summary
from pipeline.report.sources import ReportSources
from schemas.anomalies import Anomaly

TOP_VALUES = 12
NEAR = 0.25
"""Share of the bins' range that they grow by, on either side, to hold all values."""


class Part(Settings):
    """A column in one split. Numbers are None where they are not defined; a time's are seconds since 1970 in UTC.

    Attributes:
        rows: of the split.
        missing: rows without a value: null, empty text, infinite or not a number.
        unseen: rows whose value the first split does not have; for text.
        zeros: rows with the number 0.
        mean: of the numbers.
        sd: sample standard deviation (n - 1).
        low: smallest value.
        high: largest value.
        quantiles: at QUANTILES; empty for text and without values.
    """

    rows: int
    missing: int
    unseen: int = 0
    zeros: int = 0
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    quantiles: tuple[float, ...] = ()

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing


class Histogram(Settings):
    """Rows in bins that all splits share.

    Attributes:
        start: lower end of the first bin.
        width: of each bin.
        rows: by series: below the bins, in each, above.
    """

    start: float
    width: float
    rows: tuple[tuple[int, ...], ...]

    @property
    def bins(self) -> Bins:
        """The bins without the tails."""
        return Bins(self.start, self.width, len(self.rows[0]) - 2)


class TopValue(Settings):
    """A frequent value, and its rows by series."""

    value: str | float
    rows: tuple[int, ...]


class Drift(Settings):
    """How far a series is from the first split.

    Attributes:
        series: which one, by number.
        distance: Jensen-Shannon divergence in bits of numbers and times, L-infinity distance of texts; 0 to 1.
        value: the text whose share differs most; its shares in the first split, and in this series.
    """

    series: int
    distance: float
    value: str | None = None
    first: float | None = None
    second: float | None = None


class ColumnFacts(Settings):
    """What the report says of a column.

    Attributes:
        name: of the column.
        kind: number, time (ISO 8601 text) or text.
        whole: whether its numbers are whole.
        role: `unused` by the model, or one of its features.
        distinct: different values.
        parts: by series.
        histogram: of numbers and times.
        top: the most frequent values, of this run's splits.
        drifts: of each series but the first.
        correlation: Pearson's, of a number with the label as a number, in the first split.
        information_bits: mutual information with the label in the first split.
        information_share: of the label's entropy.
        anomalies: where it is not what the schema says.
    """

    name: str
    kind: Kind
    whole: bool
    role: Literal["feature", "label", "unused"]
    distinct: int
    parts: tuple[Part, ...]
    histogram: Histogram | None
    top: tuple[TopValue, ...]
    drifts: tuple[Drift, ...]
    correlation: float | None
    information_bits: float | None
    information_share: float | None
    anomalies: tuple[Anomaly, ...]


def read_column(groups: Groups, summary: Summary, sources: ReportSources) -> ColumnFacts:
    """Return the facts of a column that `groups` has counted."""
    field = groups.field
    histogram = _read_histogram(groups, summary) if field.kind != "text" else None
    information, top = groups.information(), groups.top(TOP_VALUES)
    is_label = field.name == sources.label.column
    return ColumnFacts(
        name=field.name,
        kind=field.kind,
        whole=field.whole,
        role="label" if is_label else "feature" if field.name in sources.features or not sources.features else "unused",
        distinct=top[0].distinct if top else 0,
        parts=_read_parts(groups, summary),
        histogram=histogram,
        top=tuple(TopValue(value=found.value, rows=found.rows) for found in top),
        drifts=tuple(_drifts(groups, histogram)),
        correlation=None if is_label else summary.of(field)[0].correlation,
        information_bits=None if is_label or information is None else information.bits,
        information_share=None if is_label or information is None else information.share,
        anomalies=tuple(found for found in sources.anomalies or () if found.feature == field.name),
    )


def _read_parts(groups: Groups, summary: Summary) -> tuple[Part, ...]:
    is_text = groups.field.kind == "text"
    quantiles = {} if is_text else groups.quantiles
    unseen = groups.unseen() if is_text else [0] * groups.series
    return tuple(
        Part(
            rows=rows,
            missing=rows - found.present,
            unseen=unseen[series],
            zeros=found.zeros,
            mean=found.mean,
            sd=found.sd,
            low=found.low,
            high=found.high,
            quantiles=tuple(quantiles[series].at(share) for share in QUANTILES) if series in quantiles else (),
        )
        for series, (rows, found) in enumerate(zip(summary.rows, summary.of(groups.field), strict=True))
    )


def _read_histogram(groups: Groups, summary: Summary) -> Histogram | None:
    """Return bins from the least 1 % quantile of this run's splits to the largest 99 % one, and the tails."""
    field, compared = groups.field, groups.compared
    found = [part for part in summary.of(field)[:compared] if part.low is not None and part.high is not None]
    if not found:
        return None
    least, most = min(part.low or 0.0 for part in found), max(part.high or 0.0 for part in found)
    quantiles = [values for series, values in groups.quantiles.items() if series < compared]
    low, high = min(values.at(0.01) for values in quantiles), max(values.at(0.99) for values in quantiles)
    near = NEAR * (high - low)
    if low == high:
        low, high = least, most
    low, high = least if least >= low - near else low, most if most <= high + near else high
    bins = make_bins(low, high, whole=field.whole, seconds=field.kind == "time")
    rows = groups.histogram(bins)
    return Histogram(start=bins.start, width=bins.width, rows=tuple(tuple(each) for each in rows))


def _drifts(groups: Groups, histogram: Histogram | None) -> Iterator[Drift]:
    for series in range(1, groups.series):
        if histogram is not None:
            distance = jensen_shannon(histogram.rows[0], histogram.rows[series])
            if distance is not None:
                yield Drift(series=series, distance=distance)
        elif groups.field.kind == "text":
            found = groups.farthest(0, series)
            if found is not None:
                yield Drift(
                    series=series,
                    distance=found.distance,
                    value=found.value,
                    first=found.first,
                    second=found.second,
                )
