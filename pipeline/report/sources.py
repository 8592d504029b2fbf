"""What a report is made of: where the data lies, and what other components found out about it."""

from pathlib import Path

from models.settings import Settings
from pipeline.examples.load import Label
from pipeline.examples.ranking import Ranking
from pipeline.gate.verdict import Verdict
from pipeline.metrics import Folds
from pipeline.report.model import ModelSources
from pipeline.report.origin import Origin
from schemas.anomalies import Anomaly


class Counts(Settings):
    """Rows that were counted on their way into the examples; None: nobody counted.

    Attributes:
        read: rows that the source has.
        rejected: refused while reading.
        without_label: dropped, for there is nothing to learn from them.
        repeated: that equal an earlier row.
        overlapping: outside of the train split, that equal a training row in all but what the split goes by.
    """

    read: int | None = None
    rejected: int | None = None
    without_label: int | None = None
    repeated: int | None = None
    overlapping: int | None = None


class ReportSources(Settings):
    """What to report on.

    Attributes:
        problem: its name.
        run_id: TFX's id of the run.
        examples: folder with `Split-NAME/examples-*.parquet`.
        splits: their names; the others are compared with the first one.
        label: what the model predicts.
        features: the columns that the model reads; empty for all but the label.
        time_column: to show the label by, if the examples have it; ISO 8601 text or a number.
        slice_columns: to show the label by, those that the examples have.
        spans: that were read.
        previous: folder of an earlier run's examples; its first split is compared with this one's.
        previous_run: id of that run, also if its examples are gone; empty without one.
        ranking: what the features tell of the label, if they were selected by it.
        anomalies: where the data is not what the schema says; None if nobody looked.
        verdict: of the data gate; None if it did not run.
        folds: metrics of the run's cross-validation; None without one.
        model: where the model's components left what; None of a run without one.
        origin: where the model comes from, and what the components took; None if nobody knows.
        counts: of rows that did not come this far, or more than once.
        quarantine: Parquet files with the refused rows, as `pipeline.stage` keeps them; None if they are gone.
    """

    problem: str
    run_id: str
    examples: Path
    splits: tuple[str, ...]
    label: Label
    features: tuple[str, ...] = ()
    time_column: str | None = None
    slice_columns: tuple[str, ...] = ()
    spans: tuple[str, ...] = ()
    previous: Path | None = None
    previous_run: str = ""
    ranking: Ranking | None = None
    anomalies: tuple[Anomaly, ...] | None = None
    verdict: Verdict | None = None
    folds: Folds | None = None
    model: ModelSources | None = None
    origin: Origin | None = None
    counts: Counts = Counts()
    quarantine: tuple[Path, ...] | None = ()
