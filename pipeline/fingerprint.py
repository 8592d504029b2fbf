"""Digests that enter TFX's cache keys: it sees neither our code nor the content of files by itself."""

import ast
import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import distributions, version
from importlib.util import find_spec
from pathlib import Path

from models.settings import Settings

PACKAGES = {"models", "pipeline", "schemas", "serving"}
LIBRARIES = (
    *("tensorflow", "keras", "tensorflow-transform", "tensorflow-data-validation", "tensorflow-model-analysis"),
    *("tfx", "duckdb", "pyarrow"),
)
LOCK = "uv.lock"


class Code(Settings):
    """What a digest of code stands for.

    Attributes:
        files: digests of our modules, by their path in the project.
        libraries: versions by name.
    """

    files: dict[str, str]
    libraries: dict[str, str]


_made: dict[str, Code] = {}
"""Digests that this process has made: the parts of one can't be worked out from it later."""


def file_digest(file: Path) -> str:
    """Return the SHA-256 of the file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def data_digest(files: Sequence[Path]) -> str:
    """Return one digest over the content of all files, in the order given."""
    return hashlib.sha256("".join(file_digest(file) for file in files).encode()).hexdigest()


def code_digest(modules: Iterable[str]) -> str:
    """Return one digest over `modules` (dotted names), all of our modules that they import, and the libraries.

    Plug-ins are found at run time, so they count only where the caller names them: a family that a model does not use
    does not change its digest.
    """
    found: set[str] = set()
    waiting = set(modules)
    while waiting:
        found |= waiting
        waiting = {name for module in waiting for name in _imports(module)} - found
    files = {_path(module): file_digest(_file(module))[:16] for module in sorted(found)}
    code = Code(files=files, libraries=_library_versions())
    digest = hashlib.sha256(code.model_dump_json().encode()).hexdigest()[:16]
    _made[digest] = code
    return digest


def keep_code(folder: Path) -> None:
    """Write what the digests of this process stand for, a file each, so that a later run can name what changed."""
    folder.mkdir(parents=True, exist_ok=True)
    for digest, code in _made.items():
        if read_code(folder, digest) is None:
            part = folder / f".{digest}"
            part.write_text(code.model_dump_json(indent=1), "utf-8")
            part.replace(folder / f"{digest}.json")


def read_code(folder: Path, digest: str) -> Code | None:
    """Return what a digest stands for; None if nobody has kept it."""
    try:
        return Code.model_validate_json((folder / f"{digest}.json").read_bytes())
    except (OSError, ValueError):
        return None


def installed() -> str:
    """Return what is installed, a line `name==version` each: enough to install it again."""
    return "".join(sorted({f"{found.name.lower()}=={found.version}\n" for found in distributions()}))


def lock_digest(root: Path) -> str:
    """Return the SHA-256 of the nearest `uv.lock` in `root` or above, else of what is installed."""
    lock = next((folder / LOCK for folder in (root, *root.parents) if (folder / LOCK).is_file()), None)
    return file_digest(lock) if lock else hashlib.sha256(installed().encode()).hexdigest()


@cache
def _file(module: str) -> Path:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        msg = f"no module {module}"
        raise ModuleNotFoundError(msg)
    return Path(spec.origin)


def _path(module: str) -> str:
    """Return the module's file as seen from the project's folder."""
    package = _file(module.partition(".")[0]).parent
    return _file(module).relative_to(package.parent).as_posix()


@cache
def _imports(module: str) -> frozenset[str]:
    """Return our own modules that `module` imports, anywhere in its file, and the packages that it lies in."""
    parts = module.split(".")
    names = {".".join(parts[:count]) for count in range(1, len(parts))}
    for node in ast.walk(ast.parse(_file(module).read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    ours = {name for name in names if name.partition(".")[0] in PACKAGES}
    return frozenset(name for name in ours if _is_module(name))


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # a name inside a module that is no package
        return False


@cache
def _library_versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}
