"""A process that asks a server by REST and gRPC, by latest, version and label, and looks at every answer.

`_mixed_load.py PLAN OUT`: PLAN is JSON (class Plan). It asks until its standard input is closed, then writes OUT as
JSON (class Seen) beside the latencies OUT.npz.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import _packages_first  # noqa: F401
import numpy as np
import orjson
import uvloop
from _closed_loop import Connection, Latencies, write_post

from serving.protos import PredictRequest, PredictResponse
from serving.server.tensors import to_array, to_proto

SHOWN_FAILURES = 10
TOLERANCE = 1e-4
NUMBERS = ("graph", "weights")
"""What a numbered model tells of itself (_numbered_models.py)."""


@dataclass(frozen=True)
class Plan:
    """What to ask.

    Attributes:
        request: a file with a PredictRequest, of which the first row is asked for; empty for a numbered model.
        rows: in each request.
        rest: where each client asks: `latest`, `version` or a label.
    """

    rest_port: int
    grpc_port: int
    model: str
    version: int
    request: str
    rows: int
    rest: Sequence[str]
    grpc: Sequence[str]


@dataclass
class Seen:
    """What came back.

    Attributes:
        failures: how many answers were none, or not whole.
        examples: the first of them in words.
        answers: how often by "api place version number"; 0 where an answer does not tell.
    """

    failures: int = 0
    examples: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    def fail(self, words: str) -> None:
        self.failures += 1
        if len(self.examples) < SHOWN_FAILURES:
            self.examples.append(words)


class Asker:
    """One client's request, and what it knows of the answer."""

    def __init__(self, plan: Plan, api: str, place: str, number: int, seen: Seen) -> None:
        self.plan, self.api, self.place, self.seen = plan, api, place, seen
        # every client asks for other values, so that rows of others would show
        self.x = np.arange(plan.rows, dtype=np.float32) + 1000 * number
        self.first: dict[str, np.ndarray] | None = None

    def feeds(self) -> dict[str, np.ndarray]:
        if not self.plan.request:
            return {"x": self.x}
        inputs = PredictRequest.FromString(Path(self.plan.request).read_bytes()).inputs
        firsts = {name: to_array(proto, name)[:1] for name, proto in inputs.items()}
        # JSON proper has no NaN
        known = {name: first if first.dtype == object else np.nan_to_num(first) for name, first in firsts.items()}
        return {name: first.repeat(self.plan.rows, 0) for name, first in known.items()}

    def check(self, outputs: Mapping[str, np.ndarray], version: int) -> None:
        numbers = {float(value) for name in NUMBERS if name in outputs for value in outputs[name]}
        known = {"echo": self.x} if numbers else self.first
        if known is None:
            known = self.first = dict(outputs)
        for name, values in known.items():
            if not np.allclose(outputs[name], values, TOLERANCE, TOLERANCE):
                self.seen.fail(f"{self.api} {self.place}: {name} is {outputs[name]}, expected {values}")
        if len(numbers) > 1:
            self.seen.fail(f"{self.api} {self.place}: one answer of the versions {numbers}")
        self.seen.answers[f"{self.api} {self.place} {version} {int(min(numbers, default=0))}"] += 1


class CheckedConnection(Connection):
    """One REST client."""

    def __init__(self, asker: Asker, request: bytes, latencies: Latencies) -> None:
        super().__init__(request, latencies)
        self._asker = asker
        self.ended = False

    def check(self, head: bytes, body: bytes) -> None:
        if not head.startswith(b"HTTP/1.1 200"):
            self._asker.seen.fail(f"REST {self._asker.place}: {(head + body)[:300]!r}")
            return
        rows = orjson.loads(body)["predictions"]
        rows = rows if isinstance(rows[0], dict) else [{"": row} for row in rows]
        self._asker.check({name: np.array([row[name] for row in rows]) for name in rows[0]}, 0)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended:
            self._asker.seen.fail(f"REST {self._asker.place}: the connection was closed: {error}")


def write_rest(asker: Asker) -> bytes:
    plan, feeds = asker.plan, asker.feeds()
    rows = [dict(zip(feeds, row, strict=True)) for row in zip(*(feeds[name].tolist() for name in feeds), strict=True)]
    path = {"version": f"/versions/{plan.version}", "latest": ""}.get(asker.place, f"/labels/{asker.place}")
    body = json.dumps({"instances": rows}, default=bytes.decode)
    return write_post(f"/v1/models/{plan.model}{path}:predict", body.encode())


def write_grpc(asker: Asker) -> bytes:
    plan, request = asker.plan, PredictRequest()
    request.model_spec.name = plan.model
    if asker.place == "version":
        request.model_spec.version.value = plan.version
    elif asker.place != "latest":
        request.model_spec.version_label = asker.place
    for name, column in asker.feeds().items():
        request.inputs[name].CopyFrom(to_proto(column))
    return request.SerializeToString()


async def ask_rest(asker: Asker, latencies: Latencies, stop: asyncio.Event) -> None:
    loop, request = asyncio.get_running_loop(), write_rest(asker)
    transport, connection = await loop.create_connection(
        lambda: CheckedConnection(asker, request, latencies), "127.0.0.1", asker.plan.rest_port
    )
    await stop.wait()
    connection.ended = True
    transport.abort()


async def ask_grpc(asker: Asker, latencies: Latencies, stop: asyncio.Event) -> None:
    import grpc

    request = write_grpc(asker)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{asker.plan.grpc_port}") as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        while not stop.is_set():
            started = time.perf_counter()
            try:
                answer = PredictResponse.FromString(await call(request))
            except grpc.RpcError as error:
                asker.seen.fail(f"gRPC {asker.place}: {error.code()} {error.details()}")
                continue
            now = time.perf_counter()
            latencies.append((now, now - started))
            outputs = {name: to_array(proto, name) for name, proto in answer.outputs.items()}
            asker.check(outputs, answer.model_spec.version.value)


async def ask(plan: Plan, out: Path) -> None:
    stop, seen = asyncio.Event(), Seen()
    rest, grpc = ([], [])  # type: tuple[Latencies, Latencies]
    asked = [ask_rest(Asker(plan, "REST", place, index, seen), rest, stop) for index, place in enumerate(plan.rest)]
    asked += [
        ask_grpc(Asker(plan, "gRPC", place, index + 100, seen), grpc, stop) for index, place in enumerate(plan.grpc)
    ]
    asyncio.get_running_loop().add_reader(sys.stdin, stop.set)
    await asyncio.gather(*asked)
    np.savez(out.with_suffix(".npz"), REST=np.array(rest).reshape(-1, 2), gRPC=np.array(grpc).reshape(-1, 2))
    out.write_text(json.dumps(vars(seen)))


if __name__ == "__main__":
    uvloop.run(ask(Plan(**json.loads(sys.argv[1])), Path(sys.argv[2])))
