"""Data out of a package: from a folder that stands in for the package index."""

import hashlib
import lzma
import tarfile
import zipfile
from io import BytesIO

import pytest

from pipeline.errors import InputError
from pipeline.fetch import Fetch, _members, fetch_files


@pytest.fixture
def package(tmp_path, monkeypatch) -> Fetch:
    """A wheel `shop-1.0` with a table and a zipped table in it; pip finds it and nothing else."""
    wheel = tmp_path / "index" / "shop-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("shop/data/sales.csv", "a,b\n1,2\n")
        archive.writestr("shop/data/stock.csv.xz", lzma.compress(b"c\n3\n"))
        archive.writestr("shop-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
        archive.writestr("shop-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("shop-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    return Fetch(package="shop==1.0", sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())


def test_files_arrive(package, tmp_path):
    fetch_files(package, [tmp_path / "data" / "sales.csv"])
    assert (tmp_path / "data" / "sales.csv").read_text() == "a,b\n1,2\n"


def test_packed_file_arrives_unpacked_beside_a_plain_one(package, tmp_path):
    fetch_files(package, [tmp_path / "sales.csv", tmp_path / "data" / "stock.csv"])
    assert (tmp_path / "data" / "stock.csv").read_text() == "c\n3\n"
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file() and file.suffix != ".whl") == [
        "sales.csv",
        "stock.csv",
    ]


def test_packed_file_arrives_as_it_is_when_asked_for(package, tmp_path):
    fetch_files(package, [tmp_path / "stock.csv.xz"])
    assert lzma.decompress((tmp_path / "stock.csv.xz").read_bytes()) == b"c\n3\n"


def test_other_digest_is_refused_and_nothing_is_written(package, tmp_path):
    other = package.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(InputError, match=f"expected {'0' * 64}, received {package.sha256}"):
        fetch_files(other, [tmp_path / "sales.csv"])
    assert not (tmp_path / "sales.csv").exists()


def test_unknown_file_is_named_and_nothing_is_written(package, tmp_path):
    with pytest.raises(InputError, match="shop==1.0 holds no file named x.csv"):
        fetch_files(package, [tmp_path / "sales.csv", tmp_path / "x.csv"])
    assert not list(tmp_path.glob("*sales.csv*"))


def test_unknown_package_is_one_message(package, tmp_path):
    with pytest.raises(InputError, match="nope==1 can't be downloaded: ERROR"):
        fetch_files(package.model_copy(update={"package": "nope==1"}), [tmp_path / "sales.csv"])


def tar(members: dict[str, bytes]) -> bytes:
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, BytesIO(content))
    return packed.getvalue()


def zipped(name: str, content: str) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [("sales.csv.zip", zipped("sales.csv", "a\n1\n")), ("all.tar.gz", tar({"all/sales.csv": b"a\n1\n", "x": b""}))],
)
def test_archive_inside_a_source_archive_is_opened(tmp_path, name, content):
    source = tmp_path / "shop-1.0.tar.gz"
    source.write_bytes(tar({f"shop-1.0/data/{name}": content}))
    assert [(name, found.read()) for name, found in _members(source, {"sales.csv"})] == [("sales.csv", b"a\n1\n")]


BACKEND = b"""
import pathlib
def prepare_metadata_for_build_wheel(folder, settings=None):
    made = pathlib.Path(folder, "shop-1.0.dist-info")
    made.mkdir()
    made.joinpath("METADATA").write_text("Metadata-Version: 2.1\\nName: shop\\nVersion: 1.0\\n")
    return made.name
"""


def test_the_digest_says_which_archive_of_a_package(package, tmp_path, monkeypatch):
    build = b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {"pyproject.toml": build, "backend.py": BACKEND, "sales.csv": b"of the sources", "PKG-INFO": b""}
    source, wheel = tmp_path / "index" / "shop-1.0.tar.gz", tmp_path / "index" / "shop-1.0-py3-none-any.whl"
    source.write_bytes(tar({f"shop-1.0/{name}": content for name, content in files.items()}))
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (source, wheel)}
    page = tmp_path / "index.html"
    links = [f'<a href="index/{name}#sha256={digest}">{name}</a>' for name, digest in digests.items()]
    page.write_text("<!DOCTYPE html>" + "".join(links))
    monkeypatch.setenv("PIP_FIND_LINKS", str(page))
    fetch_files(package, [tmp_path / "wheel" / "sales.csv"])
    fetch_files(package.model_copy(update={"sha256": digests[source.name]}), [tmp_path / "source" / "sales.csv"])
    assert (tmp_path / "wheel" / "sales.csv").read_text() == "a,b\n1,2\n"
    assert (tmp_path / "source" / "sales.csv").read_text() == "of the sources"
