"""Results of classify and regress: the signatures that give them, and their outputs as JSON and as protobuf.

As TensorFlow Serving has it (servables/tensorflow/classifier.cc and regressor.cc): a signature fits by its inputs and
outputs. Its method name is not looked at, for TensorFlow 2 writes `tensorflow/serving/predict` into every one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

from serving.artifact import Signature
from serving.errors import InvalidArgumentError
from serving.server.answer import write_floats
from serving.server.dense import Array
from serving.server.inference import Outputs
from serving.server.metadata import describe_signature

Method: TypeAlias = Literal["classify", "regress"]

INPUT = "inputs"
"""The one input of a signature for either method: serialized tf.Examples, `[rows]`."""
_LABELS, _SCORES, _NUMBERS = "classes", "scores", "outputs"


def select_signature(signatures: Mapping[str, Signature], name: str, method: Method) -> Signature:
    """The named signature of a model.

    Raises:
        InvalidArgumentError: the model has no such signature, or it does not fit the method.
    """
    if name not in signatures:
        raise InvalidArgumentError(f"No signature was found with the name: {name}")
    check_signature(signatures[name], method)
    return signatures[name]


def check_signature(signature: Signature, method: Method) -> None:
    """Hold a signature to what a method needs: `inputs` to `classes` or `scores` or both, or to `outputs`.

    Raises:
        InvalidArgumentError: it has other inputs or outputs.
    """
    if len(signature.inputs) != 1:
        raise InvalidArgumentError("Expected one input Tensor.")
    (_check_classification if method == "classify" else _check_regression)(signature)


def write_body(outputs: Outputs, method: Method, signature: Signature, rows: int) -> bytes:
    """The JSON body of an answer: `[[label, score], ...]` or a number a row.

    Args:
        outputs: what the signature gave.
        method: of the request.
        signature: what was run.
        rows: how many examples it was given.

    Raises:
        InvalidArgumentError: outputs of another shape or dtype than the method needs.
    """
    if method == "regress":
        results = write_floats(_read_numbers(outputs, signature, rows))
    else:
        labels, scores = _read_classes(outputs, signature, rows)
        texts = [json.dumps(label.decode(errors="surrogateescape"), ensure_ascii=False) for label in labels.flat]
        pairs = [f"[{pair[0]},{pair[1]}]" for pair in zip(texts, write_floats(scores.reshape(-1)), strict=True)]
        size = scores.shape[1]
        results = [f"[{','.join(pairs[row * size : (row + 1) * size])}]" for row in range(rows)]
    return f'{{"results":[{",".join(results)}]}}'.encode(errors="surrogateescape")


def fill_result(result: Any, outputs: Outputs, method: Method, signature: Signature, rows: int) -> None:
    """Write what the outputs say into a ClassificationResult or RegressionResult; the rest is as of `write_body`."""
    if method == "regress":
        for number in _read_numbers(outputs, signature, rows).tolist():
            result.regressions.add(value=number)
        return
    labels, scores = _read_classes(outputs, signature, rows)
    for row in zip(labels.tolist(), scores.tolist(), strict=True):
        classes = result.classifications.add().classes
        for label, score in zip(*row, strict=True):
            classes.add(label=label.decode(errors="replace"), score=score)


def _check_classification(signature: Signature) -> None:
    if len(signature.outputs) not in (1, 2):
        raise InvalidArgumentError(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if INPUT not in signature.inputs:
        raise _misfit("No classification inputs found in SignatureDef", signature)
    if signature.outputs.keys().isdisjoint({_LABELS, _SCORES}):
        expected = f'Expected classification signature outputs to contain at least one of "{_LABELS}" or "{_SCORES}"'
        raise _misfit(f"{expected}. Signature was", signature)


def _check_regression(signature: Signature) -> None:
    if len(signature.outputs) != 1:
        raise InvalidArgumentError("Expected one output Tensor.")
    if INPUT not in signature.inputs:
        raise _misfit("No regression inputs found in SignatureDef", signature)
    if _NUMBERS not in signature.outputs:
        raise _misfit("No regression outputs found in SignatureDef", signature)


def _misfit(message: str, signature: Signature) -> InvalidArgumentError:
    return InvalidArgumentError(f"{message}: {describe_signature(signature)}")


def _read_classes(outputs: Outputs, signature: Signature, rows: int) -> tuple[Array, Array]:
    """Labels and scores, each `[rows, classes]`; what the model does not give is "" or 0."""
    for name, dtype in ((_LABELS, "string"), (_SCORES, "float")):
        if name in signature.outputs:
            _check_classes(outputs[name].shape, name, signature.outputs[name].dtype, dtype, rows)
    shapes = [outputs[name].shape for name in (_LABELS, _SCORES) if name in signature.outputs]
    if shapes[0] != shapes[-1]:
        sizes = " vs. ".join(str(shape[1]) for shape in shapes)
        raise InvalidArgumentError(f"Tensors class and score should match in dim_size(1). Got {sizes}")
    labels = outputs[_LABELS] if _LABELS in signature.outputs else np.full(shapes[0], b"", np.object_)
    scores = outputs[_SCORES] if _SCORES in signature.outputs else np.zeros(shapes[0], np.float32)
    return labels, scores


def _check_classes(shape: tuple[int, ...], name: str, found: str, expected: str, rows: int) -> None:
    if len(shape) != 2:
        raise InvalidArgumentError(f"Expected Tensor shape: [batch_size num_classes] but got {_show(shape)}")
    if found != expected:
        raise InvalidArgumentError(f"Expected {name} Tensor of DT_{expected.upper()}. Got: DT_{found.upper()}")
    if shape[0] != rows:
        raise InvalidArgumentError(f"Expected {name} output batch size of {rows}. Got: {shape[0]}")


def _read_numbers(outputs: Outputs, signature: Signature, rows: int) -> Array:
    """The numbers, `[rows] float32`."""
    numbers, dtype = outputs[_NUMBERS], signature.outputs[_NUMBERS].dtype
    if numbers.ndim != 1 and (numbers.ndim != 2 or numbers.shape[1] != 1):
        expected = "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got"
        raise InvalidArgumentError(f"{expected} {_show(numbers.shape)}")
    if len(numbers) != rows:
        raise InvalidArgumentError(f"Input batch size did not match output batch size: {rows} vs. {len(numbers)}")
    if dtype != "float":
        raise InvalidArgumentError(f"Expected output Tensor of DT_FLOAT.  Got: DT_{dtype.upper()}")
    return numbers.reshape(-1)


def _show(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"
