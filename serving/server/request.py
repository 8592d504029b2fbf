"""Predict requests: a parsed body and a signature give the arrays to feed.

`instances` is the row format (one element a row), `inputs` the columnar one (one tensor an input):
https://www.tensorflow.org/tfx/serving/api_rest#predict_api
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from serving.artifact import DEFAULT_SIGNATURE, Signature, TensorSpec
from serving.errors import InvalidArgumentError
from serving.server import dense
from serving.server.dense import Array, Shape
from serving.server.json_body import JsonObject, describe

Layout: TypeAlias = Literal["row", "columnar"]


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """What to run.

    Attributes:
        layout: the format of the request, which is the format of its answer too.
        feeds: one array for each input of the signature; in the row layout all `[rows, ...]`.
    """

    layout: Layout
    feeds: Mapping[str, Array]


def read_signature_name(document: JsonObject) -> str:
    """The signature that a body asks for; `serving_default` when it names none.

    Raises:
        InvalidArgumentError: the name is not a string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidArgumentError(
            f"JSON Value: {describe(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name or DEFAULT_SIGNATURE


def select_signature(signatures: Mapping[str, Signature], name: str) -> Signature:
    """The named signature of a model.

    Raises:
        InvalidArgumentError: the model has no such signature, or it takes no inputs.
    """
    if name not in signatures:
        raise InvalidArgumentError(f'Serving signature name: "{name}" not found in signature def')
    if not signatures[name].inputs:
        raise InvalidArgumentError(f"Failed to get input map for signature: {name}")
    return signatures[name]


def read_predict_request(document: JsonObject, signature: Signature) -> PredictRequest:
    """The arrays that a predict body holds.

    Raises:
        InvalidArgumentError: neither or both of `instances` and `inputs`, or values that do not fit the signature.
        UnimplementedError: an input of a dtype that JSON cannot carry.
    """
    if "instances" in document and "inputs" in document:
        raise _format_error(
            document, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        )
    with np.errstate(over="ignore"):
        if "instances" in document:
            return PredictRequest("row", _read_instances(document, signature.inputs))
        if "inputs" in document:
            return PredictRequest("columnar", _read_inputs(document["inputs"], signature.inputs))
    raise InvalidArgumentError("Missing 'inputs' or 'instances' key")


def _read_instances(document: JsonObject, specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
    rows = document["instances"]
    if not isinstance(rows, list):
        raise _format_error(document, "Expecting 'instances' to be an list/array")
    if not rows:
        raise _format_error(document, "No values in 'instances' array")
    if len(specs) > 1 and not isinstance(rows[0], dict):
        raise InvalidArgumentError(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    return _read_objects(rows, specs) if _is_object(rows[0]) else _read_plain_rows(rows, specs)


def _is_object(value: object) -> bool:
    return isinstance(value, dict) and not dense.is_base64_object(value)


def _read_objects(rows: list[Any], specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
    names = specs.keys()
    if all(isinstance(row, dict) and row.keys() == names for row in rows):
        feeds = {name: dense.fit_rows([row[name] for row in rows], spec.dtype) for name, spec in specs.items()}
        fitted = {name: array for name, array in feeds.items() if array is not None}
        if len(fitted) == len(specs):
            return fitted
    _explain_objects(rows, specs)
    raise InvalidArgumentError("The elements of 'instances' do not fit the inputs of the signature")


def _read_plain_rows(rows: list[Any], specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
    name, spec = next(iter(specs.items()))
    if len(specs) > 1:
        missing = ",".join(list(specs)[1:])
        raise InvalidArgumentError(f"input size does not match signature: 1!={len(specs)} Missing: {{{missing}}}")
    fitted = None if any(map(_is_object, rows)) else dense.fit_rows(rows, spec.dtype)
    if fitted is None:
        _explain_plain_rows(rows, name, spec)
        raise InvalidArgumentError("The elements of 'instances' do not fit the input of the signature")
    return {name: fitted}


def _explain_objects(rows: list[Any], specs: Mapping[str, TensorSpec]) -> None:
    """Raise for the first element of 'instances' that is wrong, in the original's order of checks."""
    shapes: dict[str, Shape] = {}
    for index, row in enumerate(rows):
        if not _is_object(row):
            raise InvalidArgumentError(f"Expecting object but got list at item {index} of input list")
        for name, value in row.items():
            _check_item(f"{index} key: {name}", name, value, specs, shapes)
        if row.keys() != specs.keys():
            raise InvalidArgumentError(
                f"Failed to process element: {index} of 'instances' list. JSON object: {describe(row)} "
                f"keys must be equal to: {','.join(sorted(specs))}"
            )


def _explain_plain_rows(rows: list[Any], name: str, spec: TensorSpec) -> None:
    shapes: dict[str, Shape] = {}
    for index, row in enumerate(rows):
        if _is_object(row):
            raise InvalidArgumentError(f"Expecting value/list but got object at item {index} of input list")
        _check_item(str(index), name, row, {name: spec}, shapes)


def _check_item(
    where: str, name: str, value: object, specs: Mapping[str, TensorSpec], shapes: dict[str, Shape]
) -> None:
    """Check one value of one row; `shapes` keeps the shape that the first row gave to each input."""
    try:
        if name not in specs:
            raise InvalidArgumentError(f"JSON object: does not have named input: {name}")
        shape = dense.check(value, specs[name].dtype)
        _compare_shapes(shapes.setdefault(name, shape), shape)
    except InvalidArgumentError as error:
        message = f"Failed to process element: {where} of 'instances' list. Error: {error.code.name}: {error.message}"
        raise InvalidArgumentError(message) from error


def _compare_shapes(expected: Shape, shape: Shape) -> None:
    expected_size, size = _count(expected), _count(shape)
    if expected_size != size:
        raise InvalidArgumentError(f"Expecting tensor size: {expected_size} but got: {size}")
    if expected != shape:
        raise InvalidArgumentError(f"Expecting shape {_show(expected)} but got: {_show(shape)}")


def _count(shape: Shape) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _show(shape: Shape) -> str:
    return f"[{','.join(map(str, shape))}]"


def _read_inputs(value: Any, specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
    if _is_object(value):
        return {name: dense.convert(_get_named(value, name), spec.dtype) for name, spec in specs.items()}
    if len(specs) > 1:
        raise InvalidArgumentError(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map"
        )
    name, spec = next(iter(specs.items()))
    return {name: dense.convert(value, spec.dtype)}


def _get_named(inputs: JsonObject, name: str) -> object:
    if name not in inputs:
        raise InvalidArgumentError(f"Missing named input: {name} in 'inputs' object.")
    return inputs[name]


def _format_error(document: JsonObject, message: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"JSON Value: {describe(document)} {message}")
