"""YAML that is data and nothing else: no tags, no aliases, no duplicate keys, and a line number for every key."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.errors import InputError

Kind = TypeVar("Kind", bound=BaseModel)


class YamlFile(NamedTuple):
    """A parsed file: `content` as plain mappings and lists that remember their lines."""

    path: Path
    content: Any

    def place(self, keys: Sequence[str | int]) -> str:
        """Return `file:line` of the deepest of `keys` that the file has."""
        return f"{self.path}:{self._find(keys)[0]}"

    def spot(self, keys: Sequence[str | int]) -> str:
        """Return `file:line:column` of the deepest of `keys` that the file has."""
        line, column = self._find(keys)
        return f"{self.path}:{line}:{column}"

    def _find(self, keys: Sequence[str | int]) -> tuple[int, int]:
        """Return line and column of the deepest of `keys`, from 1."""
        from ruamel.yaml.comments import CommentedMap, CommentedSeq

        node: Any = self.content
        place = (0, 0)
        for key in keys:
            if isinstance(node, CommentedMap) and key in node:
                place = node.lc.key(key)
            elif isinstance(node, CommentedSeq) and isinstance(key, int):
                place = node.lc.item(key)
            else:
                continue
            node = node[key]
        return place[0] + 1, place[1] + 1


def load_yaml(path: Path) -> YamlFile:
    """Read `path` as YAML 1.2 (so `no` is text, not false).

    Raises:
        InputError: the file is missing, is no YAML, or holds tags, anchors, aliases or duplicate keys.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="rt", pure=True)
    try:
        text = path.read_text("utf-8")
        _refuse_magic(path, yaml, text)
        content = _name_null(yaml.load(text))
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: expected UTF-8 text, received byte {error.object[error.start]:#x} at {error.start}"
        ) from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise InputError(f"{where}: {(error.problem or str(error)).strip()}") from error
    except YAMLError as error:
        raise InputError(f"{path}: {error}") from error
    except RecursionError as error:
        raise InputError(f"{path}: expected a few levels of keys, received hundreds") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected keys such as name:, source: and target:, received {type(content).__name__}")
    return YamlFile(path, content)


def load_as(path: Path, kind: type[Kind]) -> Kind:
    """Read `path` as the settings of a kind; relative paths in them start at its folder.

    Raises:
        InputError: all that is wrong, each with file, line and key path.
    """
    file = load_yaml(path)
    try:
        return kind.model_validate(file.content, context={"folder": path.parent})
    except ValidationError as error:
        raise InputError([_describe(file, problem) for problem in error.errors()]) from error


def _describe(file: YamlFile, problem: Any) -> str:
    keys = problem["loc"]
    name = ".".join(map(str, keys))
    place = f"{file.place(keys)}: {name}"
    if problem["type"] == "missing":
        return f"{place}: required, but missing"
    if problem["type"] == "extra_forbidden":
        return f"{file.spot(keys)}: {name}: unknown key"
    reason = problem["msg"].replace("Input should be", "expected").replace("Value error, ", "")
    return f"{place}: {reason}, received {str(problem['input'])!r:.80}"


def _refuse_magic(path: Path, yaml: Any, text: str) -> None:
    """Refuse tags, anchors and aliases: nothing in the file may be executed or multiplied."""
    for event in yaml.parse(text):
        found = [word for word in ("anchor", "tag") if getattr(event, word, None)]
        if found:
            line, column = event.start_mark.line + 1, event.start_mark.column + 1
            value = getattr(event, found[0])
            raise InputError(f"{path}:{line}:{column}: YAML {found[0]}s are not allowed here, received {value}")


def _name_null(node: Any) -> Any:
    """Return `node` with the key that YAML reads as nothing, as in `null: [NA]`, under its name."""
    from ruamel.yaml.comments import CommentedMap

    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        _name_null(child)
    if isinstance(node, CommentedMap) and None in node:
        node["null"] = node.pop(None)
        node.lc.add_kv_line_col("null", node.lc.data[None])
    return node
