"""Predict answers: output arrays to JSON text, digit for digit as TensorFlow Serving writes it.

The text is put together here and not by a JSON library: none writes bare NaN and floats of 6 or 9 digits.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import numpy as np

from serving.errors import InvalidArgumentError
from serving.server.dense import Array
from serving.server.request import Layout

_BARE_WORDS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_BYTES_SUFFIX = "_bytes"


def write_answer(outputs: Mapping[str, Array], layout: Layout) -> bytes:
    """The body of a predict answer, UTF-8.

    Args:
        outputs: arrays by the name of the output; in the row layout all `[rows, ...]` with one number of rows.
        layout: the format of the request.

    Raises:
        InvalidArgumentError: no outputs, a dtype that JSON cannot carry or, in the row layout, an output without a
            batch dimension or of another batch size than the first.
    """
    if not outputs:
        raise InvalidArgumentError("Cannot convert empty tensor map to JSON")
    text = _write_rows(outputs) if layout == "row" else _write_columns(outputs)
    # Strings of the model that are no UTF-8 leave as they are, as the original sends them.
    return text.encode(errors="surrogateescape")


def _write_rows(outputs: Mapping[str, Array]) -> str:
    _check_batch_sizes(outputs)
    columns = [_fold(_write_values(array, name), array.shape, keep=1) for name, array in outputs.items()]
    if len(columns) == 1:
        return f'{{"predictions":[{",".join(columns[0])}]}}'
    keys = [json.dumps(name, ensure_ascii=False) for name in outputs]
    rows = (_write_object(keys, values) for values in zip(*columns, strict=True))
    return f'{{"predictions":[{",".join(rows)}]}}'


def _check_batch_sizes(outputs: Mapping[str, Array]) -> None:
    expected: int | None = None
    for name, array in outputs.items():
        if array.ndim == 0:
            raise InvalidArgumentError(f"Tensor name: {name} has no shape information ")
        size = array.shape[0]
        if expected not in (None, size):
            raise InvalidArgumentError(f"Tensor name: {name} has inconsistent batch size: {size} expecting: {expected}")
        expected = size


def _write_columns(outputs: Mapping[str, Array]) -> str:
    values = [_fold(_write_values(array, name), array.shape, keep=0)[0] for name, array in outputs.items()]
    if len(values) == 1:
        return f'{{"outputs":{values[0]}}}'
    keys = [json.dumps(name, ensure_ascii=False) for name in outputs]
    return f'{{"outputs":{_write_object(keys, values)}}}'


def _write_object(keys: list[str], values: list[str] | tuple[str, ...]) -> str:
    return f"{{{','.join(f'{key}:{value}' for key, value in zip(keys, values, strict=True))}}}"


def _fold(texts: list[str], shape: tuple[int, ...], keep: int) -> list[str]:
    """Put brackets around flat values, innermost dimension first, down to the first `keep` dimensions."""
    for axis in range(len(shape) - 1, keep - 1, -1):
        size, count = shape[axis], int(np.prod(shape[:axis], dtype=np.int64))
        texts = [f"[{','.join(texts[group * size : (group + 1) * size])}]" for group in range(count)]
    return texts


def _write_values(array: Array, name: str) -> list[str]:
    flat = array.reshape(-1)
    kind = flat.dtype.kind
    if kind == "f":
        return write_floats(flat)
    if kind in "iu":
        return [str(value) for value in flat.tolist()]
    if kind == "b":
        return ["true" if value else "false" for value in flat.tolist()]
    if kind == "O":
        return _write_strings(flat, name)
    # bfloat16 and its kin, which NumPy itself does not know
    if np.can_cast(flat.dtype, np.float32):
        return write_floats(flat.astype(np.float32))
    raise InvalidArgumentError(f"Failed to write JSON value for tensor type: {flat.dtype.name}")


def write_floats(flat: Array) -> list[str]:
    """Each number of a flat array as text: 6 digits where they tell the number, else 9 (17 for float64)."""
    digits = 17 if flat.dtype == np.float64 else 9
    values = flat.tolist()
    short = [f"{value:.6g}" for value in values]
    with np.errstate(over="ignore"):
        exact = (np.array(short, dtype=np.float64).astype(flat.dtype) == flat).tolist()
    texts = [text if same else f"{value:.{digits}g}" for text, same, value in zip(short, exact, values, strict=True)]
    return [_finish_float(text) for text in texts]


def _finish_float(text: str) -> str:
    if text in _BARE_WORDS:
        return _BARE_WORDS[text]
    return text if "." in text or "e" in text else f"{text}.0"


def _write_strings(flat: Array, name: str) -> list[str]:
    if name.endswith(_BYTES_SUFFIX):
        return [f'{{"b64":"{base64.b64encode(value).decode()}"}}' for value in flat.tolist()]
    decoded = (value.decode(errors="surrogateescape") for value in flat.tolist())
    return [json.dumps(text, ensure_ascii=False) for text in decoded]
