"""What was found of a candidate: measurements, the parity certificate, and why it is not served."""

from pathlib import Path
from typing import Any

from models.settings import Settings
from pipeline.errors import InputError
from pipeline.infra.parity import PARITY_FILE, Parity
from serving.artifact import EDGE_FILE
from serving.manifest import Edge

VERDICT_FILE = "verdict.json"
EDGE_NAME = EDGE_FILE.name
BLESSING_TYPE = "InfraBlessing"


class Verdict(Settings):
    """The verdict on a candidate; what could not be measured because it was refused before is None.

    Attributes:
        server: that it was asked in.
        size_mb: of its files.
        rss_mb: the most memory of the server's process, None too where the system does not tell it.
        p99_ms: the time in which 99 of 100 requests of one row are answered.
        parity: the certificate.
        edge: its file for devices, EDGE_NAME beside the verdict; None if none was asked for.
        refusals: why it must not be served, a line each; none: it may.
    """

    server: str
    size_mb: float
    rss_mb: float | None = None
    p99_ms: float | None = None
    parity: Parity | None = None
    edge: Edge | None = None
    refusals: tuple[str, ...] = ()

    def measured(self) -> str:
        """What was measured, in words; nothing of a model that was refused before."""
        if self.parity is None:
            return ""
        largest = max(each for each in self.parity.differences.values() if each is not None)
        memory = [f"{self.rss_mb:,.0f} MB memory"] if self.rss_mb else []
        speed, parity = f"p99 {self.p99_ms:.1f} ms", f"within {largest:.0e} of Keras"
        return ", ".join([f"{self.size_mb:.1f} MB", *memory, speed, parity])


def write_verdict(verdict: Verdict, folder: Path) -> None:
    """Leave the verdict in an artifact's folder, and the certificate as a file of its own."""
    (folder / VERDICT_FILE).write_text(verdict.model_dump_json(indent=2), "utf-8")
    if verdict.parity:
        (folder / PARITY_FILE).write_text(verdict.parity.model_dump_json(indent=2), "utf-8")


def read_infra(run: Any) -> Verdict:
    """Return the verdict of a `pipeline.lineage.Run`.

    Raises:
        InputError: it is gone or damaged.
    """
    return read_verdict(Path(run.output(BLESSING_TYPE).uri))


def read_verdict(folder: Path) -> Verdict:
    """Return the verdict in an artifact's folder.

    Raises:
        InputError: it is gone or damaged.
    """
    file = folder / VERDICT_FILE
    try:
        return Verdict.model_validate_json(file.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: expected the InfraValidator's verdict: {error}") from error
