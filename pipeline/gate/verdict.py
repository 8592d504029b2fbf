"""What the data gate decided: findings, and whether one of them blocks."""

from pathlib import Path
from typing import Literal

from models.settings import Settings
from pipeline.errors import BlockedError

VERDICT_FILE = "verdict.json"
Level = Literal["block", "warn", "accepted"]


class Finding(Settings):
    """One thing that the data gate found.

    Attributes:
        check: its name, such as `leakage`.
        level: `block` stops the run; `accepted` would have, but somebody has accepted it.
        feature: the column; empty for the table as a whole.
        message: what was found and what was expected, with numbers.
        accept: the command that lets such data pass; empty for what no command can.
    """

    check: str
    level: Level
    feature: str = ""
    message: str
    accept: str = ""

    @property
    def name(self) -> str:
        """How `penstock run --accept` names it: `drift:dep_delay`, `rows`."""
        return f"{self.check}:{self.feature}" if self.feature else self.check


class Verdict(Settings):
    """What the gate says of a run's data.

    Attributes:
        schema_source: `curated` or `inferred`: which schema the data was held against.
        compared_with: ML Metadata's id of the verdict on the data that this run's was compared with; empty: of none.
        named: that data in words.
        findings: blocking ones first.
    """

    schema_source: Literal["curated", "inferred"]
    compared_with: str = ""
    named: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def is_blocked(self) -> bool:
        """Whether nothing may be trained on this data."""
        return any(finding.level == "block" for finding in self.findings)


class DataBlockedError(BlockedError):
    """The gate has stopped a run before anything was trained."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        names = ", ".join(finding.name for finding in verdict.findings if finding.level == "block")
        super().__init__(f"blocked by the data gate: {names}")


def read_verdict(folder: Path) -> Verdict:
    """Return the verdict that the gate left in its artifact's folder."""
    return Verdict.model_validate_json((folder / VERDICT_FILE).read_bytes())
