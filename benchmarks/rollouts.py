"""Roll-outs: how often is a bad canary rolled back, and a good one promoted?

Each history is a service of its own: its traffic, the share of its errors, the spread of its latency and all of their
swings in the course of the day are drawn at random, as is how often somebody looks. The canary is either as good as
stable, or it fails two requests in a hundred more, takes twice as long, or predicts half a standard deviation more.
What the real roll-out would write into the history is added up as every server does, after each decision.
"""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from _measure import arguments, render_table, report

from serving.canary.evidence import judge
from serving.canary.machine import Decision, Observation, Phase, State, step
from serving.canary.plan import Drift, Plan, Rules
from serving.canary.tally import Sides, Tally
from serving.history import Event, Trial
from serving.standing import sum_up

BAD = ("error + 2 points", "latency x 2", "predictions shifted")
GOOD = "as good as stable"
PLAN = Plan(rules=Rules(drift=Drift(at_most=0.1)))
STABLE, CANARY, PROMOTED = 43, 42, 44
START = datetime(2026, 1, 1, tzinfo=UTC)


class Service(NamedTuple):
    """What is drawn for one history.

    Attributes:
        rate: requests in a second.
        errors: share of them.
        spread: of the latency's logarithm.
        swing: of all of these in the course of the day.
        look_s: seconds between looks.
    """

    rate: float
    errors: float
    spread: float
    swing: float
    look_s: float


class Ended(NamedTuple):
    """How one history ended.

    Attributes:
        phase: of the roll-out.
        hours: that it took.
        looks: in that time.
        stables: how many versions were stable at once, each number that occurred.
    """

    phase: Phase
    hours: float
    looks: int
    stables: set[int]


def main() -> None:
    """Simulate and print."""
    parser = arguments(__doc__.split("\n")[0])
    parser.add_argument("--histories", type=int, default=1000, help="half of them with a good canary")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.perf_counter()
    ended: dict[str, list[Ended]] = {kind: [] for kind in (GOOD, *BAD)}
    for number in range(options.histories):
        kind = GOOD if number % 2 else BAD[number // 2 % len(BAD)]
        ended[kind].append(live_through(kind, np.random.default_rng((options.seed, number))))
    found = sum_up_histories(ended) | {"seconds": time.perf_counter() - began, "histories": options.histories}
    report(found, render(found), as_json=options.json)


def live_through(kind: str, random: np.random.Generator) -> Ended:
    """Return how a roll-out ends that is left to its rules."""
    service = Service(
        rate=float(np.exp(random.uniform(np.log(2), np.log(50)))),
        errors=random.uniform(0, 0.03),
        spread=random.uniform(0.3, 0.8),
        swing=random.uniform(0, 0.5),
        look_s=random.uniform(60, 600),
    )
    state, sides, seconds, began, looks = State(), Sides(), 0.0, 0.0, 0
    log = begin_log()
    stables = {count_stables(log)}
    while not state.is_over:
        seconds, looks = seconds + service.look_s, looks + 1
        observe(sides, service, kind, (seconds, PLAN.steps[state.step].share), random)
        observation = Observation(seconds - began, sides.canary.requests, judge(sides, {}, PLAN))
        state, decision = step(state, observation, PLAN)
        if decision:
            log += carry_out(decision, seconds)
            stables.add(count_stables(log))
            sides, began = Sides(), seconds
        if state.phase == "promoting":
            log.append(place(PROMOTED, "promote", seconds))
            stables.add(count_stables(log))
            state = State(phase="promoted", step=state.step)
    return Ended(state.phase, seconds / 3600, looks, stables)


def observe(sides: Sides, service: Service, kind: str, at: tuple[float, float], random: np.random.Generator) -> None:
    """Let requests come until the next look; `at`: the second, and the canary's share."""
    seconds, share = at
    swing = 1 + service.swing * np.sin(seconds / 86400 * 2 * np.pi) + random.normal(0, 0.05)
    total = random.poisson(max(service.rate * service.look_s * swing, 0))
    canaries = random.binomial(total, share)
    for side, requests in ((sides.stable, total - canaries), (sides.canary, canaries)):
        bad = kind if side is sides.canary else ""
        errors = random.binomial(requests, min(service.errors * swing + 0.02 * (bad == BAD[0]), 1))
        answered = requests - errors
        slower = 2 if bad == BAD[1] else 1
        add(side, errors, 10 * slower * swing * random.lognormal(0, service.spread, answered))
        side.predictions.add(random.normal(swing + 0.5 * (bad == BAD[2]), 1, answered))


def add(side: Tally, errors: int, latency_ms: Any) -> None:
    """Count what one side did."""
    side.requests += errors + len(latency_ms)
    side.errors += errors
    side.latency_ms.add(latency_ms)


def begin_log() -> list[Event]:
    """Return the history of a folder in which a roll-out begins."""
    trial = Trial(id="42-1", stable=STABLE, canary=CANARY, plan=PLAN)
    started = Event(at=START, who="benchmark", action="rollout", version=CANARY, trial=trial)
    return [place(STABLE - 2, "push", 0), place(CANARY, "push", 0), place(STABLE, "hold", 0), started]


def place(version: int, action: str, seconds: float) -> Event:
    """Return the event that puts a version there."""
    at = START + timedelta(seconds=seconds)
    digest = "canary" if version in (CANARY, PROMOTED) else "stable"
    return Event.model_validate({"at": at, "who": "benchmark", "action": action, "version": version, "digest": digest})


def carry_out(decision: Decision, seconds: float) -> list[Event]:
    """Return what the history tells of a decision, twice: as after a crash between writing and knowing."""
    at = START + timedelta(seconds=seconds)
    event = Event(at=at, who="benchmark", action="rollout", version=CANARY, decision=decision)
    return [event, event]


def count_stables(log: Sequence[Event]) -> int:
    """Return how many versions answer who asks for the stable one, by label or without a word."""
    standing = sum_up(log)
    rollout = standing.rollout
    if rollout is None or rollout.state.is_over:
        return len({standing.live, standing.labels["stable"]})
    return len({rollout.trial.stable, standing.labels["stable"]} | {standing.live})


def sum_up_histories(ended: dict[str, list[Ended]]) -> dict[str, Any]:
    """Return the shares of each kind, and whether two versions were ever stable at once."""
    return {
        "kinds": {
            kind: {
                "histories": len(each),
                **{phase: Counter(one.phase for one in each)[phase] / len(each) for phase in ("aborted", "promoted")},
                "median hours": float(np.median([one.hours for one in each])),
                "median looks": float(np.median([one.looks for one in each])),
            }
            for kind, each in ended.items()
            if each
        },
        "both stable": sum(one.stables != {1} for each in ended.values() for one in each),
    }


def render(found: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    rows = [
        [
            kind,
            each["histories"],
            f"{each['aborted']:.1%}",
            f"{each['promoted']:.1%}",
            f"{each['median hours']:.1f}",
            f"{each['median looks']:.0f}",
        ]
        for kind, each in found["kinds"].items()
    ]
    heads = ["canary", "histories", "rolled back", "promoted", "median hours", "median looks"]
    return (
        f"{render_table(heads, rows)}\n\n{found['histories']:,} histories in {found['seconds']:.0f} s; two versions "
        f"stable at once: **{found['both stable']}**."
    )


if __name__ == "__main__":
    main()
