"""Classify, Regress and MultiInference as messages, beside what REST answers from the same models."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from serving.errors import ServingError
from serving.protos import (
    ClassificationRequest,
    Example,
    Input,
    MultiInferenceRequest,
    RegressionRequest,
)
from serving.server.grpc_examples import join
from serving.server.grpc_service import Service

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


@pytest.fixture
def ask(registry):
    """The answer to a request of a method."""
    return partial(answer, Service(registry))


def answer(service, method, request):
    prepared = getattr(service, f"prepare_{method}")(request)
    written = [
        each.write(each.servable.run(each.signature_name, each.feeds))
        for each in (prepared if isinstance(prepared, list) else [prepared])
    ]
    return join(written) if isinstance(prepared, list) else written[0]


def make_input(rows=2):
    message = Input()
    for _ in range(rows):
        message.example_list.examples.add().features.feature["x"].float_list.value.append(1.5)
    return message


def make(kind, signature, model="judge", given=None):
    request = kind(input=make_input() if given is None else given)
    request.model_spec.name, request.model_spec.signature_name = model, signature
    return request


def make_tasks(*tasks, given=None):
    """Of (model, signature, method)."""
    request = MultiInferenceRequest(input=make_input() if given is None else given)
    for model, signature, method in tasks:
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = model, signature
    return request


def to_rows(result):
    return [[[one.label, np.float32(one.score)] for one in row.classes] for row in result.classifications]


EXPECTED = [[["größe", 0.0], ['a"/b', np.float32(0.1)]], [["größe", 1.0], ['a"/b', np.float32(1.1)]]]


def test_classify(ask):
    response = ask("classify", make(ClassificationRequest, "classify"))
    assert to_rows(response.result) == EXPECTED
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("judge", 2, "classify")


def test_regress(ask):
    response = ask("regress", make(RegressionRequest, "regress"))
    assert [one.value for one in response.result.regressions] == [0, 0.25]
    assert (response.model_spec.version.value, response.model_spec.signature_name) == (2, "regress")


def test_several_tasks_share_the_examples(ask):
    tasks = [("judge", "regress", REGRESS), ("judge", "classify", CLASSIFY), ("judge", "scores", CLASSIFY)]
    first, second, third = ask("multi_inference", make_tasks(*tasks)).results
    assert [one.value for one in first.regression_result.regressions] == [0, 0.25]
    assert to_rows(second.classification_result) == EXPECTED
    assert [[label for label, _ in row] for row in to_rows(third.classification_result)] == [["", ""], ["", ""]]
    assert [one.model_spec.signature_name for one in (first, second, third)] == ["regress", "classify", "scores"]
    assert {(one.model_spec.name, one.model_spec.version.value) for one in (first, second, third)} == {("judge", 2)}


def test_each_example_follows_the_context(registry):
    seen = []

    class Watching:
        version, signatures = 1, registry.list_models()["judge"].latest.signatures

        def run(self, _, feeds):
            seen.extend(Example.FromString(one).features.feature for one in feeds["inputs"])
            return {"outputs": np.zeros(2, np.float32)}

    class OneModel:
        def find(self, *_):
            return Watching()

    given = Input()
    given.example_list_with_context.context.features.feature["a"].int64_list.value.append(1)
    for value in (2, None):
        example = given.example_list_with_context.examples.add()
        if value is not None:
            example.features.feature["a"].int64_list.value.append(value)
    answer(Service(OneModel()), "regress", make(RegressionRequest, "regress", given=given))
    assert [list(features["a"].int64_list.value) for features in seen] == [[2], [1]]


EMPTY = Input()
EMPTY.example_list.SetInParent()
ERRORS = {
    "no model spec": ("classify", ClassificationRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
    "no model": ("regress", make(RegressionRequest, "", ""), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    "unknown model": (
        "classify",
        make(ClassificationRequest, "", "foo"),
        "NOT_FOUND",
        "Servable not found for request: Latest(foo)",
    ),
    "unknown signature": (
        "classify",
        make(ClassificationRequest, "nope"),
        "INVALID_ARGUMENT",
        "No signature was found with the name: nope",
    ),
    "default signature": ("regress", make(RegressionRequest, ""), "INVALID_ARGUMENT", "Expected one input Tensor."),
    "no input": (
        "classify",
        make(ClassificationRequest, "classify", given=Input()),
        "INVALID_ARGUMENT",
        "Input is empty.",
    ),
    "no examples": ("regress", make(RegressionRequest, "regress", given=EMPTY), "INVALID_ARGUMENT", "Input is empty."),
    "outputs that are no classes": (
        "classify",
        make(ClassificationRequest, "scores", "flat"),
        "INVALID_ARGUMENT",
        "Expected Tensor shape: [batch_size num_classes] but got [2]",
    ),
    "no tasks": ("multi_inference", make_tasks(), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    "task without model": (
        "multi_inference",
        make_tasks(("judge", "regress", REGRESS), ("", "classify", CLASSIFY)),
        "INVALID_ARGUMENT",
        "Found ModelSpec with an empty model name.",
    ),
    "two models": (
        "multi_inference",
        make_tasks(("judge", "regress", REGRESS), ("m", "classify", CLASSIFY)),
        "INVALID_ARGUMENT",
        "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
    ),
    "signature twice": (
        "multi_inference",
        make_tasks(("judge", "regress", REGRESS), ("judge", "regress", REGRESS)),
        "INVALID_ARGUMENT",
        "Duplicate evaluation of signature: regress",
    ),
    "task of an unknown signature": (
        "multi_inference",
        make_tasks(("judge", "nope", REGRESS)),
        "INVALID_ARGUMENT",
        "Requested signature not found in model graph: nope",
    ),
    "task of another method": (
        "multi_inference",
        make_tasks(("judge", "", "tensorflow/serving/predict")),
        "UNIMPLEMENTED",
        "Unsupported signature method_name: tensorflow/serving/predict",
    ),
    "task of an unfit signature": (
        "multi_inference",
        make_tasks(("judge", "classify", REGRESS)),
        "INVALID_ARGUMENT",
        "Expected one output Tensor.",
    ),
    "tasks without examples": (
        "multi_inference",
        make_tasks(("judge", "regress", REGRESS), given=EMPTY),
        "INVALID_ARGUMENT",
        "Input is empty.",
    ),
}


@pytest.mark.parametrize(("method", "request_", "code", "message"), ERRORS.values(), ids=ERRORS)
def test_wrong_requests_fail_in_the_originals_words(ask, method, request_, code, message):
    with pytest.raises(ServingError) as caught:
        ask(method, request_)
    assert (caught.value.code.name, caught.value.message) == (code, message)
