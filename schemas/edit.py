"""Edits of a schema's text that leave every other line as it is: comments, order, indentation, ends of lines."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from schemas.store import SchemaError
from schemas.textproto import Field, comments, parse, quoted

INDENT = "  "


class Place(NamedTuple):
    """A block of the schema: `feature` or a shared domain such as `string_domain`, by its name."""

    kind: str
    name: str


def find(text: str, place: Place) -> Field:
    """Return the block.

    Raises:
        SchemaError: there is none.
    """
    for field in parse(text).all(place.kind):
        name = field.find("name")
        if name and name.string(text) == place.name:
            return field
    raise SchemaError(f"expected a {place.kind} named '{place.name}', received none")


def set_value(text: str, place: Place, path: Sequence[str], value: str) -> str:
    """Return the text with the field at `path` below the block set to `value`, added where it is missing."""
    block = find(text, place)
    for depth, name in enumerate(path):
        inner = block.find(name)
        if inner is None:
            return _insert(text, block, path[depth:], value)
        block = inner
    return text[: block.value_start] + value + text[block.value_end :]


def add_strings(text: str, place: Place, path: Sequence[str], values: Iterable[str]) -> str:
    """Return the text with more strings at the repeated field `path`: in order if the others are."""
    block = find(text, place)
    start, end = _line_start(text, block.start), _line_end(text, block.end)
    lines = text[start:end]
    for value in values:
        # its lines alone: reading the whole file for each value would take a while
        lines = _add_string(lines, find(lines, place), path, value)
    return text[:start] + lines + text[end:]


def _add_string(text: str, block: Field, path: Sequence[str], value: str) -> str:
    *parents, name = path
    for depth, parent in enumerate(parents):
        inner = block.find(parent)
        if inner is None:
            return _insert(text, block, path[depth:], quoted(value))
        block = inner
    fields = block.all(name)
    if not fields:
        return _insert(text, block, [name], quoted(value))
    strings = [field.string(text) for field in fields]
    before = [field for field, each in zip(fields, strings, strict=True) if each < value]
    line = f"{name}: {quoted(value)}"
    if strings != sorted(strings):
        return _add_after(text, block, fields[-1], line)
    if not before:
        return _add_before(text, fields[0], line)
    return _add_after(text, block, before[-1], line)


def remove(text: str, place: Place, name: str) -> str:
    """Return the text without the block's field `name`; the comments in it stay, a line each."""
    field = find(text, place).find(name)
    if field is None:
        return text
    start, end = _line_start(text, field.start), _line_end(text, field.end)
    if not (_begins_line(text, field.start) and _is_comment(text[field.end : end])):
        return text[: field.start] + text[field.end :].lstrip(" ")
    indent = text[start : field.start]
    kept = [text[first:last].rstrip("\r") for first, last in comments(text) if start <= first < end]
    lines = "".join(f"{indent}{comment}{_newline(text)}" for comment in kept)
    return text[:start] + lines + text[_after_line(text, end) :]


def append_feature(text: str, block: str) -> str:
    """Return the text with one more feature, a whole block, behind the last one."""
    features = parse(text).all("feature")
    block = block.strip().replace("\n", _newline(text))
    if not features:
        return f"{text}{_newline(text) if text and not text.endswith(chr(10)) else ''}{block}{_newline(text)}"
    end = _line_end(text, features[-1].end)
    return f"{text[:end]}{_newline(text)}{block}{text[end:]}"


def annotate(text: str, notes: Mapping[tuple[str, tuple[str, ...]], str]) -> str:
    """Return the text with comments at the ends of the lines on which features' fields stand, by feature and path."""
    features = {field.find("name"): field for field in parse(text).all("feature")}
    by_name = {name.string(text): field for name, field in features.items() if name}
    ends: dict[int, str] = {}
    for (feature, path), comment in notes.items():
        field: Field | None = by_name.get(feature)
        for name in path:
            field = field.find(name) if field else None
        if field is None:
            raise SchemaError(f"feature '{feature}': expected the field {'.'.join(path)}, received none")
        ends[_line_end(text, field.start)] = comment
    for end in sorted(ends, reverse=True):
        text = f"{text[:end]}  # {ends[end]}{text[end:]}"
    return text


def read_text(path: Path) -> str:
    """Return the file's text with the ends of its lines as they are.

    Raises:
        SchemaError: it can't be read.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise SchemaError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SchemaError(f"{path}: expected UTF-8: {error}") from error


def replace_file(path: Path, text: str) -> None:
    """Write the text in one step: whoever reads sees the old file or the new one.

    Raises:
        SchemaError: it can't be written.
    """
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}-", delete=False) as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, file.name)
        else:
            Path(file.name).chmod(0o644)
        Path(file.name).replace(target)
    except OSError as error:
        raise SchemaError(f"{path}: can't be written: {error.strerror}") from error


def _insert(text: str, block: Field, path: Sequence[str], value: str) -> str:
    """Add a field to a message, with the messages around it that are not there yet."""
    closing = block.value_end - 1
    if "\n" not in text[block.value_start : closing]:
        line = "".join(f"{name} {{ " for name in path[:-1]) + f"{path[-1]}: {value}" + " }" * (len(path) - 1)
        gap = "" if text[closing - 1].isspace() else " "
        return f"{text[:closing]}{gap}{line} {text[closing:]}"
    lines = [f"{INDENT * depth}{name} {{" for depth, name in enumerate(path[:-1])]
    lines.append(f"{INDENT * (len(path) - 1)}{path[-1]}: {value}")
    lines += [f"{INDENT * depth}}}" for depth in reversed(range(len(path) - 1))]
    last = max(block.fields, key=lambda field: field.end, default=None)
    at = last.end if last else block.value_start + 1
    end = _line_end(text, at)
    indent = _indent(text, last.start) if last else None
    if indent is None:
        indent = _line_indent(text, block.value_start) + INDENT
    added = "".join(f"{_newline(text)}{indent}{line}" for line in lines)
    place = at if closing < end else end
    return text[:place] + added + text[place:]


def _add_after(text: str, block: Field, field: Field, line: str) -> str:
    end, indent = _line_end(text, field.end), _indent(text, field.start)
    if indent is None or block.value_end <= end or not _is_comment(text[field.end : end]):
        return f"{text[: field.end]} {line}{text[field.end :]}"
    return f"{text[:end]}{_newline(text)}{indent}{line}{text[end:]}"


def _add_before(text: str, field: Field, line: str) -> str:
    indent = _indent(text, field.start)
    gap = " " if indent is None else _newline(text) + indent
    return f"{text[: field.start]}{line}{gap}{text[field.start :]}"


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _line_end(text: str, offset: int) -> int:
    """Return the offset of the end of the line, in front of its sign."""
    end = text.find("\n", offset)
    end = len(text) if end < 0 else end
    return end - 1 if end > offset and text[end - 1] == "\r" else end


def _after_line(text: str, end: int) -> int:
    return min(len(text), text.find("\n", end) + 1 or len(text))


def _begins_line(text: str, offset: int) -> bool:
    return not text[_line_start(text, offset) : offset].strip()


def _indent(text: str, offset: int) -> str | None:
    """Return the indentation of a field that is the first on its line, None of any other."""
    return text[_line_start(text, offset) : offset] if _begins_line(text, offset) else None


def _line_indent(text: str, offset: int) -> str:
    line = text[_line_start(text, offset) : offset]
    return line[: len(line) - len(line.lstrip())]


def _is_comment(rest: str) -> bool:
    """Return whether what follows on a line is nothing or a comment."""
    return not rest.strip() or rest.lstrip().startswith("#")
