"""The YAML of a roll-out: what is refused, and what it means."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from serving.canary.plan import Plan


def test_left_out_it_has_three_steps_and_three_rules():
    plan = Plan()
    assert [step.share for step in plan.steps] == [0.01, 0.05, 0.25]
    assert plan.rules.names == ["error_rate", "p99_ms", "drift"]


def test_a_latency_is_a_factor_or_milliseconds():
    plan = Plan.model_validate({"rules": {"p99_ms": {"worse_by": "1.5x"}, "p95_ms": {"worse_by": 20}}})
    assert plan.rules.p99_ms.worse_by.limit(10) == 15
    assert plan.rules.p95_ms.worse_by.limit(10) == 30


def test_it_is_read_as_it_was_written():
    plan = Plan.model_validate({"rules": {"p99_ms": {"worse_by": "2x"}}, "key": "id", "steps": [{"share": 0.5}]})
    assert Plan.model_validate_json(plan.model_dump_json(exclude_defaults=True)) == plan


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": []},
        {"steps": [{"share": 0}]},
        {"steps": [{"share": 1.5}]},
        {"steps": [{"share": 0.1, "mode": "dark"}]},
        {"rules": {"p99_ms": {"worse_by": "0.5x"}}},
        {"rules": {"p99_ms": {"worse_by": "much"}}},
        {"rules": {"error_rate": {"worse_by": 0}}},
        {"rules": {"speed": {}}},
        {"promotion": "sometimes"},
        {"wrong_at_most": 0.9},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        Plan.model_validate(wrong)
