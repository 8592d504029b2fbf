"""Rows to predict: JSON, JSON lines or CSV, from a file or from standard input."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

from pipeline.errors import InputError


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of `path` (`-`: standard input); empty CSV cells are missing values.

    Raises:
        InputError: no rows, or text that is neither JSON nor CSV.
    """
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read: {error}") from error
    rows = _parse_json(text, path) if text.lstrip()[:1] in {"[", "{"} else _parse_csv(text, path)
    if not rows:
        raise InputError(f"{path}: expected at least one row, received none")
    return rows


def _parse_json(text: str, path: Path) -> list[dict[str, Any]]:
    """Return a list of objects, the `instances` of a request, one object, or an object a line."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError:
        content = [_parse_line(line, number, path) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if isinstance(content, dict):
        content = content.get("instances", [content])
    odd = next((index for index, row in enumerate(content) if not isinstance(row, dict)), None)
    if odd is not None:
        raise InputError(
            f"{path}: row {odd + 1}: expected an object of values by column, received {content[odd]!r:.60}"
        )
    return list(content)


def _parse_line(line: str, number: int, path: Path) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{number}:{error.colno}: no JSON: {error.msg}") from error


def _parse_csv(text: str, path: Path) -> list[dict[str, Any]]:
    rows = []
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise InputError(
                    f"{path}:{reader.line_num}: expected {len(reader.fieldnames or [])} cells as in the header"
                )
            rows.append({name: value if value != "" else None for name, value in row.items()})
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: {error}") from error
    return rows
