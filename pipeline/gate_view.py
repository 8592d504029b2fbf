"""The data gate's verdict on a screen: what is wrong, how much, and which command accepts it."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.render import relative

if TYPE_CHECKING:
    from pipeline.gate.verdict import Finding, Verdict

SHOWN = 12
COLORS = {"block": "red", "warn": "yellow", "accepted": "cyan"}


def render_blocked(verdict: "Verdict", problem: Path, report: Path | None) -> RenderableType:
    """Return the screen of a blocked run."""
    compared = f", compared with {verdict.named}" if verdict.named else ""
    title = Text.assemble(
        ("\nBlocked by the data gate: nothing was trained, nothing was pushed", "bold red"),
        f"\nThe data was held against the {verdict.schema_source} schema{compared}.\n",
    )
    blocking = [finding for finding in verdict.findings if finding.level == "block"]
    others = [finding for finding in verdict.findings if finding.level != "block"]
    parts: list[RenderableType] = [title, _table(blocking)]
    if others:
        parts.append(_table(others))
    parts.append(_accepting(blocking, problem))
    if report:
        parts.append(Text.assemble("Look at the data: ", (relative(report), "green"), "\n"))
    return Group(*parts)


def render_findings(verdict: "Verdict") -> RenderableType:
    """Return what the gate found in data that it let pass; nothing if there is nothing."""
    if not verdict.findings:
        return Text()
    return Group(Text("Data gate", style="bold"), _table(list(verdict.findings)))


def _table(findings: "list[Finding]") -> RenderableType:
    made = Table(box=box.SIMPLE, pad_edge=False, show_header=False)
    made.add_column("check", no_wrap=True)
    made.add_column("column", overflow="fold", max_width=24)
    made.add_column("found", overflow="fold")
    for finding in findings[:SHOWN]:
        check = Text(finding.check, style=COLORS[finding.level])
        accepted = " (accepted)" if finding.level == "accepted" else ""
        made.add_row(check, finding.feature, f"{finding.message}{accepted}")
    if len(findings) > SHOWN:
        made.add_row("", "", f"and {len(findings) - SHOWN} more: --json shows all")
    return made


def _accepting(findings: "list[Finding]", problem: Path) -> Text:
    """Return the commands that accept what was found: edits of the schema, then what only a run accepts."""
    name = relative(problem.resolve())
    edits: dict[str, list[str]] = {}
    accepted = []
    for finding in findings:
        if finding.accept.startswith("penstock run"):
            accepted.append(f"--accept {finding.name}")
        elif finding.accept:
            command, _, words = finding.accept.rpartition(" ")
            edits.setdefault(command, []).append(words)
    lines = [f"{command} {' '.join(words)}" for command, words in edits.items()]
    if accepted:
        lines.append(f"penstock run PROBLEM {' '.join(accepted)}")
    shown = "\n".join(f"  {line.replace('PROBLEM', name)}" for line in lines)
    return Text.assemble(("Mend the data, or accept it as it is:\n", "bold"), shown, "\n")
