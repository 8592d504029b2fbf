"""The report as one HTML file: everything it needs is in it, and its content policy forbids it to load more."""

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.report.facts import Facts, read_facts
from pipeline.report.sources import ReportSources
from pipeline.report.words import decimal, percent

if TYPE_CHECKING:
    from jinja2 import Environment

    from pipeline.report.views import Cell


def write_report(sources: ReportSources, out: Path) -> Facts:
    """Write the report to `out`, as a whole or not at all; return what it says.

    Raises:
        InputError: examples that are not there, lack a column or are no Parquet files.
    """
    facts = read_facts(sources)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    part.write_text(render_report(facts), "utf-8")
    part.replace(out)
    return facts


class Share(NamedTuple):
    """A count of rows with what it is a part of, and what it means."""

    name: str
    rows: int | None
    of: int | None
    meaning: str


class RankedRow(NamedTuple):
    """A feature in the table of what they tell of the label."""

    name: str
    bits: "Cell"
    share: "Cell"
    kept: bool


def render_report(facts: Facts) -> str:
    """Return the page's HTML; everything from the data is escaped."""
    from pipeline.report.label_view import view_label
    from pipeline.report.model_view import view_model, view_origin
    from pipeline.report.verdict_view import view_verdict
    from pipeline.report.views import view_column

    columns = [view_column(facts, index) for index in range(len(facts.columns))]
    anchors = {column.facts.name: column.anchor for column in columns}
    return render(
        "page.html",
        facts=facts,
        columns=columns,
        verdict=view_verdict(facts, anchors),
        model=view_model(facts.model),
        origin=view_origin(facts.origin),
        label=view_label(facts),
        label_column=next(column for column in columns if column.facts.role == "label"),
        counts=_counts(facts),
        ranked=_ranked(facts),
        anomalies=[found for column in columns for found in column.facts.anomalies] + list(facts.table_anomalies or ()),
    )


def render(template: str, **content: Any) -> str:
    """Return the HTML of one of this folder's templates, filled with `content`, our style and our script."""
    environment = _environment(template)
    script = _resource("page.js")
    return environment.get_template(template).render(
        **content,
        style=environment.filters["safe"](_resource("page.css")),
        script=environment.filters["safe"](script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _environment(template: str) -> "Environment":
    from jinja2 import DictLoader, Environment, StrictUndefined

    from pipeline.report import charts, words

    environment = Environment(
        loader=DictLoader({name: _resource(name) for name in (template, "parts.html", "model.html")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    added: dict[str, Any] = {"percent": words.percent, "count": words.count, "plural": words.plural}
    environment.filters.update(added)
    environment.filters["metric"] = lambda value: words.decimal(value, 4)
    environment.globals.update({"color": charts.color, "share": words.share})
    return environment


def _resource(name: str) -> str:
    return resources.files("pipeline.report").joinpath(name).read_text("utf-8")


def _ranked(facts: Facts) -> "list[RankedRow]":
    """Return the features by what they tell of the label, if they were selected by it."""
    from pipeline.report.views import Cell

    found = facts.ranking.features if facts.ranking else ()
    return [
        RankedRow(
            feature.name,
            Cell(decimal(feature.bits, 4), 0.0, feature.bits or 0.0),
            Cell(percent(feature.share), feature.share or 0.0, feature.share or 0.0),
            feature.kept,
        )
        for feature in found
    ]


def _counts(facts: Facts) -> list[Share]:
    """Return what became of the rows, where it was counted."""
    counts, rows = facts.counts, facts.rows
    evaluated = rows - facts.series[0].rows
    found = [
        Share("read", counts.read, None, "rows of the source's tables"),
        Share("refused", counts.rejected, counts.read, "could not be read; kept in the quarantine"),
        Share("without label", counts.without_label, None, "dropped: there is nothing to learn from them"),
        Share("repeated", counts.repeated, rows + (counts.without_label or 0), "equal an earlier row"),
        Share(
            "overlapping",
            counts.overlapping,
            evaluated,
            f"outside of {facts.series[0].name}, equal one of its rows in all but what the split goes by",
        ),
    ]
    return [each for each in found if each.rows is not None]
