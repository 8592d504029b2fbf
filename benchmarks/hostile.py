"""Hostile requests, generated, against `penstock serve`: crashes, hangs, answers that say nothing, memory.

A quarter each: requests made of the server's own OpenAPI document (schemathesis), bodies, raw bytes on a socket, gRPC
messages (_hostile_*.py). A hundredth as many right requests are sent between them, and must be answered right.
"""

import argparse
import random
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import _packages_first  # noqa: F401
from _hostile_bodies import Target, bodies
from _hostile_clients import Clients, Outcome
from _hostile_messages import calls
from _hostile_sockets import conversations
from _measure import render_table, report, run_fresh
from _serving_process import Serving, Use, serving
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

HERE = Path(__file__).resolve().parent
CLIENTS = 4
SHOWN = 10
WARM = 300
SETTINGS = "limits: {body_mb: 8, header_timeout_s: 0.5, body_timeout_s: 0.5}\n"
"""Slow requests are part of it, and shall not take minutes."""
BODY = {
    "instances": [
        {"number": 1.5, "whole": 2, "small": 3, "text": "Aé", "flag": True, "vector": [1, 2, 3]},
        {"number": -1, "whole": -2, "small": 0, "text": "", "flag": False, "vector": [0, 0, 0]},
    ]
}
ANSWER = {"predictions": [{"score": 15.0, "text_bytes": {"b64": "YcOp"}}, {"score": -4.0, "text_bytes": {"b64": ""}}]}
TARGET = Target("model", {"number": 1, "whole": 9, "small": 4, "text": 7, "flag": 10, "vector": 1}, BODY)

Send: TypeAlias = Callable[[], Outcome]


def main() -> None:
    """Attack and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hang", type=float, default=1.0, help="seconds from which an answer counts as none")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        base, config = Path(name, TARGET.model), Path(name, "serving.yaml")
        run_fresh([sys.executable, HERE / "_typed_model.py", base / "1"])
        config.write_text(SETTINGS)
        with serving(base, "--config", str(config)) as server:
            found = attack(server, options.requests, options.seed, options.hang)
    report(found, render(found), as_json=options.json)


def attack(server: Serving, requests: int, number: int, hang_s: float) -> dict[str, Any]:
    """Send it all, over some clients at once, and return what came of it."""
    clients = Clients(server.url, server.grpc_port, hang_s)
    sends = prepare(clients, requests, number)
    right: Send = lambda: clients.ask_right(TARGET.path, BODY, ANSWER)  # noqa: E731
    for _ in range(WARM):
        right()
    before = most = server.measure()
    counts: Counter[tuple[str, str]] = Counter()
    examples: list[str] = []
    lock = threading.Lock()

    def send(numbered: tuple[int, Send]) -> None:
        nonlocal most
        index, ask = numbered
        outcomes = [ask()] + ([right()] if index % 100 == 0 else [])
        with lock:
            for outcome in outcomes:
                counts[outcome.kind, outcome.verdict] += 1
                if outcome.is_fault and len(examples) < SHOWN:
                    examples.append(f"{outcome.kind}, {outcome.verdict}: {outcome.words}")
            if index % 100 == 0:
                most = Use(*map(max, most, server.measure()))

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(send, enumerate(sends)))
    alive = server.process.poll() is None
    after = server.measure() if alive else most
    return {
        "requests": len(sends),
        "crashes": int(not alive),
        **{
            name: sum(count for (_, verdict), count in counts.items() if verdict == name)
            for name in ("hang", "unmapped", "wrong", "no answer")
        },
        "counts": [[*key, count] for key, count in sorted(counts.items())],
        "examples": examples,
        "memory_mb": [round(each.resident_mb, 1) for each in (before, most, after)],
        "files": [before.files, most.files, after.files],
        "threads": [before.threads, most.threads, after.threads],
    }


def prepare(clients: Clients, requests: int, number: int) -> list[Send]:
    """Return what to do, in an order that the seed gives."""
    cases = draw_cases(clients, requests // 4, number)
    left = requests - len(cases)
    sends: list[Send] = [lambda case=case: clients.send_case(case) for case in cases]
    sends += [
        lambda body=body: clients.send_body(TARGET.path, body) for body in draw(bodies(TARGET), left // 3, number)
    ]
    sends += [lambda talk=talk: clients.converse(talk) for talk in draw(conversations(TARGET), left // 3, number)]
    sends += [lambda call=call: clients.call(call) for call in draw(calls(TARGET), left - left // 3 * 2, number)]
    random.Random(number).shuffle(sends)
    return sends


def draw(strategy: st.SearchStrategy[Any], count: int, number: int) -> list[Any]:
    """Return so many values of a strategy, the same ones for the same seed."""
    drawn: list[Any] = []
    if count == 0:
        return drawn

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        drawn.append(value)

    with suppress(Unsatisfiable):  # a request without parameters cannot be wrong
        collect()
    return drawn[:count]


def draw_cases(clients: Clients, count: int, number: int) -> list[Any]:
    """Return requests made of the OpenAPI document, right ones and wrong ones."""
    import schemathesis
    from schemathesis import GenerationMode

    schema = schemathesis.openapi.from_url(f"{clients.url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    wanted = [each for each in operations if each.method == "post"] * 4 + operations
    strategies = [each.as_strategy(generation_mode=mode) for each in wanted for mode in GenerationMode]
    shares = [
        count * (index + 1) // len(strategies) - count * index // len(strategies) for index in range(len(strategies))
    ]
    return [case for strategy, share in zip(strategies, shares, strict=True) for case in draw(strategy, share, number)]


def render(found: dict[str, Any]) -> str:
    """Return the counts as Markdown."""
    kinds = sorted({kind for kind, _, _ in found["counts"]})
    verdicts = sorted({verdict for _, verdict, _ in found["counts"]})
    counts = {(kind, verdict): count for kind, verdict, count in found["counts"]}
    table = render_table(
        ["", *verdicts], [[kind, *(counts.get((kind, each), 0) for each in verdicts)] for kind in kinds]
    )
    held = [
        [words, *found[key]]
        for key, words in (("memory_mb", "memory, MB"), ("files", "file descriptors"), ("threads", "threads"))
    ]
    return "\n".join(
        [
            table,
            "",
            render_table(["the server's process", "before", "most", "after"], held),
            "",
            f"{found['requests']:,} requests: **{found['crashes']} crashes, {found['hang']} hangs, {found['unmapped']} "
            f"errors without a message of their own, {found['wrong']} right requests answered wrong**.",
            *(f"- {example}" for example in found["examples"]),
        ]
    )


if __name__ == "__main__":
    main()
