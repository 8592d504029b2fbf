"""PredictRequest messages held against a signature: which one, what is fed, what is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.artifact import Signature, TensorSpec
from serving.errors import Code, InternalError, InvalidArgumentError, ServingError
from serving.server import tensors
from serving.server.dense import Array


def select_signature(signatures: Mapping[str, Signature], name: str) -> Signature:
    """The signature of that name.

    Raises:
        ServingError: there is none (FAILED_PRECONDITION).
        InternalError: it takes nothing.
    """
    if name not in signatures:
        raise ServingError(f'Serving signature key "{name}" not found.', Code.FAILED_PRECONDITION)
    if not signatures[name].inputs:
        raise InternalError("Expected at least one input Tensor in prediction signature.")
    return signatures[name]


def read_feeds(inputs: Mapping[str, Any], specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
    """An array for each input of a signature, of the TensorProtos by name.

    Raises:
        InvalidArgumentError: other names or dtypes than the signature has, or what is no tensor.
    """
    _check_names(inputs, specs)
    return {name: _read_feed(inputs[name], index, name, spec) for index, (name, spec) in enumerate(specs.items())}


def read_output_filter(names: Sequence[str], signature: Signature) -> Sequence[str]:
    """The outputs to answer with: those named, or all.

    Raises:
        InvalidArgumentError: an unknown name, or one twice.
    """
    for position, name in enumerate(names):
        if name not in signature.outputs:
            raise InvalidArgumentError(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{_show(signature.outputs)}."
            )
        if name in names[:position]:
            raise InvalidArgumentError(f"duplicate output tensor alias: {name}")
    return names or list(signature.outputs)


def _read_feed(proto: Any, index: int, name: str, spec: TensorSpec) -> Array:
    given = tensors.get_dtype_name(proto)
    if given != spec.dtype:
        raise InvalidArgumentError(f"Expects arg[{index}] to be {spec.dtype} but {given} is provided (input {name})")
    return tensors.to_array(proto, name)


def _check_names(inputs: Mapping[str, Any], specs: Mapping[str, TensorSpec]) -> None:
    if len(inputs) != len(specs):
        raise InvalidArgumentError(
            f"input size does not match signature: {len(inputs)}!={len(specs)} len({_show(inputs)}) != "
            f"len({_show(specs)}). Sent extra: {_show(inputs.keys() - specs.keys())}. "
            f"Missing but required: {_show(specs.keys() - inputs.keys())}."
        )
    for name in sorted(inputs):
        if name not in specs:
            raise InvalidArgumentError(
                f"input tensor alias not found in signature: {name}. Inputs expected to be in the set {_show(specs)}."
            )


def _show(names: Mapping[str, Any] | set[str]) -> str:
    return f"{{{','.join(sorted(names))}}}"
