"""Rows in whatever form the caller has them, to columns of values to send; outputs back into a like form.

Neither pandas nor PyArrow is imported: a caller who has one of their objects has imported them.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast

from serving.artifact import Signature, TensorSpec
from serving.client.messages import Columns
from serving.coercion import coerce, coerce_plain
from serving.errors import InvalidArgumentError, RowError, RowsError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Row: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = "Sequence[Row] | pd.DataFrame | pa.Table | pa.RecordBatch"
Extra: TypeAlias = Literal["refuse", "drop"]

ROWS_PER_REQUEST = 1000
_NAMES = {"half": "float16", "float": "float32", "double": "float64", "bool": "bool_"}


class Prepared(NamedTuple):
    """Rows that can be sent, but for the faults.

    Attributes:
        columns: a value for each row, by input name; None where it is at fault.
        length: how many rows.
        faults: at most one for each input and row, by row.
    """

    columns: Columns
    length: int
    faults: list[RowError]


def prepare(rows: Rows, inputs: Mapping[str, TensorSpec], extra: Extra) -> Prepared:
    """Return the rows' values as the inputs take them.

    Raises:
        RowsError: a table has a column twice, or one that is no input while `extra` is `refuse`.
    """
    faults: list[RowError] = []
    given = _read_columns(rows, inputs, extra)
    if given is None:
        listed: Sequence[Row] = rows  # type: ignore[assignment]
        given = {name: [row.get(name) for row in listed] for name in inputs}
        if extra == "refuse":
            faults += [fault for index, row in enumerate(listed) if (fault := _find_unknown(row, index, inputs))]
    columns: dict[str, list[Any]] = {}
    for name, spec in inputs.items():
        values = given[name] if name in given else [None] * len(rows)
        columns[name] = _coerce_column(name, values, spec, faults)
    return Prepared(columns, len(rows), sorted(faults, key=lambda fault: fault.row))


def _read_columns(rows: Rows, inputs: Mapping[str, TensorSpec], extra: Extra) -> dict[str, list[Any]] | None:
    """Return a table's values by input, None for a list of rows."""
    package = _package(rows)
    if package == "pandas":
        names: list[Any] = list(rows.columns)  # type: ignore[union-attr]
    elif package == "pyarrow":
        names = rows.schema.names  # type: ignore[union-attr]
    else:
        return None
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RowsError(f"column {twice!r} is there twice")
    unknown = next((name for name in names if name not in inputs), None)
    if extra == "refuse" and unknown is not None:
        raise RowsError(f"column {unknown!r}: {_describe_unknown(unknown, inputs)}")
    read = _read_series if package == "pandas" else _read_array
    return {name: read(rows[name]) for name in names if name in inputs}


def first_row(rows: Rows) -> Row:
    """Return the first of the rows, as it was given; empty without any."""
    package, given = _package(rows), cast("Any", rows)
    listed = given.head(1).to_dict("records") if package == "pandas" else given
    return next(iter(given.slice(0, 1).to_pylist() if package == "pyarrow" else listed), {})


def _package(rows: object) -> str:
    return type(rows).__module__.partition(".")[0]


def _read_series(series: Any) -> list[Any]:
    # NaN, NaT and NA alike
    values: list[Any] = series.astype(object).where(series.notna(), None).tolist()
    return values


def _read_array(array: Any) -> list[Any]:
    # several times as fast as PyArrow's own way, which Arrow's types need that NumPy does not have
    is_number = str(array.type) in {"int32", "int64", "float", "double"} and array.null_count == 0
    values: list[Any] = array.to_numpy(zero_copy_only=False).tolist() if is_number else array.to_pylist()
    return values


def _find_unknown(row: Row, index: int, inputs: Mapping[str, TensorSpec]) -> RowError | None:
    if row.keys() <= inputs.keys():
        return None
    key = next(key for key in row if key not in inputs)
    return RowError(index, key, _describe_unknown(key, inputs))


def _describe_unknown(key: str, inputs: Mapping[str, TensorSpec]) -> str:
    near = difflib.get_close_matches(str(key), inputs)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"the inputs are {', '.join(sorted(inputs))}"
    return f"the model has no such input; {hint}"


def _coerce_column(name: str, values: list[Any], spec: TensorSpec, faults: list[RowError]) -> list[Any]:
    plain = coerce_plain(values, spec)
    if plain is not None:
        return plain
    coerced = []
    for index, value in enumerate(values):
        try:
            coerced.append(coerce(value, spec))
        except InvalidArgumentError as error:
            faults.append(RowError(index, name, error.message))
            coerced.append(None)
    return coerced


def restore(outputs: Columns, rows: Rows, signature: Signature) -> Any:
    """Return the outputs in a form like that of the rows.

    Returns:
        for a list: a value a row or, where the signature has several outputs, a dict of them; for a data frame: a frame
        with a column for each output and the rows' index; for an Arrow table or batch: a table of the outputs.
    """
    package = _package(rows)
    if package == "pandas":
        pandas = sys.modules["pandas"]
        series = {name: _to_numpy(pandas, values, signature.outputs[name]) for name, values in outputs.items()}
        return pandas.DataFrame(series, index=rows.index)
    if package == "pyarrow":
        arrow = sys.modules["pyarrow"]
        arrays = {name: _to_arrow(arrow, values, signature.outputs[name]) for name, values in outputs.items()}
        return arrow.table(arrays)
    if len(signature.outputs) == 1:
        return next(iter(outputs.values()), [])
    return [dict(zip(outputs, values, strict=True)) for values in zip(*outputs.values(), strict=True)]


def _to_numpy(pandas: Any, values: list[Any], spec: TensorSpec) -> Any:
    is_plain = spec.shape is not None and len(spec.shape) == 1 and spec.dtype != "string"
    return pandas.Series(values, dtype=_NAMES.get(spec.dtype, spec.dtype) if is_plain else object).to_numpy()


def _to_arrow(arrow: Any, values: list[Any], spec: TensorSpec) -> Any:
    if spec.shape is None or spec.dtype in {"half", "bfloat16"}:
        return arrow.array(values)
    is_bytes = spec.dtype == "string" and any(isinstance(value, bytes) for value in values[:1])
    kind = getattr(arrow, "binary" if is_bytes else _NAMES.get(spec.dtype, spec.dtype))()
    for _ in spec.shape[1:]:
        kind = arrow.list_(kind)
    return arrow.array(values, kind)
