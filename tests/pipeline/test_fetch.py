"""Data out of a package: from a folder that stands in for the package index."""

import hashlib
import lzma
import zipfile
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.fetch import Fetch, fetch_files


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


def test_zip_inside_a_source_archive_is_opened(tmp_path):
    import tarfile
    from io import BytesIO

    from pipeline.fetch import _members

    zipped = BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("sales.csv", "a\n1\n")
    with tarfile.open(tmp_path / "shop-1.0.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("shop-1.0/data/sales.csv.zip")
        info.size = len(zipped.getvalue())
        archive.addfile(info, BytesIO(zipped.getvalue()))
    members = _members(Path(tmp_path, "shop-1.0.tar.gz"), {"sales.csv"})
    assert [(name, content.read()) for name, content in members] == [("sales.csv", b"a\n1\n")]
