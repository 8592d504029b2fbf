"""Which data a run's is compared with."""

from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.tensorflow


def verdict(number, content, *, blocked=0, span=0):
    return SimpleNamespace(id=number, content=content, blocked=blocked, span=span)


@pytest.fixture
def choose(monkeypatch):
    from pipeline.components import data_gate

    monkeypatch.setattr(data_gate, "content", lambda examples: examples.content)

    def chosen(content, verdicts, span=0):
        examples = SimpleNamespace(content=content, span=span)
        found = data_gate.PreviousVerdict().resolve_artifacts(None, {"examples": [examples], "verdict": verdicts})
        return [each.id for each in found["verdict"]]

    return chosen


def test_the_first_run_has_nothing_to_compare_with(choose):
    assert choose("a", []) == []


def test_the_last_data_that_passed_counts(choose):
    assert choose("c", [verdict(1, "a"), verdict(2, "b"), verdict(3, "x", blocked=1)]) == [2]


def test_rows_that_passed_once_are_judged_as_they_were_then(choose):
    verdicts = [verdict(1, "a"), verdict(2, "b"), verdict(3, "c")]
    assert choose("b", verdicts) == [1]
    assert choose("a", verdicts) == []


def test_a_span_is_compared_with_the_one_before_it(choose):
    verdicts = [verdict(1, "a", span=5), verdict(2, "b", span=7), verdict(3, "c", span=6)]
    assert choose("d", verdicts, span=8) == [2]
    assert choose("e", verdicts, span=7) == [3]
    assert choose("f", verdicts, span=4) == [3]


@pytest.mark.parametrize(
    ("now", "others", "stands_under"),
    [
        (verdict(4, "a"), [], 4),
        (verdict(4, "a"), [verdict(1, "b"), verdict(2, "a", blocked=1)], 4),
        (verdict(4, "a"), [verdict(1, "a"), verdict(3, "a")], 1),
        (verdict(4, "a", blocked=1), [verdict(1, "a")], 4),
    ],
    ids=["first run", "other rows or blocked", "judged anew", "blocks now"],
)
def test_what_follows_stands_under_the_first_verdict_that_passed_the_rows(now, others, stands_under):
    from pipeline.components.data_gate import PassedVerdict

    found = PassedVerdict().resolve_artifacts(None, {"verdict": [now], "passed": [*others, now]})
    assert [each.id for each in found["verdict"]] == [stands_under]
