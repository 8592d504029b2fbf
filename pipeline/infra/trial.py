"""The trial: a candidate in a fresh server process, asked the rows that the network itself was asked."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from models.dataset import sample
from models.export import read_weights
from models.reference import Reference, read_reference
from models.spec import ModelSpec, target_kind
from pipeline.errors import RunError
from pipeline.infra import parity
from pipeline.infra.grpc_client import predict_grpc
from pipeline.infra.inspection import inspect, size_mb
from pipeline.infra.parity import Parity, largest_difference, to_answers
from pipeline.infra.server import Server, UnservableError, load, start_server
from pipeline.infra.verdict import Verdict
from pipeline.memory import peak_memory_bytes_of
from pipeline.problem import Budget
from pipeline.requests import EXAMPLES, plain_rows, predict_request, serialized, to_columns
from serving.artifact import DEFAULT_SIGNATURE
from serving.client import PredictionClient
from serving.errors import ServingError, UnreachableError

if TYPE_CHECKING:
    from pipeline.infra.parity import Answers

NAME = "candidate"
EMBEDDED = "penstock serve"
REQUESTS = 200
WARM_UP = 20
ROUND_S = 2.0
ROUNDS = 3
MILLISECONDS = 1000
WAYS = {"examples": "tf.Examples", "rest": "JSON rows", "grpc": "gRPC"}


class Candidate(NamedTuple):
    """An exported model, and how it must answer.

    Attributes:
        folder: the SavedModel.
        spec: what it must be.
        files: the examples of the split that the Trainer left answers to.
    """

    folder: Path
    spec: ModelSpec
    files: list[Path]


def judge(candidate: Candidate, budget: Budget, binary: str | None = None) -> Verdict:
    """Return the verdict on a candidate: inspected first, then loaded in a server of its own and asked.

    Args:
        candidate: the model.
        budget: what it may take.
        binary: TensorFlow Serving's; None: the embedded server.

    Raises:
        RunError: it could not be tested, which says nothing of the model.
    """
    reference = find_reference(candidate.folder)
    verdict = Verdict(server=binary or EMBEDDED, size_mb=round(size_mb(candidate.folder), 3))
    refusals = inspect(candidate.folder, candidate.spec, reference)
    if budget.size_mb and verdict.size_mb > budget.size_mb:
        refusals.append(f"too large: {verdict.size_mb:.1f} MB, budget.size_mb is {budget.size_mb:g}")
    if refusals:
        return verdict.model_copy(update={"refusals": tuple(refusals)})
    try:
        with _serve(candidate.folder, binary) as (server, client):
            return _ask(verdict, Trial(candidate, reference, client), budget, server)
    except UnservableError as error:
        return verdict.model_copy(update={"refusals": (str(error),)})


def find_reference(folder: Path) -> Reference:
    """Return what the Trainer left beside the model.

    Raises:
        RunError: it is not there.
    """
    try:
        return read_reference(folder)
    except (OSError, ValueError) as error:
        raise RunError(f"{folder}: expected the answers that the Trainer left beside the model: {error}") from error


@contextmanager
def _serve(folder: Path, binary: str | None) -> Iterator[tuple[Server, PredictionClient]]:
    """Yield a server that has loaded the model, and a client of it."""
    with TemporaryDirectory(prefix="penstock-candidate-") as root:
        base = Path(root, NAME)
        base.mkdir()
        with start_server(base, NAME, binary) as server:
            load(server, folder, base, NAME)
            # a transport of its own, or a proxy of the environment would be asked for this machine
            transport = httpx.HTTPTransport()
            with PredictionClient(server.url, NAME, transport=transport) as client, _explained(server):
                yield server, client


@contextmanager
def _explained(server: Server) -> Iterator[None]:
    """Let what the server answers tell of the model, and what it does not answer of the test."""
    try:
        yield
    except UnreachableError as error:
        if server.process.poll() is not None:
            raise UnservableError(f"does not answer: {server.last_words()}") from error
        raise RunError(f"the model could not be tested: {error.message}") from error
    except ServingError as error:
        raise UnservableError(f"does not answer: {error.message}") from error


class Trial(NamedTuple):
    """A model that is loaded.

    Attributes:
        candidate: what it is.
        reference: what the network itself answered.
        client: of the server.
    """

    candidate: Candidate
    reference: Reference
    client: PredictionClient


def _ask(verdict: Verdict, trial: Trial, budget: Budget, server: Server) -> Verdict:
    inputs = trial.candidate.spec.inputs
    examples = sample(trial.candidate.files, inputs.columns, trial.reference.rows)
    rows = plain_rows(examples, inputs.lengths)
    found = {
        "examples": _predict(trial, [{EXAMPLES: each} for each in serialized(examples)], EXAMPLES),
        "rest": _predict(trial, rows, DEFAULT_SIGNATURE),
        "grpc": predict_grpc(server.grpc, predict_request(NAME, DEFAULT_SIGNATURE, to_columns(examples, inputs))),
    }
    unfit = [
        *_nan_weights(trial.candidate.folder),
        *(line for way in found for line in _not_finite(found[way], WAYS[way])),
    ]
    certificate = _certify(trial, found)
    p99_ms = measure_p99_ms(lambda place: trial.client.predict([rows[place % len(rows)]]), budget.p99_ms)
    memory = peak_memory_bytes_of(server.process.pid)
    measured = {"p99_ms": round(p99_ms, 2), "rss_mb": None if memory is None else round(memory / 1e6, 1)}
    refusals = unfit or certificate.refusals()
    return verdict.model_copy(
        update={"parity": certificate, "refusals": (*refusals, *_above(budget, measured)), **measured}
    )


def _predict(trial: Trial, rows: list[dict[str, Any]], signature: str) -> "Answers":
    return to_answers(trial.client.predict(rows, signature), list(trial.reference.answers))


def _nan_weights(folder: Path) -> Iterator[str]:
    """Look at the weights themselves: TensorFlow's fused ReLU makes 0 of NaN, and the answers look sound."""
    import numpy as np

    for name, values in read_weights(folder).items():
        if values.dtype.kind == "f" and np.isnan(values).any():
            yield f"NaN or infinite: NaN in the weights {name}"


