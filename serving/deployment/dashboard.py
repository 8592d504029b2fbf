"""A dashboard for Grafana over the metrics that `alerts` watches."""

from __future__ import annotations

import json

from serving.deployment.alerts import FAULTS, LATENCY, LOADS, REQUESTS, ROWS, RUNTIME
from serving.deployment.plan import File, Node, Plan

DASHBOARD = "grafana-dashboard.json"
_WIDTH, _HEIGHT = 12, 8
_OF = 'model_name=~"$model"'


def render_dashboard(plan: Plan) -> File:
    """Return the dashboard, to import as it is; the data source and the model are chosen on the page."""
    panels = [_place(index, panel) for index, panel in enumerate(_panels())]
    dashboard = {
        "uid": f"penstock-{plan.name}"[:40],
        "title": f"Penstock: {plan.name}",
        "tags": ["penstock", "tensorflow-serving"],
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": _choices()},
        "panels": panels,
    }
    return File(DASHBOARD, json.dumps(dashboard, indent=2) + "\n")


def _choices() -> list[Node]:
    source = {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}
    model = {
        "name": "model",
        "label": "Model",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "query": f"label_values({REQUESTS}, model_name)",
        "refresh": 2,
        "includeAll": True,
        "multi": True,
    }
    return [source, model]


def _panels() -> list[Node]:
    every = f"rate({REQUESTS}{{{_OF}}}[5m])"
    faulty = f'rate({REQUESTS}{{{_OF},status=~"{FAULTS}"}}[5m])'
    share = f"sum by (model_name) ({faulty}) / sum by (model_name) ({every})"
    rows = f"rate({ROWS}_sum{{{_OF}}}[5m])"
    return [
        _panel("Requests", "reqps", {"{{model_name}} {{status}}": f"sum by (model_name, status) ({every})"}),
        _panel("Requests that fail by the server", "percentunit", {"{{model_name}}": share}),
        _panel("Time to the answer", "µs", _quantiles(LATENCY)),
        _panel("Time in the model", "µs", _quantiles(RUNTIME)),
        _panel("Rows", "rowsps", {"{{model_name}}": f"sum by (model_name) ({rows})"}),
        _panel("Loads of versions", "short", {"{{model_path}} {{status}}": f"increase({LOADS}[15m])"}),
    ]


def _quantiles(metric: str) -> dict[str, str]:
    buckets = f"sum by (le, model_name) (rate({metric}_bucket{{{_OF}}}[5m]))"
    return {f"{{{{model_name}}}} p{share:.0%}"[:-1]: f"histogram_quantile({share}, {buckets})" for share in (0.5, 0.99)}


def _panel(title: str, unit: str, queries: dict[str, str]) -> Node:
    """Return a chart with a line for each query, under its legend."""
    source = {"type": "prometheus", "uid": "${source}"}
    return {
        "type": "timeseries",
        "title": title,
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": source, "expr": expression, "legendFormat": legend}
            for index, (legend, expression) in enumerate(queries.items())
        ],
    }


def _place(index: int, panel: Node) -> Node:
    row, column = divmod(index, 2)
    return {"id": index + 1, "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT}, **panel}
