"""Requests that a version answers before it is given real ones: TensorFlow makes kernels and plans at the first.

https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.artifact import DEFAULT_SIGNATURE
from serving.server.aside import run_aside
from serving.server.dense import Array
from serving.server.grpc_request import read_feeds, select_signature
from serving.server.model import Servable
from serving.tfrecord import read_records

if TYPE_CHECKING:
    from serving.server.inference import Inference

_logger = logging.getLogger(__name__)

FILE = Path("assets.extra", "tf_serving_warmup_requests")
MAX_REQUESTS = 1000


def warm_up(servable: Servable, version: Path) -> None:
    """Ask a version the requests that lie with it, at most 1000; without any, nothing.

    Those of a session run are passed over. What goes wrong is logged and ends the warm-up, but not the version:
    TensorFlow Serving would refuse it, yet a slow first answer is the lesser harm. Pusher holds the requests against
    the signatures when it writes them.
    """
    file = version / FILE
    if not file.is_file():
        return
    try:
        for record in islice(read_records(file), MAX_REQUESTS):
            _ask(servable, record)
    except Exception:
        _logger.warning("the warm-up of %s failed", version, exc_info=True)


def _ask(servable: Servable, record: bytes) -> None:
    from serving.protos import PredictionLog

    for name, feeds in _read_runs(servable, PredictionLog.FromString(record)):
        run_aside(partial(servable.run, name, feeds))


def _read_runs(servable: Servable, log: Any) -> Iterator[tuple[str, Mapping[str, Array]]]:
    """The signatures that a log's request runs, with what it feeds them."""
    from serving.server import grpc_examples

    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        request = log.predict_log.request
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        yield name, read_feeds(request.inputs, select_signature(servable.signatures, name).inputs)
        return
    inferences: list[Inference] = []
    if kind == "classify_log":
        inferences = [grpc_examples.prepare(log.classify_log.request, servable, "classify")]
    elif kind == "regress_log":
        inferences = [grpc_examples.prepare(log.regress_log.request, servable, "regress")]
    elif kind == "multi_inference_log":
        inferences = grpc_examples.prepare_tasks(log.multi_inference_log.request, servable)
    yield from ((each.signature_name, each.feeds) for each in inferences)
