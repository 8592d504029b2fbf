"""What a version says of its rows beside its signatures: the schema of its data, and a row to show."""

from __future__ import annotations

import base64
import logging
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serving.artifact import SCHEMA_FILE
from serving.server.model import Servable
from serving.server.served_model import Load

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Feature, Schema

_logger = logging.getLogger(__name__)

WARM_UP_FILE = Path("assets.extra", "tf_serving_warmup_requests")


@dataclass(frozen=True, slots=True)
class Column:
    """What the schema says of one input.

    Attributes:
        kind: `bytes`, `int` or `float`.
        required: every row has a value.
        values: the texts it may have; empty for any. A domain that need not hold all of the values is none.
        low: the least number, if there is one.
        high: the largest number, if there is one.
        is_moment: date or time as ISO 8601 text.
        is_flag: 0 or 1.
        is_list: any number of values.
    """

    name: str
    kind: str
    required: bool = False
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    is_moment: bool = False
    is_flag: bool = False
    is_list: bool = False
    allowed: frozenset[bytes] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "allowed", frozenset(value.encode() for value in self.values))


@dataclass(frozen=True, slots=True)
class Contract:
    """The columns that the schema knows, and a real row, by input; both are empty of a version that has none."""

    columns: Mapping[str, Column] = field(default_factory=dict)
    example: Mapping[str, Any] = field(default_factory=dict)


_NOTHING = Contract()


class Contracts:
    """The contract of each loaded version, for as long as it is loaded."""

    def __init__(self) -> None:
        self._contracts: dict[int, Contract] = {}

    def read_with(self, load: Load) -> Load:
        """Return `load`, that also reads the contract of what it loads."""

        def load_and_read(version: int, path: Path) -> Servable:
            servable = load(version, path)
            inputs = {name for signature in servable.signatures.values() for name in signature.inputs}
            self._contracts[id(servable)] = read_contract(path, inputs)
            weakref.finalize(servable, self._contracts.pop, id(servable), None)
            return servable

        return load_and_read

    def get(self, servable: Servable) -> Contract:
        """What is known of a loaded version."""
        return self._contracts.get(id(servable), _NOTHING)


def read_contract(path: Path, inputs: set[str]) -> Contract:
    """The contract of a version's folder, about these inputs; what cannot be read is left out with a warning."""
    try:
        return Contract(_read_columns(path / SCHEMA_FILE, inputs), _read_example(path / WARM_UP_FILE))
    except Exception as error:  # noqa: BLE001
        # A version serves without it, so whatever is wrong with it must not stop the version.
        _logger.warning("%s: its schema or warm-up cannot be read: %s", path, error)
        return _NOTHING


def _read_columns(file: Path, inputs: set[str]) -> dict[str, Column]:
    if not file.is_file():
        return {}
    from schemas.store import read_schema

    schema = read_schema(file)
    return {each.name: _to_column(each, schema) for each in schema.feature if each.name in inputs}


def _to_column(feature: Feature, schema: Schema) -> Column:
    from schemas.words import is_list, number_bounds, raw_type, values

    low, high = number_bounds(feature, schema)
    constraints = feature.distribution_constraints
    is_loose = feature.HasField("distribution_constraints") and constraints.min_domain_mass < 1
    return Column(
        name=feature.name,
        kind=raw_type(feature),
        required=feature.presence.min_fraction == 1,
        values=() if is_loose else values(feature, schema),
        low=low,
        high=high,
        is_moment=feature.HasField("time_domain"),
        is_flag=feature.HasField("bool_domain"),
        is_list=is_list(feature),
    )


def _read_example(file: Path) -> dict[str, Any]:
    """The first row of each input in the requests that the version warms up with."""
    if not file.is_file():
        return {}
    from serving.protos import PredictionLog

    row: dict[str, Any] = {}
    with file.open("rb") as stream:
        # TFRecord: length, its checksum, the record, its checksum
        while head := stream.read(12):
            log = PredictionLog.FromString(stream.read(int.from_bytes(head[:8], "little")))
            stream.seek(4, 1)
            inputs = log.predict_log.request.inputs
            row = {name: _to_json(tensor) for name, tensor in inputs.items()} | row
    return row


def _to_json(tensor: Any) -> Any:
    from serving.server.tensors import to_array

    first: Any = to_array(tensor, "")[0]
    return _decode(first.tolist() if isinstance(first, np.ndarray | np.generic) else first)


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(each) for each in value]
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}
