"""Checks of the machine: Python, C library, memory, disk, ports, GPU."""

import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from ctypes.util import find_library
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import cache_from_source, find_spec
from pathlib import Path

from pipeline.doctor.finding import Finding, Level

GIBIBYTE = 2**30
MEMORY = (1 * GIBIBYTE, 2 * GIBIBYTE)
"""Free bytes below which there is an error, and a warning: a run of the smallest table takes 1 GB."""
DISK = (GIBIBYTE // 2, 5 * GIBIBYTE)
INODES = (1_000, 50_000)
PORTS = {8500: "gRPC", 8501: "REST"}
COMPILED = ("tfx", "tensorflow", "keras", "apache_beam", "pipeline")
EXTENSIONS = {
    "ml-metadata": "ml_metadata/metadata_store/pywrap/metadata_store_extension.so",
    "tensorflow-data-validation": "tensorflow_data_validation/pywrap/tensorflow_data_validation_extension.so",
}
"""What tools/old_glibc.py edits; a reinstalled package is unedited again."""
LOAD = """
import importlib.util, pathlib, sys
for path in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location(pathlib.Path(path).stem, path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
"""


def examine_machine(home: Path) -> Iterator[Finding]:
    """Yield what there is to say of the machine, and of the disk that `home` is or will be on."""
    yield _python()
    yield _bytecode()
    yield _extensions()
    yield _memory()
    yield from _disk(home)
    yield from map(_port, PORTS)
    yield _gpu()


def grade(free: int, limits: tuple[int, int]) -> Level:
    """Return the level of what is free by the limits of an error and a warning."""
    return "error" if free < limits[0] else "warning" if free < limits[1] else "ok"


def _python() -> Finding:
    version, known = platform.python_version(), (3, 11) <= sys.version_info[:2] <= (3, 13)
    advice = "" if known else "make setup with PYTHON=python3.13"
    return Finding(check="Python", level="ok" if known else "error", says=f"{version}, {sys.prefix}", advice=advice)


def _bytecode() -> Finding:
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        says = "PYTHONDONTWRITEBYTECODE is set: every start may compile TensorFlow and TFX anew"
        return Finding(check="bytecode", level="warning", says=says, advice="unset PYTHONDONTWRITEBYTECODE")
    specs = {name: find_spec(name) for name in COMPILED}
    origins = {name: spec.origin for name, spec in specs.items() if spec and spec.origin}
    missing = [name for name, origin in origins.items() if not Path(cache_from_source(origin)).exists()]
    if missing:
        says = f"{', '.join(missing)}: not compiled, the next start takes three times as long"
        return Finding(check="bytecode", level="warning", says=says, advice="python -m compileall of the environment")
    return Finding(check="bytecode", level="ok", says="compiled")


def _extensions() -> Finding:
    """Load both in another process, without their packages: those would import TensorFlow."""
    glibc = " ".join(part for part in platform.libc_ver() if part) or "no glibc"
    paths = []
    for name, file in EXTENSIONS.items():
        with suppress(PackageNotFoundError):
            paths.append(str(distribution(name).locate_file(file)))
    command = [sys.executable, "-I", "-c", LOAD, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        advice = "python tools/old_glibc.py, as `make setup` does"
        return Finding(check="C library", level="error", says=f"{glibc}: {reason}", advice=advice)
    return Finding(check="C library", level="ok", says=f"{glibc}; ml-metadata and TFDV load")


def _memory() -> Finding:
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text("ascii").splitlines())
        total, free = (int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    except OSError:  # not Linux
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return Finding(check="memory", level=grade(total, MEMORY), says=f"{total / GIBIBYTE:.1f} GiB")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text("ascii").strip()).isdecimal():
        used = int(limit.with_name("memory.current").read_text("ascii"))
        total, free = min(total, int(text)), min(free, int(text) - used)
    level = grade(free, MEMORY)
    advice = "" if level == "ok" else "even a small run takes 1 GB: stop something else"
    says = f"{free / GIBIBYTE:.1f} of {total / GIBIBYTE:.1f} GiB are free"
    return Finding(check="memory", level=level, says=says, advice=advice)


def _disk(home: Path) -> Iterator[Finding]:
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    usage, status = shutil.disk_usage(there), os.statvfs(there)
    level = grade(usage.free, DISK)
    advice = "" if level == "ok" else "`penstock gc` lists what may go; $PENSTOCK_HOME names another place"
    says = f"{usage.free / GIBIBYTE:.1f} of {usage.total / GIBIBYTE:.1f} GiB are free at {there}"
    yield Finding(check="disk", level=level, says=says, advice=advice)
    if not os.access(there, os.W_OK):
        yield Finding(check="disk", level="error", says=f"{there} can't be written", advice="$PENSTOCK_HOME")
    if status.f_files and grade(status.f_favail, INODES) != "ok":
        says = f"{status.f_favail:,} of {status.f_files:,} inodes are free at {there}"
        yield Finding(check="inodes", level=grade(status.f_favail, INODES), says=says, advice="`penstock gc`")


def _port(port: int) -> Finding:
    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            says = f"{PORTS[port]}: {error.strerror or error}"
            advice = "fine if it is your server; else `penstock serve` with another port"
            return Finding(check=f"port {port}", level="warning", says=says, advice=advice)
    return Finding(check=f"port {port}", level="ok", says=f"{PORTS[port]}: free")


def _gpu() -> Finding:
    """Look for a driver, not for what TensorFlow makes of it: that would take its import."""
    devices = sorted(path.name for path in Path("/dev").glob("nvidia[0-9]*"))
    library = find_library("cuda")
    if not devices and not library:
        return Finding(check="GPU", level="ok", says="none seen; models train on the CPU")
    if not (devices and library):
        lacking = "no libcuda" if devices else "libcuda, but no /dev/nvidia0"
        return Finding(check="GPU", level="warning", says=lacking, advice="install NVIDIA's driver, or ignore this")
    names = _list_gpus() or ", ".join(devices)
    if find_spec("nvidia") is None:
        advice = "pip install 'tensorflow[and-cuda]'"
        return Finding(check="GPU", level="warning", says=f"{names}, but CUDA's libraries are missing", advice=advice)
    return Finding(check="GPU", level="ok", says=names)


def _list_gpus() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run([program, "-L"], capture_output=True, text=True, check=False, timeout=5)
        return "; ".join(line.split(" (UUID")[0] for line in done.stdout.splitlines()) if not done.returncode else ""
    return ""
