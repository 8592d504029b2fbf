"""`penstock schema check`: a schema by itself, and beside its problem; neither data nor TensorFlow."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from models.spec import columns_read
from pipeline.check import check
from pipeline.errors import InputError
from pipeline.problem import LoadedProblem
from pipeline.resolve import schema_columns
from pipeline.splits import columns as split_columns
from schemas.audit import Fault, audit
from schemas.store import SchemaError, read_schema
from schemas.words import environments

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema

TRAINING, SERVING = "TRAINING", "SERVING"


class Checked(NamedTuple):
    """What was found.

    Attributes:
        path: the schema's file.
        columns: that it describes.
        faults: in the schema itself.
        mistakes: where schema and problem disagree.
    """

    path: Path
    columns: int
    faults: tuple[Fault, ...]
    mistakes: tuple[str, ...]

    @property
    def is_wrong(self) -> bool:
        """Whether there is more than a warning."""
        return bool(self.mistakes) or any(fault.severity == "error" for fault in self.faults)


def schema_path(loaded: LoadedProblem) -> Path:
    """Return the curated schema's file.

    Raises:
        InputError: the problem names none.
    """
    if loaded.schema_path is None:
        command = f"penstock schema infer {loaded.file.path}"
        raise InputError(f"{loaded.file.place(())}: schema: required, but missing; `{command}` writes a first one")
    return loaded.schema_path


def check_schema(loaded: LoadedProblem) -> Checked:
    """Return what is odd in the problem's schema, and where the two do not fit.

    Raises:
        InputError: no schema, or a file that is none.
    """
    path = schema_path(loaded)
    try:
        faults, schema = audit(path), read_schema(path)
    except SchemaError as error:
        raise InputError(loaded.complain(("schema",), str(error))) from error
    mistakes = list(_environments(loaded, schema))
    try:
        check(loaded, schema_columns(loaded, path))
    except InputError as error:
        # what the audit has said of a column with its line is not said again
        told = {fault.words for fault in faults}
        mistakes += [each for each in error.messages if not any(words in each for words in told)]
    return Checked(path, len(schema.feature), tuple(faults), tuple(mistakes))


def _environments(loaded: LoadedProblem, schema: "Schema") -> Iterator[str]:
    """Yield columns that are expected where they can't be, or not expected where they are needed."""
    problem, label = loaded.problem, loaded.problem.target.column
    found = {feature.name: environments(feature, schema) for feature in schema.feature}
    if found.get(label) and SERVING in found[label]:
        words = f'the label needs `not_in_environment: "{SERVING}"` in the schema: no data to serve has it'
        yield loaded.complain(("target", "column"), f"'{label}': {words}")
    if label in found and TRAINING not in found[label]:
        yield loaded.complain(("target", "column"), f"'{label}' is not expected in {TRAINING}: expected it there")
    for name in columns_read(problem.features or {}):
        if name in found and name != label:
            missing = [each for each in (TRAINING, SERVING) if each not in found[name]]
            if missing:
                told = f"'{name}' is not expected in {' and '.join(missing)}: a feature must be there"
                yield loaded.complain(("features", name), told)
    for key, name in split_columns(problem.split).items():
        if name in found and TRAINING not in found[name]:
            yield loaded.complain(("split", key), f"'{name}' is not expected in {TRAINING}: expected it there")
