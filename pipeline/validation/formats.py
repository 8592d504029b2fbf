"""Results as other programs read them: JSON, GitHub's workflow commands, JUnit's XML."""

import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from pipeline.validation.report import Failure, Report
from schemas.anomalies import Anomaly, ExampleRow

Outcome = Report | Failure
TABLE = "(table)"
"""The test case of what is wrong with a table as a whole."""
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def shown_file(file: str) -> str:
    """Return a path as seen from the working folder, if it lies below it."""
    path = Path(file)
    return os.path.relpath(path) if path.is_absolute() and path.is_relative_to(Path.cwd()) else file


def place(row: ExampleRow) -> str:
    """Return `file:line` of a row, or some of its values where nobody knows."""
    if row.file:
        return shown_file(row.file) + ("" if row.line is None else f":{row.line}")
    return ", ".join(f"{name} {value}" for name, value in (row.row or {}).items() if value is not None)


def places(anomaly: Anomaly) -> list[str]:
    """Return where the first rows stand, a file named once if it is that of all."""
    files = {row.file for row in anomaly.rows}
    if len(files) == 1 and files != {""} and all(row.line is not None for row in anomaly.rows):
        # a logged request may hold several of the rows
        lines = dict.fromkeys(str(row.line) for row in anomaly.rows)
        return [f"{shown_file(anomaly.rows[0].file)}:{', '.join(lines)}"]
    return [text for row in anomaly.rows if (text := place(row))]


def to_json(outcomes: Sequence[Outcome]) -> str:
    """Return JSON: an object of one outcome, a list of several."""
    import orjson

    found = [outcome.model_dump(mode="json") for outcome in outcomes]
    return orjson.dumps(found if len(found) > 1 else found[0], option=orjson.OPT_INDENT_2).decode() + "\n"


def to_github(outcomes: Sequence[Outcome]) -> str:
    """Return a workflow command for each anomaly, which GitHub shows beside the line, and a line for each file.

    https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
    """
    return "\n".join(line for outcome in outcomes for line in _commands(outcome)) + "\n"


def _commands(outcome: Outcome) -> Iterator[str]:
    if isinstance(outcome, Failure):
        yield _command("error", {"file": shown_file(outcome.data), "title": "can't be read"}, outcome.error)
        return
    for anomaly in outcome.anomalies:
        row = next((row for row in anomaly.rows if row.file), None)
        properties = {"file": shown_file(row.file if row else outcome.data)}
        if row and row.line is not None:
            properties["line"] = str(row.line)
        properties["title"] = f"{anomaly.feature or 'table'}: {anomaly.kind}"
        yield _command(anomaly.severity, properties, _sentence(anomaly))
    yield f"{outcome.data or outcome.problem}: {summary(outcome)}"


def _command(name: str, properties: dict[str, str], message: str) -> str:
    told = ",".join(f"{key}={_escape(value, ':,')}" for key, value in properties.items() if value)
    return f"::{name} {told}::{_escape(message)}"


def _escape(text: str, more: str = "") -> str:
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def _sentence(anomaly: Anomaly) -> str:
    where = places(anomaly)
    told = f" (first rows: {'; '.join(where)})" if where else ""
    return f"expected {anomaly.expected}, found {anomaly.found}{told}"


def summary(report: Report) -> str:
    """Return how many anomalies there are and what was looked at."""
    warnings = len(report.anomalies) - report.errors
    counts = [(report.errors, "error"), (warnings, "warning")]
    told = ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for count, name in counts if count)
    looked = f"{report.rows:,} rows, {report.columns} columns, environment {report.environment}"
    return f"{told or 'no anomalies'} in {looked}"


def to_junit(outcomes: Sequence[Outcome]) -> str:
    """Return JUnit's XML: a suite for each file, a case for each column and one for the table as a whole.

    https://github.com/testmoapp/junitxml
    """
    suites = ElementTree.Element("testsuites", name="penstock validate")
    for outcome in outcomes:
        _add_suite(suites, outcome)
    for count in ("tests", "failures", "errors"):
        suites.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, "unicode") + "\n"


def _add_suite(suites: ElementTree.Element, outcome: Outcome) -> None:
    name = _text(outcome.data or outcome.problem)
    suite = ElementTree.SubElement(
        suites, "testsuite", name=name, timestamp=time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()), skipped="0"
    )
    anomalies = outcome.anomalies if isinstance(outcome, Report) else ()
    cases = [TABLE, *(outcome.names if isinstance(outcome, Report) else ())]
    for case in cases:
        element = ElementTree.SubElement(suite, "testcase", name=_text(case), classname=name, time="0")
        about = [anomaly for anomaly in anomalies if (anomaly.feature or TABLE) == case]
        _add_results(element, about)
    if isinstance(outcome, Failure):
        ElementTree.SubElement(suite[0], "error", message=_text(outcome.error), type="unreadable")
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))


def _add_results(case: ElementTree.Element, anomalies: Sequence[Anomaly]) -> None:
    """Add one failure with all errors, as a case has at most one, and the warnings as output."""
    errors = [anomaly for anomaly in anomalies if anomaly.severity == "error"]
    warnings = [anomaly for anomaly in anomalies if anomaly.severity == "warning"]
    if errors:
        kinds = ", ".join(anomaly.kind for anomaly in errors)
        message = "; ".join(f"expected {anomaly.expected}, found {anomaly.found}" for anomaly in errors)
        failure = ElementTree.SubElement(case, "failure", message=_text(message), type=_text(kinds))
        failure.text = _text("\n".join(f"{anomaly.kind}: {_sentence(anomaly)}" for anomaly in errors))
    if warnings:
        output = ElementTree.SubElement(case, "system-out")
        output.text = _text("\n".join(f"warning: {anomaly.kind}: {_sentence(anomaly)}" for anomaly in warnings))


def _text(text: str) -> str:
    """Return text without the characters that XML can't hold."""
    return NO_XML.sub("\ufffd", text)
