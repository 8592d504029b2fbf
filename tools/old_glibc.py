"""Make TFX's two newest extension modules load on a glibc older than 2.39.

ml-metadata 1.21 and TFDV 1.21 ship only wheels built for glibc 2.39 (`manylinux_2_39`): Debian 12, Ubuntu 22.04
and RHEL 9 cannot load them. Of what those modules ask for, four C23 number parsers and one C++ helper are new, and
older systems have an equivalent of each; so the two files are edited to ask for that. Run it after each sync: a
reinstalled package is unedited again.

No library does it: pyelftools only reads, patchelf leaves the version requirements in, lief lays out the tables anew.

    python tools/old_glibc.py [SITE_PACKAGES] [--no-import]
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

import elf

MODULES = (
    "ml_metadata/metadata_store/pywrap/metadata_store_extension.so",
    "tensorflow_data_validation/pywrap/tensorflow_data_validation_extension.so",
)
BUILT_FOR = (2, 39)

# What glibc 2.34 with GCC 11 provides (RHEL 9, the oldest system that this is for). Versions above it are replaced.
NEWEST = {"GLIBC": (2, 34), "GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13), "GCC": (7, 0, 0)}
# The version that each stand-in below has carried since x86-64 began.
REPLACEMENTS = {"GLIBC": "GLIBC_2.2.5", "GLIBCXX": "GLIBCXX_3.4", "CXXABI": "GLIBCXX_3.4"}
STAND_INS = {
    # The C23 parsers differ from the older ones in one point: they take binary numbers ("0b101") too.
    "__isoc23_strtol": "strtol",
    "__isoc23_strtoll": "strtoll",
    "__isoc23_strtoul": "strtoul",
    "__isoc23_strtoull": "strtoull",
    # Called when an exception leaves a noexcept function: ends the process, as std::terminate() does.
    "__cxa_call_terminate": "_ZSt9terminatev",
}

LOAD = """
import importlib.util, pathlib, sys
for path in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location(pathlib.Path(path).stem, path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Edit both modules if this host needs it; exit with 1 and one message if that cannot be done."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    site_packages = sysconfig.get_path("platlib")
    parser.add_argument("site_packages", nargs="?", type=Path, default=Path(site_packages), metavar="SITE_PACKAGES")
    parser.add_argument("--no-import", action="store_true", help="do not load the modules afterwards")
    options = parser.parse_args(arguments)
    if sys.platform != "linux":
        print(f"old_glibc: nothing to do on {sys.platform}")
        return
    paths = [options.site_packages / module for module in MODULES]
    mend(paths, host_glibc())
    if not options.no_import:
        load(paths)


def host_glibc() -> tuple[int, ...]:
    """Return the version of the C library that this process runs on."""
    try:
        library, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except ValueError:  # musl knows no such name
        library, version = "none", ""
    if library != "glibc":
        raise SystemExit(f"old_glibc: expected a Linux with glibc, received one with {library or 'none'}")
    return _numbers(version)


def mend(paths: Sequence[Path], host: tuple[int, ...]) -> None:
    """Edit each file that asks for too new a version, unless the host has what the wheels were built for."""
    if host >= BUILT_FOR:
        print(f"old_glibc: nothing to do on glibc {_dotted(host)}")
        return
    for path in paths:
        try:
            done = mend_file(path)
            verify(path, host)
        except (elf.ElfError, OSError) as error:
            raise SystemExit(f"old_glibc: {error}\n  file: {path}") from error
        print(f"old_glibc: {path.name}: {done}")


def mend_file(path: Path) -> str:
    """Edit one file and say what was done; a file that is in order stays untouched."""
    shared = elf.parse(path.read_bytes())
    too_new = {requirement.index: requirement for requirement in shared.requirements if _is_too_new(requirement)}
    if not too_new:
        return "in order"
    resolved = [symbol for symbol in shared.symbols if symbol.version in too_new and symbol.resolved]
    for symbol in resolved:
        shared.rename(symbol, _stand_in(symbol, too_new[symbol.version]))
    for requirement in too_new.values():
        shared.require(requirement, _replacement(requirement))
    replace(path, shared.content)
    return f"no longer needs {', '.join(sorted(requirement.version for requirement in too_new.values()))}"


def replace(path: Path, content: bytes | bytearray) -> None:
    """Put `content` in the place of `path` in one step: other hard links of it (uv's cache) keep the old bytes."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        file.write(content)
    try:
        shutil.copymode(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def verify(path: Path, host: tuple[int, ...]) -> None:
    """Read the file again; raise ElfError if it still asks for more than the host or the oldest system has."""
    shared = elf.parse(path.read_bytes())
    left = [requirement for requirement in shared.requirements if _is_too_new(requirement)]
    left += [requirement for requirement in shared.requirements if _exceeds(requirement, host)]
    if left:
        versions = ", ".join(dict.fromkeys(requirement.version for requirement in left))
        raise elf.ElfError(f"expected to need no more than glibc {_dotted(host)}, still needs {versions}")


def load(paths: Sequence[Path]) -> None:
    """Import the modules in a fresh process, without their packages (those would import TensorFlow)."""
    command = [sys.executable, "-c", LOAD, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise SystemExit(f"old_glibc: expected the edited modules to load, received: {reason}")


def _stand_in(symbol: elf.Symbol, requirement: elf.Requirement) -> str:
    if symbol.name not in STAND_INS:
        raise elf.ElfError(
            f"expected one of the symbols {', '.join(STAND_INS)}, received {symbol.name}@{requirement.version}"
        )
    return STAND_INS[symbol.name]


def _replacement(requirement: elf.Requirement) -> str:
    family = requirement.version.partition("_")[0]
    if family not in REPLACEMENTS:
        raise elf.ElfError(f"expected a version of {', '.join(REPLACEMENTS)}, received {requirement.version}")
    return REPLACEMENTS[family]


def _is_too_new(requirement: elf.Requirement) -> bool:
    known = re.fullmatch(r"([A-Z]+)_(\d+(?:\.\d+)*)", requirement.version)
    if not known or known[1] not in NEWEST:
        raise elf.ElfError(
            f"expected versions of {', '.join(NEWEST)}, received {requirement.version} of {requirement.library}"
        )
    return _numbers(known[2]) > NEWEST[known[1]]


def _exceeds(requirement: elf.Requirement, host: tuple[int, ...]) -> bool:
    family, _, version = requirement.version.partition("_")
    return family == "GLIBC" and _numbers(version) > host


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


if __name__ == "__main__":
    main()
