"""The editor against real shared objects: gcc links them to stub libraries that have what glibc 2.38 brought."""

import ctypes
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64" or not shutil.which("gcc"),
    reason="builds shared objects for Linux on x86_64",
)

TOOLS = Path(__file__).parents[2] / "tools"
OLD_HOST = (2, 36)
PARSER = """
long __isoc23_strtol(const char *, char **, int);
unsigned long strtoul(const char *, char **, int);
long parse(const char *text) { return __isoc23_strtol(text, 0, 10) + (long)strtoul(text, 0, 10); }
"""
TERMINATOR = """
void *_Znwm(unsigned long);
void __cxa_call_terminate(void *);
void *reserve(void) { return _Znwm(8); }
void end(void) { __cxa_call_terminate(0); }
"""
LIBC = {"GLIBC_2.2.5": ["strtoul"], "GLIBC_2.38": ["__isoc23_strtol"]}
LIBSTDCXX = {"GLIBCXX_3.4": ["_Znwm"], "CXXABI_1.3.15": ["__cxa_call_terminate"]}

Build = Callable[[str, str, dict[str, list[str]]], Path]


@pytest.fixture(scope="session")
def old_glibc() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TOOLS))
        yield importlib.import_module("old_glibc")


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Link `source` to a stub of the library `soname` that defines `versions`: version -> its symbols."""

    def run(source: str, soname: str, versions: dict[str, list[str]]) -> Path:
        stub, built = tmp_path / "stub.so", tmp_path / "built.so"
        symbols = [symbol for names in versions.values() for symbol in names]
        (tmp_path / "stub.c").write_text("".join(f"void {symbol}(void) {{}}\n" for symbol in symbols))
        nodes = [f"{version} {{ {'; '.join(names)}; }};\n" for version, names in versions.items()]
        (tmp_path / "stub.map").write_text("".join(nodes))
        (tmp_path / "built.c").write_text(source)
        compile_ = ["gcc", "-shared", "-fPIC", "-nostdlib", "-fno-builtin", "-w"]
        script = [f"-Wl,-soname,{soname}", f"-Wl,--version-script,{tmp_path / 'stub.map'}"]
        subprocess.run([*compile_, *script, "-o", stub, tmp_path / "stub.c"], check=True)
        subprocess.run([*compile_, "-o", built, tmp_path / "built.c", stub], check=True)
        return built

    return run


@pytest.fixture
def parser(build: Build) -> Path:
    return build(PARSER, "libc.so.6", LIBC)


def required(path: Path) -> set[str]:
    elf = importlib.import_module("elf")
    return {requirement.version for requirement in elf.parse(path.read_bytes()).requirements}


def identity(path: Path) -> tuple[int, int]:
    return path.stat().st_ino, path.stat().st_mtime_ns


def test_edited_module_loads_and_calls_the_stand_in(old_glibc: ModuleType, parser: Path) -> None:
    assert required(parser) == {"GLIBC_2.2.5", "GLIBC_2.38"}
    if old_glibc.host_glibc() < (2, 38):
        with pytest.raises(OSError, match=r"GLIBC_2\.38"):
            ctypes.CDLL(str(parser))
    old_glibc.mend([parser], OLD_HOST)
    assert required(parser) == {"GLIBC_2.2.5"}
    assert ctypes.CDLL(str(parser)).parse(b"21") == 42


def test_name_that_is_not_in_the_file_is_written_over_the_old_one(old_glibc: ModuleType, build: Build) -> None:
    path = build(TERMINATOR, "libstdc++.so.6", LIBSTDCXX)
    old_glibc.mend([path], OLD_HOST)
    assert required(path) == {"GLIBCXX_3.4"}
    assert b"_ZSt9terminatev\0" in path.read_bytes()
    assert ctypes.CDLL(str(path), mode=os.RTLD_NOW).reserve() != 0


def test_name_that_others_share_is_not_overwritten(old_glibc: ModuleType, build: Build) -> None:
    # the linker stores `call_terminate` as the tail of `__cxa_call_terminate`
    path = build(TERMINATOR + "void call_terminate(void) {}", "libstdc++.so.6", LIBSTDCXX)
    with pytest.raises(SystemExit, match="expected the string __cxa_call_terminate to have one user"):
        old_glibc.mend([path], OLD_HOST)


def test_symbol_that_nothing_calls_needs_no_stand_in(old_glibc: ModuleType, build: Build) -> None:
    source = '__asm(".globl brand_new");' + PARSER
    path = build(source, "libc.so.6", LIBC | {"GLIBC_2.38": ["__isoc23_strtol", "brand_new"]})
    old_glibc.mend([path], OLD_HOST)
    assert required(path) == {"GLIBC_2.2.5"}


def test_second_run_leaves_the_file_alone(
    old_glibc: ModuleType, parser: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old_glibc.mend([parser], OLD_HOST)
    before = identity(parser)
    old_glibc.mend([parser], OLD_HOST)
    assert identity(parser) == before
    assert capsys.readouterr().out.splitlines() == [
        "old_glibc: built.so: no longer needs GLIBC_2.38",
        "old_glibc: built.so: in order",
    ]


def test_hard_link_keeps_its_bytes_and_the_file_its_mode(old_glibc: ModuleType, parser: Path, tmp_path: Path) -> None:
    parser.chmod(0o750)
    cached = tmp_path / "cached.so"
    cached.hardlink_to(parser)
    before = cached.read_bytes()
    files = sorted(tmp_path.iterdir())
    old_glibc.mend([parser], OLD_HOST)
    assert cached.read_bytes() == before != parser.read_bytes()
    assert parser.stat().st_mode & 0o777 == 0o750
    assert sorted(tmp_path.iterdir()) == files


def test_new_host_leaves_every_file_alone(
    old_glibc: ModuleType, parser: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = identity(parser)
    old_glibc.mend([parser], (2, 39))
    assert identity(parser) == before
    assert capsys.readouterr().out == "old_glibc: nothing to do on glibc 2.39\n"


def test_host_older_than_what_is_left_is_refused(old_glibc: ModuleType, parser: Path) -> None:
    with pytest.raises(SystemExit, match=r"expected to need no more than glibc 2\.2\.4, still needs GLIBC_2\.2\.5"):
        old_glibc.mend([parser], (2, 2, 4))


def test_unknown_symbol_is_named_and_the_file_left_alone(old_glibc: ModuleType, build: Build) -> None:
    source = PARSER + "void brand_new(void); void call(void) { brand_new(); }"
    path = build(source, "libc.so.6", LIBC | {"GLIBC_2.38": ["__isoc23_strtol", "brand_new"]})
    before = path.read_bytes()
    with pytest.raises(SystemExit, match=r"received brand_new@GLIBC_2\.38\n  file: .*built\.so"):
        old_glibc.mend([path], OLD_HOST)
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", ["GLIBC_ABI_DT_RELR", "OPENSSL_3.0.0"])
def test_unknown_kind_of_version_is_named(old_glibc: ModuleType, build: Build, version: str) -> None:
    path = build(PARSER, "libc.so.6", {"GLIBC_2.2.5": ["strtoul"], version: ["__isoc23_strtol"]})
    with pytest.raises(SystemExit, match=f"received {version} of libc.so.6"):
        old_glibc.mend([path], OLD_HOST)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"#!/bin/sh\n", "expected a little-endian ELF64 file"),
        (b"", "expected a little-endian ELF64 file"),
        (b"\x7fELF\x02\x01\x01", "received damaged ones"),
        (b"\x7fELF\x02\x01" + bytes(90), "received a file without them"),
    ],
)
def test_other_files_are_refused(old_glibc: ModuleType, tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "module.so"
    path.write_bytes(content)
    with pytest.raises(SystemExit, match=message):
        old_glibc.mend([path], OLD_HOST)


def test_missing_file_is_named(old_glibc: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"file: .*missing\.so"):
        old_glibc.mend([tmp_path / "missing.so"], OLD_HOST)


def test_command_edits_both_modules(
    old_glibc: ModuleType, parser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_glibc, "host_glibc", lambda: OLD_HOST)
    modules = [tmp_path / "site" / module for module in old_glibc.MODULES]
    for module in modules:
        module.parent.mkdir(parents=True)
        shutil.copy(parser, module)
    old_glibc.main([str(tmp_path / "site"), "--no-import"])
    assert [required(module) for module in modules] == [{"GLIBC_2.2.5"}] * 2
    with pytest.raises(SystemExit, match=r"expected the edited modules to load, received: ImportError: .*PyInit"):
        old_glibc.main([str(tmp_path / "site")])


def test_command_ends_with_1_and_one_message(tmp_path: Path, old_glibc: ModuleType) -> None:
    command = [sys.executable, str(TOOLS / "old_glibc.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if old_glibc.host_glibc() >= old_glibc.BUILT_FOR:
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert done.returncode == 1
        assert done.stderr.count("old_glibc:") == 1
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("version", "value"), [("GLIBC_2.2.5", 0x09691A75), ("GLIBC_2.14", 0x06969194)])
def test_version_hash_is_the_linkers(old_glibc: ModuleType, version: str, value: int) -> None:
    assert old_glibc.elf.version_hash(version) == value
