"""What can be said of a SavedModel without loading it: files, operations, signatures."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from models.reference import Reference
from models.spec import ModelSpec, target_kind
from pipeline.requests import EXAMPLES
from serving.artifact import DEFAULT_SIGNATURE, Signature, TensorSpec, read_signatures
from serving.errors import ServingError
from serving.operations import check_operations

MB = 1_000_000
DTYPES = {"bytes": "string", "int": "double", "float": "float"}
RESULTS = {"classify": ("classes", "scores"), "regress": ("outputs",)}


def size_mb(folder: Path) -> float:
    """Return the size of all files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / MB


def inspect(folder: Path, spec: ModelSpec, reference: Reference) -> list[str]:
    """Return why the SavedModel can't be what the Trainer exported, a line each; [] if it can."""
    try:
        signatures = read_signatures(folder)
        missing = list(_missing_assets(folder, reference))
        check_operations(folder)
    except ServingError as error:
        message = error.message
        return [message if message.startswith("forbidden") else f"does not load: {message}"]
    return [*missing, *_wrong_signatures(signatures, spec, reference)]


def _missing_assets(folder: Path, reference: Reference) -> Iterator[str]:
    for name, lines in reference.lines.items():
        file = folder / "assets" / name
        if not file.is_file():
            yield f"missing asset: assets/{name}, a vocabulary of {lines} lines"
        elif (found := file.read_bytes().count(b"\n")) != lines:
            yield f"missing asset: assets/{name} has {found} lines, the vocabulary that was exported has {lines}"


def _wrong_signatures(signatures: Mapping[str, Signature], spec: ModelSpec, reference: Reference) -> Iterator[str]:
    for name, (takes, gives) in _expected(spec, reference).items():
        signature = signatures.get(name, Signature({}, {}, ""))
        sides = (
            ("inputs", signature.inputs, {key: _words(tensor) for key, tensor in takes.items()}),
            ("outputs", signature.outputs, dict.fromkeys(gives, "")),
        )
        for side, found, wanted in sides:
            given = {key: _words(tensor) if wanted.get(key) else "" for key, tensor in found.items()}
            if given != wanted:
                yield f"wrong signature: {name} has the {side} {_list(given)}, expected {_list(wanted)}"


def _expected(spec: ModelSpec, reference: Reference) -> dict[str, tuple[dict[str, TensorSpec], Iterable[str]]]:
    """Return inputs and names of outputs of each signature."""
    inputs, method, serialized = spec.inputs, target_kind(spec.inputs.target).METHOD, TensorSpec("", "string", (-1,))
    shapes = {name: (-1, -1) if name in inputs.lengths else (-1,) for name in inputs.columns}
    asked = {name: TensorSpec("", DTYPES[inputs.types[name]], shape) for name, shape in shapes.items()}
    answering = {DEFAULT_SIGNATURE: (asked, reference.answers), EXAMPLES: ({EXAMPLES: serialized}, reference.answers)}
    return answering | ({method: ({"inputs": serialized}, RESULTS[method])} if method else {})


def _words(tensor: TensorSpec) -> str:
    return f" ({tensor.dtype} {list(tensor.shape or ())})"


def _list(tensors: Mapping[str, str]) -> str:
    return ", ".join(f"{name}{words}" for name, words in sorted(tensors.items())) or "none"
