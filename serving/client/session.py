"""What a client does, without doing it: generators that yield requests and are sent their answers.

The synchronous and the asynchronous client run the same steps, each over its own transports (https://sans-io.readthedocs.io).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Any, TypeAlias, TypeVar

from serving.artifact import Signature
from serving.client.messages import Call, Columns, Description, Example, VersionState, Wire
from serving.client.rows import ROWS_PER_REQUEST, Extra, Rows, prepare, restore
from serving.coercion import pad
from serving.errors import InternalError, InvalidArgumentError, NotFoundError, RowError

T = TypeVar("T")
Steps: TypeAlias = Generator[Call, bytes, T]


class Session:
    """The conversation about one model. Signatures are asked for once, and again after a refusal."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._signatures: dict[str, Signature] = {}

    def describe(self) -> Steps[Description]:
        """Ask which version answers and what it takes."""
        description = self._wire.read_description((yield self._wire.ask_description()))
        self._signatures = description.signatures
        return description

    def status(self) -> Steps[list[VersionState]]:
        """Ask for the versions' states."""
        return self._wire.read_status((yield self._wire.ask_status()))

    def find(self, signature_name: str) -> Steps[Signature]:
        """Ask for the signatures, and return one."""
        signatures = (yield from self.describe()).signatures
        if signature_name not in signatures:
            known = ", ".join(sorted(signatures))
            raise NotFoundError(f"the model has no signature {signature_name!r}, only {known}")
        return signatures[signature_name]

    def check(self, rows: Rows, signature_name: str, extra: Extra) -> Steps[list[RowError]]:
        """Return what does not fit."""
        signature = self._signatures.get(signature_name) or (yield from self.find(signature_name))
        return prepare(rows, signature.inputs, extra).faults

    def close(self) -> None:
        """End what goes on beside the conversation: nothing here."""

    def predict(self, rows: Rows, signature_name: str, extra: Extra) -> Steps[Any]:
        """Ask about the rows, and put the answers together."""
        outputs, signature = yield from self.ask(rows, signature_name, extra)
        return restore(outputs, rows, signature)

    def ask(self, rows: Rows, signature_name: str, extra: Extra) -> Steps[tuple[Columns, Signature]]:
        """Ask about the rows in chunks; return the outputs by name."""
        signature = self._signatures.get(signature_name) or (yield from self.find(signature_name))
        prepared = prepare(rows, signature.inputs, extra)
        if prepared.faults:
            raise prepared.faults[0]
        outputs: dict[str, list[Any]] = {name: [] for name in signature.outputs}
        for start in range(0, prepared.length, ROWS_PER_REQUEST):
            stop = min(start + ROWS_PER_REQUEST, prepared.length)
            chunk = {name: pad(values[start:stop], signature.inputs[name]) for name, values in prepared.columns.items()}
            answers = yield from self._predict_chunk(chunk, signature_name, signature)
            for name, values in answers.items():
                if not isinstance(values, list) or len(values) != stop - start:
                    raise InternalError(f"the server did not answer with one value of {name!r} for each row")
                outputs[name] += values
        return outputs, signature

    def _predict_chunk(self, columns: Columns, signature_name: str, signature: Signature) -> Steps[Columns]:
        try:
            body = yield self._wire.ask_predict(signature_name, signature, columns)
        except InvalidArgumentError:
            # A newer version with other inputs may have taken over: the next call asks for them again.
            self._signatures = {}
            raise
        return self._wire.read_predict(body, signature)

    def classify(self, examples: Sequence[Example], signature_name: str) -> Steps[list[list[tuple[str, float]]]]:
        """Ask for the classes of examples."""
        results: list[list[tuple[str, float]]] = []
        for chunk in _cut(examples):
            results += self._wire.read_classes((yield self._wire.ask_examples("classify", signature_name, chunk)))
        return _of_each(results, examples)

    def regress(self, examples: Sequence[Example], signature_name: str) -> Steps[list[float]]:
        """Ask for the values of examples."""
        results: list[float] = []
        for chunk in _cut(examples):
            results += self._wire.read_values((yield self._wire.ask_examples("regress", signature_name, chunk)))
        return _of_each(results, examples)


def _cut(examples: Sequence[Example]) -> Generator[list[Example], None, None]:
    """Yield chunks of examples in plain values; a missing value is no value."""
    plain = [{name: _plain(value) for name, value in example.items()} for example in examples]
    for start in range(0, len(plain), ROWS_PER_REQUEST):
        chunk = plain[start : start + ROWS_PER_REQUEST]
        yield [{name: value for name, value in example.items() if value is not None} for example in chunk]


def _plain(value: Any) -> Any:
    """Return Python's value for NumPy's, None for NaN."""
    as_list = getattr(value, "tolist", None)
    plain = as_list() if callable(as_list) else value
    return None if isinstance(plain, float) and math.isnan(plain) else plain


def _of_each(results: list[T], examples: Sequence[Example]) -> list[T]:
    if len(results) != len(examples):
        raise InternalError(f"expected {len(examples)} results, one for each example, the server sent {len(results)}")
    return results
