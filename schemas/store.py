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
        is_flag: 0 and 1 for false and true.
        is_list: any number of values a row.
    """

    name: str
    raw_type: str
    is_moment: bool = False
    is_category: bool = False
    values: tuple[str, ...] = ()
    is_flag: bool = False
    is_list: bool = False


def read_schema(path: Path) -> "Schema":
    """Return the schema in the text file `path`.

    Raises:
        SchemaError: the file is missing or is no schema.
    """
    try:
        return parse_schema(path.read_text("utf-8"), path)
    except OSError as error:
        msg = f"{path}: can't be read: {error.strerror}"
        raise SchemaError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path}: expected a TensorFlow Metadata schema as text: {error}"
        raise SchemaError(msg) from error


def parse_schema(text: str, path: Path) -> "Schema":
    """Return the schema that is the text of the file `path`.

    Raises:
        SchemaError: it is no schema.
    """
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema

    try:
        return text_format.Parse(text, Schema())
    except text_format.ParseError as error:
        msg = f"{path}: expected a TensorFlow Metadata schema as text: {error}"
        raise SchemaError(msg) from error


def write_schema(schema: "Schema", path: Path, comment: str = "") -> None:
    """Write `schema` as text, led by `comment` (lines without `#`)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(schema_text(schema, comment), "utf-8")


def schema_text(schema: "Schema", comment: str = "") -> str:
    """Return `schema` as text, led by `comment` (lines without `#`)."""
    from google.protobuf import text_format

    lead = "".join(f"# {line}\n" for line in comment.splitlines())
    return lead + str(text_format.MessageToString(schema, as_utf8=True))


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
                feature.HasField("bool_domain"),
                feature.HasField("value_count") and feature.value_count.max != 1,
            )
    return found