def _not_finite(answers: "Answers", way: str) -> Iterator[str]:
    import numpy as np

    for name, values in answers.items():
        if values.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
            rows = len(np.unique(np.nonzero(~finite)[0]))
            yield f"NaN or infinite: {name} in the answers to {rows} of {len(values)} held-out rows, asked by {way}"


def _certify(trial: Trial, found: "dict[str, Answers]") -> Parity:
    spec = trial.candidate.spec
    relative = target_kind(spec.inputs.target).LABELS == "regression"
    tolerance = parity.TOLERANCE_OF_HALF if spec.training.mixed_precision else parity.TOLERANCE
    differences = {
        way: largest_difference(expected_answers(trial.reference), found[way], tolerance, relative=relative)
        if way in found
        else None
        for way in WAYS
    }
    return Parity(rows=trial.reference.rows, tolerance=tolerance, relative=relative, differences=differences)


def expected_answers(reference: Reference) -> "Answers":
    """Return the network's own answers; a null is NaN."""
    import numpy as np

    arrays = {name: np.array(values) for name, values in reference.answers.items()}
    return {name: each if each.dtype.kind == "U" else each.astype("float64") for name, each in arrays.items()}


def measure_p99_ms(request: Callable[[int], object], limit_ms: float | None) -> float:
    """Return the milliseconds in which 99 of 100 calls of `request(place)` are done.

    Above the limit it measures again, up to two times, and the smallest counts: something else may have had the
    processor. A call that usually takes longer has no second chance.
    """
    import numpy as np

    found: list[float] = []
    _time(request, WARM_UP)
    for _ in range(ROUNDS):
        times = _time(request, REQUESTS)
        found.append(float(np.percentile(times, 99)))
        if limit_ms is None or found[-1] <= limit_ms or float(np.median(times)) > limit_ms:
            break
    return min(found)


def _time(request: Callable[[int], object], count: int) -> list[float]:
    """Return the milliseconds of each of `count` calls, or of as many as fit into ROUND_S."""
    times: list[float] = []
    end = time.monotonic() + ROUND_S
    while len(times) < count and (not times or time.monotonic() < end):
        began = time.perf_counter()
        request(len(times))
        times.append((time.perf_counter() - began) * MILLISECONDS)
    return times


def _above(budget: Budget, measured: dict[str, float | None]) -> Iterator[str]:
    p99_ms, rss_mb = measured["p99_ms"], measured["rss_mb"]
    if budget.p99_ms and p99_ms and p99_ms > budget.p99_ms:
        yield f"too slow: 99 of 100 requests of one row take {p99_ms:.1f} ms, budget.p99_ms is {budget.p99_ms:g}"
    if budget.rss_mb and rss_mb is None:
        raise RunError("budget.rss_mb: this system does not tell the memory of a process; expected /proc or ps")
    if budget.rss_mb and rss_mb and rss_mb > budget.rss_mb:
        yield f"too much memory: the server took {rss_mb:.0f} MB, budget.rss_mb is {budget.rss_mb:g}"
