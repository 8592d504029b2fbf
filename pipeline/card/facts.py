"""What the card says, from the problem, the metrics and the lineage."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from models.spec import ModelSpec
from pipeline.evaluation import COUNT, METRICS
from pipeline.metrics import SliceMetrics
from pipeline.problem import Problem
from pipeline.splits import judged
from serving.manifest import Edge, Lineage, Parity

SMALL_SLICE = 100
SHOWN_SLICES = 30
SHOWN_METRICS = 4


class Card(NamedTuple):
    """All that the card is made of.

    Attributes:
        problem: the YAML.
        spec: the model.
        lineage: what it was made of.
        metrics: all rows first, then slices.
        gates: what they found, in words.
        parity: between the ways to ask it, where that was measured.
        threshold: from which probability on a decision was yes; None where nothing is decided.
        edge: the file for devices; None where there is none.
    """

    problem: Problem
    spec: ModelSpec
    lineage: Lineage
    metrics: Sequence[SliceMetrics]
    gates: Sequence[str] = ()
    parity: Parity | None = None
    threshold: float | None = None
    edge: Edge | None = None

    @property
    def split(self) -> str:
        """The split that the metrics are of."""
        return judged(self.problem.split)

    @property
    def features(self) -> str:
        """How many features of which kind."""
        kinds = Counter(params.kind for params in self.spec.inputs.features.values())
        return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())

    @property
    def overall(self) -> dict[str, float]:
        """Metrics over all rows, in the order of importance."""
        values = self.metrics[0].values
        return {name: values[name] for name in METRICS if name in values and name != COUNT}

    @property
    def rows(self) -> int:
        """Evaluated rows."""
        return int(self.metrics[0].values.get(COUNT, 0))

    @property
    def names(self) -> list[str]:
        """The metrics that are shown by slice."""
        return list(self.overall)[:SHOWN_METRICS]

    @property
    def slices(self) -> list[SliceMetrics]:
        """The slices of enough rows, largest first."""
        enough = [each for each in self.metrics[1:] if each.values.get(COUNT, 0) >= SMALL_SLICE]
        return sorted(enough, key=lambda each: -each.values[COUNT])[:SHOWN_SLICES]

    @property
    def limits(self) -> list[str]:
        """What nobody should expect of the model."""
        found = [
            f"Measured on the {self.split} split of the same source alone: other places and later times may differ.",
            *self._weakest(),
        ]
        small = len(self.metrics) - 1 - sum(each.values.get(COUNT, 0) >= SMALL_SLICE for each in self.metrics[1:])
        if small:
            found.append(f"{small} {_plural('slice', small)} of fewer than {SMALL_SLICE} rows: too few to judge.")
        if not self.metrics[1:]:
            found.append("No slices were asked for: groups of rows may fare worse than all rows together.")
        if self.parity is None:
            found.append("Answers over REST were not compared with those in process.")
        return found

    def _weakest(self) -> list[str]:
        """Return the slice where the first metric is worst."""
        name = next(iter(self.overall), None)
        ranked = [each for each in self.slices if name and each.values.get(name, float("nan")) == each.values.get(name)]
        if name is None or not ranked:
            return []
        sign = -1 if METRICS[name].higher_is_better is False else 1
        worst = min(ranked, key=lambda each: sign * each.values[name])
        return [
            f"Weakest for {title(worst)}: {name} {worst.values[name]:.4f} "
            f"({worst.values[COUNT]:,.0f} rows), {self.overall[name]:.4f} over all."
        ]


def title(metrics: SliceMetrics) -> str:
    """Return a slice in words: `carrier VX`."""
    return ", ".join(f"{name} {value}" for name, value in metrics.slice.items())


def number(value: float | None) -> str:
    """Return a metric as it is shown; nothing for one that is not defined."""
    return "" if value is None or value != value else f"{value:.4f}" if abs(value) < 1000 else f"{value:,.1f}"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
