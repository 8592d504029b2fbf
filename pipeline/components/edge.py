"""The file for devices: made of the candidate, asked the rows that the network itself was asked, and judged."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.dataset import dense, sample
from models.edge import ConversionError, convert, load_edge
from models.export import read_classes
from models.reference import Reference
from models.spec import target_kind
from models.targets import LabelFacts
from pipeline.bootstrap import resampled
from pipeline.evaluation import formula_of, metric_settings
from pipeline.infra.inspection import MB, size_mb
from pipeline.infra.parity import TOLERANCE_OF_HALF, largest_difference
from pipeline.infra.trial import Candidate, expected_answers, find_reference
from pipeline.infra.verdict import EDGE_NAME, Verdict
from pipeline.judging import Evaluation
from pipeline.predictions import evaluated_labels, predictor
from pipeline.problem import Edge
from serving.manifest import Edge as EdgeFile

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from models.dataset import Columns

    Predict = Callable[[Columns], Columns]
    Array = np.ndarray[Any, Any]

METRIC_ROWS = 10_000


def add_edge(verdict: Verdict, candidate: Candidate, edge: Edge, folder: Path) -> Verdict:
    """Return the verdict with what the file for devices is, or why there is none; leave the file in `folder`.

    Raises:
        RunError: the Trainer's answers are not there.
    """
    reference = find_reference(candidate.folder)
    try:
        content = convert(candidate.folder, edge.quantize)
        predict = load_edge(content, candidate.spec.inputs)
        difference = _difference(predict, candidate, reference, edge)
    except ConversionError as error:
        return _refused(verdict, f"edge: {error}; drop push.edge, or what needs it")
    found = EdgeFile(
        quantize=edge.quantize,
        size_bytes=len(content),
        served_bytes=round(size_mb(candidate.folder) * MB),
        rows=reference.rows,
        difference=difference,
        **_score({"value": predict, "served_value": predictor(candidate.folder)}, candidate),
    )
    verdict = verdict.model_copy(update={"edge": found})
    limit = _limit(candidate, edge)
    if difference > limit:
        return _refused(
            verdict,
            f"edge: quantized as {edge.quantize} it answers up to {difference:.3g} other than the network that was "
            f"trained ({reference.rows} rows), push.edge.max_difference is {limit:g}",
        )
    (folder / EDGE_NAME).write_bytes(content)
    return verdict


def _refused(verdict: Verdict, why: str) -> Verdict:
    return verdict.model_copy(update={"refusals": (*verdict.refusals, why)})


def _limit(candidate: Candidate, edge: Edge) -> float:
    """Return the largest difference that is let through; a network that computes in 16 bits has its own."""
    least = TOLERANCE_OF_HALF if candidate.spec.training.mixed_precision and edge.max_difference is None else 0.0
    return max(edge.limit, least)


def _difference(predict: "Predict", candidate: Candidate, reference: Reference, edge: Edge) -> float:
    """Return the largest difference from the network's own answers."""
    import numpy as np

    inputs = candidate.spec.inputs
    asked = _read(candidate, reference.rows, inputs.columns)
    answers = {
        name: np.char.decode(each.astype(bytes), "utf-8") if each.dtype == object else each
        for name, each in predict(asked).items()
    }
    relative = target_kind(inputs.target).LABELS == "regression"
    return largest_difference(expected_answers(reference), answers, _limit(candidate, edge), relative=relative)


def _read(candidate: Candidate, rows: int, columns: list[str]) -> "Columns":
    """Return dense raw columns of held-out rows, at even distances."""
    inputs = candidate.spec.inputs
    return dense(sample(candidate.files, columns, rows), {name: inputs.types[name] for name in columns}, inputs.lengths)


def _score(predictors: "dict[str, Predict]", candidate: Candidate) -> dict[str, Any]:
    """Return the target's first metric of each, on the same held-out rows."""
    import numpy as np

    inputs = candidate.spec.inputs
    target, label = target_kind(inputs.target), inputs.target.column
    columns = _read(candidate, METRIC_ROWS, [*inputs.columns, label])
    facts = LabelFacts(read_classes(candidate.folder))
    labels, metric = evaluated_labels(columns[label], inputs.target, facts), target.METRICS[0]
    formula = formula_of(metric, metric_settings(inputs.target, Evaluation(), 0.5))

    def value(predict: "Predict") -> float | None:
        predictions: Array = target.predicted(predict({name: columns[name] for name in inputs.columns}), facts)
        weights = np.ones((1, len(labels)), "uint8")
        found = resampled({metric: formula}, labels, predictions.reshape(len(labels), -1), weights)[metric][0]
        return float(found) if np.isfinite(found) else None

    return {"metric": metric, "metric_rows": len(labels), **{name: value(each) for name, each in predictors.items()}}
