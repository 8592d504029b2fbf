"""Rules for Prometheus: when somebody is called. The embedded server has TensorFlow Serving's metrics too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from serving.deployment import objects
from serving.deployment.plan import File, Node, Plan
from serving.model_config import MOUNTED

RULES = "prometheus-rules.yaml"
REQUESTS = ":tensorflow:serving:request_count"
LATENCY = ":tensorflow:serving:request_latency"
RUNTIME = ":tensorflow:serving:runtime_latency"
ROWS = ":tensorflow:serving:request_example_counts"
LOADS = ":tensorflow:cc:saved_model:load_attempt_count"

FAULTS = "UNKNOWN|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|INTERNAL|UNAVAILABLE|DATA_LOSS"
"""Ends of a request that are no fault of who asked."""


class Watched(NamedTuple):
    """A model as its metrics name it.

    Attributes:
        name: the label `model_name` of its requests.
        loads: the labels of its loads, as PromQL selects them.
        p99_ms: above it somebody is called.
    """

    name: str
    loads: str
    p99_ms: float


def watch(plan: Plan) -> list[Watched]:
    """Return the models of a server that has them below one folder."""
    # of a model's name, a regular expression takes only the dot for more
    return [
        Watched(model.name, f'model_path=~"{MOUNTED}/{model.name.replace(".", "[.]")}/.*"', plan.find_p99_ms(model))
        for model in plan.models
    ]


def render_alerts(plan: Plan, watched: Sequence[Watched]) -> File:
    """Return a rule file with a group of rules for each model."""
    share = plan.settings.alerts.error_share
    groups = [{"name": f"penstock-{model.name}", "rules": _rules(model, share)} for model in watched]
    return objects.write_yaml(RULES, [{"groups": groups}], "Rendered by `penstock deploy render`: a rule file.")


def _rules(model: Watched, share: float) -> list[Node]:
    name, of = model.name, f'model_name="{model.name}"'
    failing = f'sum(rate({REQUESTS}{{{of},status=~"{FAULTS}"}}[5m])) / sum(rate({REQUESTS}{{{of}}}[5m]))'
    slowest = f"histogram_quantile(0.99, sum by (le) (rate({LATENCY}_bucket{{{of}}}[5m])))"
    failed, loaded = (f'{LOADS}{{{model.loads},status="{status}"}}' for status in ("fail", "success"))
    return [
        _rule(
            "PenstockErrors", f"{failing} > {share:g}", "10m", f"{name}: more than {share * 100:g} % of requests fail"
        ),
        _rule("PenstockSlow", f"{slowest} > {model.p99_ms * 1000:g}", "10m", f"{name}: p99 above {model.p99_ms:g} ms"),
        _rule("PenstockLoadFailed", f"increase({failed}[15m]) > 0", "0m", f"{name}: a version does not load"),
        _rule("PenstockAbsent", f"absent({loaded})", "5m", f"{name}: no server has a version of it", "page"),
    ]


def _rule(alert: str, expression: str, lasting: str, summary: str, severity: str = "ticket") -> Node:
    return {
        "alert": alert,
        "expr": expression,
        "for": lasting,
        "labels": {"severity": severity},
        "annotations": {"summary": summary},
    }
