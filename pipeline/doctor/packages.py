"""Checks of what is installed against what the packages themselves require."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from pipeline.doctor.finding import Finding

OURS = "penstock"
STACK = (
    "tfx",
    "tensorflow",
    "keras",
    "apache-beam",
    "tensorflow-data-validation",
    "tensorflow-transform",
    "tensorflow-model-analysis",
    "ml-metadata",
    "duckdb",
    "pyarrow",
)


def examine_packages() -> Iterator[Finding]:
    """Yield a line for the versions that matter, and one for each requirement that does not hold."""
    versions = {name: _version(name) for name in STACK}
    says = ", ".join(f"{name} {found}" for name, found in versions.items() if found)
    yield Finding(check="packages", level="ok", says=says)
    for name in (OURS, *STACK):
        for requirement in _requirements(name):
            found = _version(requirement.name)
            if found is None or not requirement.specifier.contains(found, prereleases=True):
                says = f"{name} requires {requirement.name}{requirement.specifier}, received {found or 'none'}"
                yield Finding(check="packages", level="error", says=says, advice="make setup")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _requirements(name: str) -> Iterator[Requirement]:
    """Yield what a package requires on this machine, without its extras."""
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        return
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement
