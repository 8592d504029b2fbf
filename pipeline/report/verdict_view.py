"""The data gate's part of the page: what it decided, against what, and each finding with what accepts it."""

from collections.abc import Mapping
from typing import NamedTuple

from pipeline.gate.verdict import Finding, Level, Verdict
from pipeline.report.columns import ColumnFacts
from pipeline.report.facts import Facts
from pipeline.report.words import plural

ORDER: tuple[Level, ...] = ("block", "warn", "accepted")
WORDS = {"block": "blocks", "warn": "warning", "accepted": "accepted"}
CLASSES = {"block": "error", "warn": "warning", "accepted": "accepted"}
SHOWN = 12
"""Findings that do not block and are shown at once; the others come when asked for."""
SCHEMA_CHECK = "schema"
"""The check whose findings are a column's anomalies."""


class FindingView(NamedTuple):
    """A finding on the page.

    Attributes:
        word: its level.
        css: class of its level.
        check: the check's name.
        feature: the column, empty without one.
        anchor: of the column's card; empty if it has none.
        message: what was found.
        accept: the command that accepts it; empty without one, and for what is accepted.
    """

    word: str
    css: str
    check: str
    feature: str
    anchor: str
    message: str
    accept: str


class VerdictView(NamedTuple):
    """The gate's decision on the page.

    Attributes:
        css: class of the whole.
        title: the decision.
        counts: how many findings of which level.
        basis: which schema was used, and what the data was compared with.
        findings: the blocking ones first.
        more: those that do not block and are too many to be shown at once.
    """

    css: str
    title: str
    counts: str
    basis: str
    findings: list[FindingView]
    more: list[FindingView]


def view_verdict(facts: Facts, anchors: Mapping[str, str]) -> VerdictView | None:
    """Return the verdict as the page shows it; None if the gate did not run. `anchors`: of the columns by name."""
    verdict = facts.verdict
    if verdict is None:
        return None
    views = {level: view_findings(verdict, level, anchors) for level in ORDER}
    blocking, others = views["block"], views["warn"] + views["accepted"]
    # one line more takes no more room than the words that would hide it
    shown = len(others) if len(others) <= SHOWN + 1 else SHOWN
    return VerdictView(
        css="error" if blocking else "warning" if views["warn"] else "passed",
        title="Blocked by the data gate" if verdict.is_blocked else "Passed the data gate",
        counts=_counts({level: len(found) for level, found in views.items()}),
        basis=f"Held against {_schema(verdict)}; {_compared(facts, verdict)}.",
        findings=blocking + others[:shown],
        more=others[shown:],
    )


def view_findings(verdict: Verdict, level: Level, anchors: Mapping[str, str]) -> list[FindingView]:
    """Return the findings of a level, in the gate's order."""
    return [_finding(found, anchors) for found in verdict.findings if found.level == level]


def column_findings(verdict: Verdict | None, column: ColumnFacts) -> list[FindingView]:
    """Return what the gate found of a column beside its anomalies, the blocking ones first."""
    if verdict is None:
        return []
    told = {SCHEMA_CHECK} if column.anomalies else set[str]()
    found = [each for each in verdict.findings if each.feature == column.name and each.check not in told]
    return [_finding(each, {}) for each in sorted(found, key=lambda each: ORDER.index(each.level))]


def _finding(found: Finding, anchors: Mapping[str, str]) -> FindingView:
    return FindingView(
        word=WORDS[found.level],
        css=CLASSES[found.level],
        check=found.check,
        feature=found.feature,
        anchor=anchors.get(found.feature, ""),
        message=found.message,
        accept="" if found.level == "accepted" else found.accept,
    )


def _counts(found: Mapping[Level, int]) -> str:
    blocking, warnings, accepted = (found[level] for level in ORDER)
    texts = [
        f"{plural(blocking, 'finding')} {'blocks' if blocking == 1 else 'block'}" if blocking else "",
        plural(warnings, "warning") if warnings else "",
        f"{accepted} accepted" if accepted else "",
    ]
    return ", ".join(text for text in texts if text) or "No check found anything"


def _schema(verdict: Verdict) -> str:
    return "the curated schema" if verdict.schema_source == "curated" else "a schema inferred from this data"


def _compared(facts: Facts, verdict: Verdict) -> str:
    if not (facts.previous_run or verdict.compared_with):
        return "there was no earlier data to compare with"
    run = f"run {facts.previous_run}" if facts.previous_run else ""
    # of data without spans the name is when that run was
    is_span = verdict.named.startswith("span ")
    named = f"{verdict.named} of {run}" if run and is_span else run or verdict.named or "earlier data"
    is_gone = run and facts.compared == len(facts.series)
    return f"compared with {named}" + (", whose data is the same or gone" if is_gone else "")
