"""Checks of the data gate: one file each; the file's name is the check's in `data_gate.block`, `warn` and `ignore`.

A check that compares with earlier data finds nothing in a first run. What can't be told apart from an odd but sound
table without earlier data is not `certain`: it warns, whatever the policy says.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from pipeline.gate.facts import ColumnFacts, Facts
from schemas.anomalies import Anomaly

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema
    from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList as Statistics


class Found(NamedTuple):
    """What a check found.

    Attributes:
        feature: the column; empty for the table as a whole.
        message: what was found and what was expected, with numbers.
        accept: arguments of `penstock` that accept it, with PROBLEM for the problem's file; empty: `run --accept`.
        certain: False: it only warns.
    """

    feature: str
    message: str
    accept: str = ""
    certain: bool = True


class Seen(NamedTuple):
    """What checks look at.

    Attributes:
        facts: of this run's data.
        before: of the data that it is compared with; None in a first run.
        named: that data in words, `the data of 2013-06` for one.
        schema: the curated one, else the one that SchemaGen inferred.
        is_curated: whether somebody has written or approved the schema.
        statistics: of this run's data, all splits as one.
        earlier: of the data that it is compared with.
        serving: of the data that served models were asked about, None if there is none.
        anomalies: what ExampleValidator found, split by split.
        features: what the model reads.
        label_kind: kind of the target.
        split_by: how the rows are split.
        split_columns: the columns that this goes by.
    """

    facts: Facts
    before: Facts | None
    named: str
    schema: "Schema"
    is_curated: bool
    statistics: "Statistics"
    earlier: "Statistics | None"
    serving: "Statistics | None"
    anomalies: tuple[Anomaly, ...]
    features: tuple[str, ...]
    label_kind: str
    split_by: str
    split_columns: tuple[str, ...]

    @property
    def used(self) -> list[ColumnFacts]:
        """The columns that the model reads."""
        return [self.facts.by_name[name] for name in self.features if name in self.facts.by_name]

    def known(self, name: str) -> ColumnFacts | None:
        """Return the column as it was in the data that this run's is compared with."""
        return self.before.by_name.get(name) if self.before else None


class Check(Protocol):
    """The parts of a check.

    Attributes:
        LEVEL: what its findings do unless the problem says otherwise.
        Limits: its settings, below `data_gate.limits`.
    """

    LEVEL: Literal["block", "warn"]
    Limits: Any

    def find(self, seen: Seen, limits: Any) -> Iterator[Found]:
        """Yield what is wrong."""
