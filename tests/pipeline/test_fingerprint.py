"""Digests: what changes them, and what does not."""

import subprocess
import sys
from pathlib import Path

from pipeline.fingerprint import code_digest, data_digest, keep_code, read_code

ROOT = Path(__file__).parents[2]


def digests_in(folder: Path, modules: list[str]) -> list[str]:
    """Return each module's code_digest as a process sees it whose packages lie in `folder`."""
    code = f"from pipeline.fingerprint import code_digest\nfor module in {modules}: print(code_digest([module]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split()


def copy_packages(folder: Path) -> None:
    import shutil

    for package in ("models", "pipeline", "schemas", "serving"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))


MODULES = ["models.families.wide_deep", "models.families.mlp", "pipeline.components.transform", "models.export"]


def test_only_what_imports_the_edited_file_changes(tmp_path):
    copy_packages(tmp_path)
    before = digests_in(tmp_path, MODULES)
    with (tmp_path / "models/families/wide_deep.py").open("a") as file:
        file.write("# edited\n")
    edited = digests_in(tmp_path, MODULES)
    assert [old == new for old, new in zip(before, edited, strict=True)] == [False, True, True, True]
    with (tmp_path / "models/families/mlp.py").open("a") as file:
        file.write("# wide_deep imports its hidden layers from here\n")
    again = digests_in(tmp_path, MODULES)
    assert [old == new for old, new in zip(edited, again, strict=True)] == [False, False, True, True]


def test_same_code_same_digest():
    assert code_digest(["models.train"]) == code_digest(["models.train"])


def test_content_counts_and_not_the_time(tmp_path):
    import os

    file = tmp_path / "a.csv"
    file.write_text("1")
    os.utime(file, (1, 1))
    before = data_digest([file])
    file.write_text("2")
    os.utime(file, (1, 1))
    assert data_digest([file]) != before


def test_what_a_digest_stands_for_is_kept(tmp_path):
    digest = code_digest(["models.families.wide_deep"])
    assert read_code(tmp_path, digest) is None
    keep_code(tmp_path)
    code = read_code(tmp_path, digest)
    # the packages that it lies in run when it is imported
    assert {"models/families/wide_deep.py", "models/families/__init__.py", "models/__init__.py"} <= set(code.files)
    assert "models/families/dcn.py" not in code.files
    assert code.libraries["tensorflow"].startswith("2.")
    (tmp_path / f"{digest}.json").write_text("{")
    assert read_code(tmp_path, digest) is None
