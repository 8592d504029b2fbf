"""What was pushed: the manifest in each version's folder, and whether the files are still what it says.

`penstock run` writes it, everything after the push reads it. Manifests of earlier releases lack fields; those have
defaults.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue, ValidationError

from serving.errors import DataLossError

Cause = Literal["rollback", "hold", "promote"]
MANIFEST = Path("assets.extra", "manifest.json")
SHOWN_FAULTS = 3


class Record(BaseModel):
    """What is written to disk by one release and read by another: unknown fields are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, allow_inf_nan=False)


class Lineage(Record):
    """What a model was made of.

    Attributes:
        run: TFX's id of the run.
        source: digest of the rows that were read, one a span.
        spans: their names; empty without spans.
        data: digest of the examples by split.
        rows: how many examples, by split.
        schema_digest: SHA-256 of the schema that the data was held against.
        code: digest of the code and of the libraries that made it.
        lock: SHA-256 of the lock file, else of the list of what was installed.
        problem: the YAML with every default.
    """

    run: str = ""
    source: str = ""
    spans: tuple[str, ...] = ()
    data: dict[str, str] = {}
    rows: dict[str, int] = {}
    schema_digest: str = ""
    code: str = ""
    lock: str = ""
    problem: JsonValue = None


class Parity(Record):
    """How far the model's answers differ between the ways to ask it: over `rows` rows by `largest` at most."""

    rows: int
    largest: float


class Edge(Record):
    """The model's file for devices, and what it was found to be.

    Attributes:
        quantize: what its weights are held in: none (32 bits), float16 or int8.
        size_bytes: of the file.
        served_bytes: of the SavedModel's files.
        rows: held-out rows that it was asked.
        difference: the largest one from the answers of the network that was trained.
        metric: the target's first one.
        metric_rows: held-out rows that it is of.
        value: of the metric; None where it is not defined.
        served_value: of the SavedModel on the same rows.
    """

    quantize: str
    size_bytes: int
    served_bytes: int
    rows: int
    difference: float
    metric: str
    metric_rows: int
    value: float | None = None
    served_value: float | None = None

    def __str__(self) -> str:
        """What it is, in words."""
        values = (
            f"; {self.metric} {self.value:.4f} (served: {self.served_value:.4f}) on {self.metric_rows:,} held-out rows"
            if self.value is not None and self.served_value is not None
            else ""
        )
        return (
            f"LiteRT, quantize {self.quantize}, {self.size_bytes / 1000:,.0f} kB "
            f"(SavedModel: {self.served_bytes / 1000:,.0f} kB), within {self.difference:.0e} of Keras{values}"
        )


class Manifest(Record):
    """One pushed version.

    Attributes:
        name: the model.
        version: the folder's name.
        created: when it was pushed, UTC.
        digest: of the model's files as they were trained; the same model has it in each version.
        files: SHA-256 by path below the folder, without this manifest.
        lineage: what it was made of.
        metrics: over all evaluated rows.
        parity: between the ways to ask it, where that was measured.
        edge: its file for devices, if it has one.
        who: pushed it.
        why: in words.
        origin: the version whose files these are, if they were put here once more.
        cause: why they were: a rollback, or a roll-out that holds stable in front or promotes its canary.
    """

    name: str
    version: int
    created: AwareDatetime
    digest: str
    files: dict[str, str]
    lineage: Lineage = Lineage()
    metrics: dict[str, float] = {}
    parity: Parity | None = None
    edge: Edge | None = None
    who: str = ""
    why: str = ""
    origin: int | None = None
    cause: Cause = "rollback"


class Fault(NamedTuple):
    """A file that is not what it was, and in which way."""

    file: str
    what: str

    def __str__(self) -> str:
        """`file: what`."""
        return f"{self.file}: {self.what}"


def digest_file(file: Path) -> str:
    """Return the SHA-256 of the file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_files(folder: Path) -> dict[str, str]:
    """Return SHA-256 by path of all files below `folder` but the manifest, in the order of their paths."""
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return {name: digest_file(folder / name) for name in names if name != MANIFEST.as_posix()}


def digest_model(files: dict[str, str]) -> str:
    """Return one digest over the names and digests of a model's files."""
    return hashlib.sha256("\n".join(f"{name} {value}" for name, value in files.items()).encode()).hexdigest()


def read_manifest(version: Path) -> Manifest | None:
    """Return the manifest of a version's folder, None for a version that is not ours.

    Raises:
        DataLossError: it can't be read.
    """
    file = version / MANIFEST
    if not file.is_file():
        return None
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise DataLossError(f"{file} cannot be read: {reason}") from error


def find_faults(version: Path, manifest: Manifest) -> list[Fault]:
    """Return the files of a version that are altered, missing or more than were pushed, by path."""
    found = digest_files(version)
    return [
        Fault(name, "missing" if name not in found else "altered" if name in manifest.files else "was not pushed")
        for name in sorted({*found, *manifest.files})
        if found.get(name) != manifest.files.get(name)
    ]


def is_intact(version: Path, digest: str) -> bool:
    """Return whether a version is the model of that digest, with every file as it was pushed."""
    try:
        manifest = read_manifest(version)
    except DataLossError:
        return False
    return manifest is not None and manifest.digest == digest and not find_faults(version, manifest)


def check_files(version: Path) -> None:
    """Refuse a version whose files are not what its manifest says; one without a manifest passes.

    Raises:
        DataLossError: names the files.
    """
    manifest = read_manifest(version)
    faults = find_faults(version, manifest) if manifest else []
    if faults:
        shown = "; ".join(map(str, faults[:SHOWN_FAULTS]))
        more = f"; and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
        raise DataLossError(f"{version} is not what was pushed: {shown}{more}")
