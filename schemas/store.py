"""Reading and writing a schema: TensorFlow Metadata's Schema as text, kept in git."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema


class SchemaError(Exception):
    """A schema file that can't be used; the message names the file and the line."""


class SchemaColumn(NamedTuple):
    """What a schema says of one column.

    Attributes:
        name: the column.
        raw_type: `bytes`, `int` or `float`.
        is_moment: a date or time as ISO 8601 text.
        is_category: whole numbers that are only names.
        values: the domain of a text column, empty if it has none.
    """

    name: str
    raw_type: str
    is_moment: bool = False
    is_category: bool = False
    values: tuple[str, ...] = ()


def read_schema(path: Path) -> "Schema":
    """Return the schema in the text file `path`.

    Raises:
        SchemaError: the file is missing or is no schema.
    """
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema

    try:
        return text_format.Parse(path.read_text("utf-8"), Schema())
    except OSError as error:
        msg = f"{path}: can't be read: {error.strerror}"
        raise SchemaError(msg) from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        msg = f"{path}: expected a TensorFlow Metadata schema as text: {error}"
        raise SchemaError(msg) from error


def write_schema(schema: "Schema", path: Path, comment: str = "") -> None:
    """Write `schema` as text, led by `comment` (lines without `#`)."""
    from google.protobuf import text_format

    lead = "".join(f"# {line}\n" for line in comment.splitlines())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lead + text_format.MessageToString(schema, as_utf8=True), "utf-8")


def columns(schema: "Schema") -> dict[str, SchemaColumn]:
    """Return what the schema says, by column; columns marked as deprecated are left out.

    Raises:
        SchemaError: a column of a type that is neither BYTES, INT nor FLOAT.
    """
    from tensorflow_metadata.proto.v0 import schema_pb2

    types = {schema_pb2.BYTES: "bytes", schema_pb2.INT: "int", schema_pb2.FLOAT: "float"}
    domains = {domain.name: tuple(domain.value) for domain in schema.string_domain}
    found = {}
    for feature in schema.feature:
        if feature.type not in types:
            msg = f"feature {feature.name}: expected type BYTES, INT or FLOAT, received {feature.type}"
            raise SchemaError(msg)
        if feature.lifecycle_stage != schema_pb2.DEPRECATED:
            found[feature.name] = SchemaColumn(
                feature.name,
                types[feature.type],
                feature.HasField("time_domain"),
                feature.int_domain.is_categorical,
                tuple(feature.string_domain.value) or domains.get(feature.domain, ()),
            )
    return found
