"""Requests held against the schema of the model's data, column by column, before the model is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from serving.errors import InvalidArgumentError
from serving.server.contract import Column, Contracts
from serving.server.dense import Array
from serving.server.inference import Inference, Outputs, Runner

_SHOWN_FAULTS = 3
_SHOWN_VALUES = 5
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class ValidatingRunner:
    """Runs what fits the schema, and refuses the rest."""

    runner: Runner
    contracts: Contracts

    async def run(self, inference: Inference) -> Outputs:
        """Return an array for each output.

        Raises:
            InvalidArgumentError: names the rows and the features that do not fit.
        """
        check_rows(inference.feeds, self.contracts.get(inference.servable).columns)
        return await self.runner.run(inference)


def check_rows(feeds: Mapping[str, Array], columns: Mapping[str, Column]) -> None:
    """Compare what a request feeds with what the schema says: named inputs, or one of serialized tf.Examples.

    A missing value is NaN or the empty text, as everywhere; in an example it is an absent feature.

    Raises:
        InvalidArgumentError: names row (from 0), feature, what was expected and what was received.
    """
    if columns and len(feeds) == 1 and not feeds.keys() & columns.keys():
        (only,) = feeds.values()
        feeds = _read_examples(only, columns) if only.dtype == object else feeds
    faults = [fault for name in columns.keys() & feeds.keys() for fault in _find_fault(columns[name], feeds[name])]
    if faults:
        faults.sort()
        more = f"; and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
        shown = "; ".join(f"row {row}, feature {name!r}: {words}" for row, name, words in faults[:_SHOWN_FAULTS])
        raise InvalidArgumentError(f"The request does not fit the schema of the model's data: {shown}{more}")


def _find_fault(column: Column, array: Array) -> Iterator[tuple[int, str, str]]:
    """The first value of a column that does not fit: row, feature, words."""
    values = array.reshape(-1)
    is_missing = values == b"" if values.dtype == object else values != values
    for wrong, expected in _compare(column, values, is_missing):
        # a list is padded with what is a missing value elsewhere
        if wrong.any() and not (wrong is is_missing and array.ndim > 1):
            place = int(wrong.argmax())
            row = place // max(len(values) // len(array), 1) if array.ndim else 0
            received = "none" if is_missing[place] else _show(values[place])
            yield row, column.name, f"expected {expected}, received {received}"
            return


def _compare(column: Column, values: Array, is_missing: Array) -> Iterator[tuple[Array, str]]:
    if column.required:
        yield is_missing, "a value"
    if values.dtype == object:
        yield from _compare_texts(column, values, is_missing)
    elif values.dtype.kind in "fiu":
        yield from _compare_numbers(column, values)


def _compare_texts(column: Column, values: Array, is_missing: Array) -> Iterator[tuple[Array, str]]:
    if column.kind != "bytes":
        yield ~is_missing, "a number"
    if column.allowed:
        more = f" and {len(column.values) - _SHOWN_VALUES} more" if len(column.values) > _SHOWN_VALUES else ""
        words = f"one of {', '.join(column.values[:_SHOWN_VALUES])}{more}"
        yield np.fromiter((value not in column.allowed for value in values), bool, len(values)) & ~is_missing, words
    if column.is_moment:
        wrong = np.fromiter((not _is_moment(value) for value in values), bool, len(values))
        yield wrong & ~is_missing, "a date or time as ISO 8601"


def _compare_numbers(column: Column, values: Array) -> Iterator[tuple[Array, str]]:
    # NaN, which is a missing value, compares false with everything.
    if column.kind == "int":
        with np.errstate(invalid="ignore"):
            yield (np.floor(values) != values) & (values == values) | np.isinf(values), "a whole number"
    if column.is_flag:
        yield (values != 0) & (values != 1) & (values == values), "0 or 1"
    if column.low is not None:
        yield values < column.low, f"at least {column.low:g}"
    if column.high is not None:
        yield values > column.high, f"at most {column.high:g}"


def _is_moment(value: Any) -> bool:
    try:
        datetime.fromisoformat(value.decode())
    except ValueError:
        return False
    return True


def _show(value: Any) -> str:
    shown = value.decode(errors="replace") if isinstance(value, bytes) else f"{value:g}"
    return repr(shown[:_SHOWN_CHARACTERS]) if isinstance(value, bytes) else shown


def _read_examples(serialized: Array, columns: Mapping[str, Column]) -> dict[str, Array]:
    """An array for each column that is no list; nothing where these are no tf.Examples, which the model says itself."""
    from google.protobuf.message import DecodeError

    from serving.protos import Example

    try:
        examples = [Example.FromString(each).features.feature for each in serialized.reshape(-1)]
    except (DecodeError, TypeError):
        return {}
    plain = [column for column in columns.values() if not column.is_list]
    return {column.name: _to_array([_first(each, column.name) for each in examples], column) for column in plain}


def _first(features: Any, name: str) -> Any:
    """The first value of a feature, None of one that is not there."""
    if name not in features:
        return None
    feature = features[name]
    kind = feature.WhichOneof("kind")
    return next(iter(getattr(feature, kind).value), None) if kind else None


def _to_array(values: list[Any], column: Column) -> Array:
    is_text = column.kind == "bytes" or any(isinstance(value, bytes) for value in values)
    if not is_text:
        return np.array([np.nan if value is None else value for value in values], np.float64)
    texts = [b"" if value is None else value if isinstance(value, bytes) else str(value).encode() for value in values]
    return np.array([*texts, None], object)[:-1]
