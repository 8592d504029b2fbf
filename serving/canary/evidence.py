"""What the counts of the two sides prove: each rule broken, kept, or open until there is more.

A rule is broken once the bounds of the difference lie beyond what is allowed, and kept once they lie within it. The
bounds hold at every look and every step: those that find a rule broken share `wrong_at_most` between all rules and
steps, so a canary as good as stable is rolled back with no more than that chance; one that breaks a rule is promoted
only if that rule's other bound is wrong, for which `wrong_at_most` is the chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from serving.canary.bounds import Chances, Interval, bound_distance, bound_mean, bound_quantile
from serving.canary.plan import Latency, Plan
from serving.canary.tally import Score, Sides, Tally

Verdict = Literal["broken", "kept", "open"]
Scores = Mapping[str, tuple[Score, Score]]
"""By metric the scores of stable and canary."""

LEAST_REQUESTS = 50
"""Of a side, before anything is concluded from it: the bounds of means are asymptotic."""
_LESS_IS_BETTER = {"mean_absolute_error"}
_RANKS = {"p95_ms": 0.95, "p99_ms": 0.99}


class Finding(NamedTuple):
    """What is known of one rule.

    Attributes:
        rule: its name.
        stable: its value of that side, None of a distance, which has one value.
        canary: likewise; the distance itself.
        worse: by how much the canary is worse, between its bounds; of a latency the canary's own.
        limit: of `worse`; of a latency the largest that is surely still allowed.
        verdict: what follows.
    """

    rule: str
    stable: float | None
    canary: float
    worse: Interval
    limit: float
    verdict: Verdict

    @property
    def difference(self) -> str:
        """`worse` or `better` where no difference at all is out of the question; of an error rate or a metric."""
        if self.stable is None or self.rule in _RANKS:
            return ""
        return "worse" if self.worse.low > 0 else "better" if self.worse.high < 0 else ""

    def __str__(self) -> str:
        """`p99_ms kept: 12 against 11, between 10.5 and 13, allowed 16`."""
        against = "" if self.stable is None else f" against {self.stable:.4g}"
        bounds = f"between {self.worse.low:.3g} and {self.worse.high:.3g}"
        return f"{self.rule} {self.verdict}: {self.canary:.4g}{against}, {bounds}, allowed {self.limit:.3g}"


def judge(sides: Sides, scores: Scores, plan: Plan) -> tuple[Finding, ...]:
    """Return what is known of each rule; nothing of those for which too little was seen."""
    chances = Chances(plan.wrong_at_most / (len(plan.rules.names) * len(plan.steps) or 1), plan.wrong_at_most)
    found = [*_judge_scores(scores, plan, chances)]
    if min(sides.stable.requests, sides.canary.requests) >= LEAST_REQUESTS:
        found += _judge_requests(sides, plan, chances)
    return tuple(sorted(found, key=lambda finding: plan.rules.names.index(finding.rule)))


def _judge_requests(sides: Sides, plan: Plan, chances: Chances) -> Iterator[Finding]:
    rules, stable, canary = plan.rules, sides.stable, sides.canary
    if rules.error_rate:
        rates, limit = [_rate(stable), _rate(canary)], rules.error_rate.worse_by
        worse = bound_mean(rates[1].estimate - rates[0].estimate, rates[0].variance + rates[1].variance, limit, chances)
        yield _conclude("error_rate", (rates[0].estimate, rates[1].estimate), worse, limit)
    for name, rank in _RANKS.items():
        if rule := getattr(rules, name):
            yield _judge_latency(name, rule, bound_latencies(sides, rank, chances))
    if rules.drift and min(stable.predictions.size, canary.predictions.size) >= LEAST_REQUESTS:
        distance = bound_distance(stable.predictions, canary.predictions, chances)
        yield _conclude("drift", (None, distance.estimate), distance, rules.drift.at_most)


def _rate(tally: Tally) -> Score:
    """Errors a request. The variance has one error and one answer more, or it would be 0 before the first error."""
    smoothed = (tally.errors + 1) / (tally.requests + 2)
    return Score(tally.errors / tally.requests, smoothed * (1 - smoothed) / tally.requests, tally.requests)


def bound_latencies(sides: Sides, rank: float, chances: Chances) -> tuple[Interval, Interval]:
    """A quantile of stable's and of the canary's latency; together their bounds hold with these chances."""
    halves = Chances(chances.low / 2, chances.high / 2)
    # where the canary's lower bound is compared, it is with stable's upper one
    crossed = Chances(halves.high, halves.low)
    stable = bound_quantile(sides.stable.latency_ms, rank, crossed)
    return stable, bound_quantile(sides.canary.latency_ms, rank, halves)


def _judge_latency(name: str, rule: Latency, latencies: tuple[Interval, Interval]) -> Finding:
    stable, canary = latencies
    allowed = [rule.worse_by.limit(each) for each in (stable.low, stable.high)]
    verdict: Verdict = "broken" if canary.low > allowed[1] else "kept" if canary.high < allowed[0] else "open"
    return Finding(name, stable.estimate, canary.estimate, canary, allowed[verdict == "broken"], verdict)


def _judge_scores(scores: Scores, plan: Plan, chances: Chances) -> Iterator[Finding]:
    for name, (stable, canary) in scores.items():
        rule = getattr(plan.rules, name)
        if rule is not None and min(stable.rows, canary.rows) >= LEAST_REQUESTS:
            lost = stable.estimate - canary.estimate
            worse = -lost if name in _LESS_IS_BETTER else lost
            bounds = bound_mean(worse, stable.variance + canary.variance, rule.worse_by, chances)
            yield _conclude(name, (stable.estimate, canary.estimate), bounds, rule.worse_by)


def _conclude(rule: str, values: tuple[float | None, float], worse: Interval, limit: float) -> Finding:
    verdict: Verdict = "broken" if worse.low > limit else "kept" if worse.high < limit else "open"
    return Finding(rule, *values, worse, limit, verdict)
