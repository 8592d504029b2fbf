"""ClassificationRequest, RegressionRequest and MultiInferenceRequest messages: what they want run of a version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from serving.artifact import DEFAULT_SIGNATURE
from serving.errors import InvalidArgumentError, UnimplementedError
from serving.protos import ClassificationResponse, MultiInferenceResponse, RegressionResponse
from serving.server import results
from serving.server.dense import Array
from serving.server.inference import Inference, Outputs
from serving.server.model import Servable
from serving.server.results import Method

_METHODS: dict[str, Method] = {"tensorflow/serving/classify": "classify", "tensorflow/serving/regress": "regress"}
_RESPONSES = {"classify": ClassificationResponse, "regress": RegressionResponse}
_RESULT_FIELDS = {ClassificationResponse: "classification_result", RegressionResponse: "regression_result"}


def prepare(request: Any, servable: Servable, method: Method) -> Inference:
    """What a ClassificationRequest or RegressionRequest wants run; its answer is the response.

    Raises:
        InvalidArgumentError: no such signature, one that does not fit the method, or no examples.
    """
    results.select_signature(servable.signatures, _name_signature(request), method)
    return _create_inference(request, servable, method, _read_examples(request.input))


def prepare_tasks(request: Any, servable: Servable) -> list[Inference]:
    """What each task of a MultiInferenceRequest wants run of the same examples; answers are those of `prepare`.

    Raises:
        InvalidArgumentError: tasks of several models, a signature twice, unknown or unfit, or no examples.
        UnimplementedError: a task that is neither classify nor regress.
    """
    asked: set[str] = set()
    for task in request.tasks:
        _check_model(task.model_spec.name, request.tasks[0].model_spec.name)
        name = _name_signature(task)
        if name in asked:
            raise InvalidArgumentError(f"Duplicate evaluation of signature: {name}")
        asked.add(name)
        _check_signature(task, name, servable)
    examples = _read_examples(request.input)
    return [_create_inference(task, servable, _METHODS[task.method_name], examples) for task in request.tasks]


def join(answers: Sequence[Any]) -> Any:
    """The MultiInferenceResponse of the answers to the tasks."""
    response = MultiInferenceResponse()
    for answer in answers:
        response.results.add(model_spec=answer.model_spec, **{_RESULT_FIELDS[type(answer)]: answer.result})
    return response


def _check_model(name: str, first: str) -> None:
    if not name:
        raise InvalidArgumentError("Found ModelSpec with an empty model name.")
    if name != first:
        raise InvalidArgumentError("All ModelSpecs in a MultiInferenceRequest must access the same model name.")


def _check_signature(task: Any, name: str, servable: Servable) -> None:
    if name not in servable.signatures:
        raise InvalidArgumentError(f"Requested signature not found in model graph: {name}")
    if task.method_name not in _METHODS:
        raise UnimplementedError(f"Unsupported signature method_name: {task.method_name}")
    results.check_signature(servable.signatures[name], _METHODS[task.method_name])


def _name_signature(message: Any) -> str:
    name: str = message.model_spec.signature_name
    return name or DEFAULT_SIGNATURE


def _create_inference(asked: Any, servable: Servable, method: Method, examples: Array) -> Inference:
    """Create it for a message with a `model_spec`: a request of one method, or a task."""
    name = _name_signature(asked)
    signature = servable.signatures[name]

    def write(outputs: Outputs) -> Any:
        response = _RESPONSES[method]()
        response.model_spec.name, response.model_spec.signature_name = asked.model_spec.name, name
        response.model_spec.version.value = servable.version
        results.fill_result(response.result, outputs, method, signature, len(examples))
        return response

    return Inference(servable, name, {results.INPUT: examples}, write, is_queued=True)


def _read_examples(given: Any) -> Array:
    """The serialized examples of an Input, each behind the context: of a feature in both the example's counts."""
    kind = given.WhichOneof("kind")
    examples = getattr(given, kind).examples if kind else ()
    if not examples:
        raise InvalidArgumentError("Input is empty.")
    context = given.example_list_with_context.context.SerializeToString()
    return np.array([context + example.SerializeToString() for example in examples], np.object_)
