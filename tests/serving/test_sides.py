"""The embedded server while a roll-out is under way: who answers whom, what is counted, and what it costs without."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import httpx
import numpy as np
import pytest

from serving.canary.plan import Plan
from serving.canary_control import abort, follow, look, promote, start
from serving.counts import read_prediction
from serving.errors import InternalError
from serving.protos import ClassificationRequest, PredictRequest
from serving.push import Candidate, push
from serving.server.app import create_app
from serving.server.extras import Extras
from serving.server.grpc_service import Service
from serving.server.keys import read_json_key, read_message_key
from serving.server.registry import ModelQuery, Registry
from serving.server.tensors import to_proto
from serving.tallies import FOLDER, find_step

PATH = "/v1/models/flights:predict"
KEYED = {"key": "id", "steps": [{"share": 0.3, "requests": 50, "minutes": 0}, {"share": 0.6}]}


class Model:
    """Answers 10 in version a and 20 in version b, plus its input; an input of 13 is a fault of version b."""

    is_row_wise = True

    def __init__(self, signature, version: int, path: Path) -> None:
        self.version = version
        self.plus = {"a": 10, "b": 20}[(path / "saved_model.pb").read_text()]
        self.signatures = {"serving_default": signature}

    def run(self, _, feeds):
        if self.plus == 20 and (feeds["id"] == 13).any():
            raise InternalError("13")
        return {"y": (feeds["id"] + self.plus).astype(np.float32)}


@pytest.fixture
def signature():
    from serving.artifact import Signature, TensorSpec

    specs = {name: {name: TensorSpec(f"{name}:0", dtype, (-1,))} for name, dtype in (("id", "double"), ("y", "float"))}
    return Signature(specs["id"], specs["y"], "tensorflow/serving/predict")


@pytest.fixture
def server(base, model, signature):
    """Versions a and b, a server without a socket over them, and what it asked."""
    for content in "ab":
        push(Candidate(model(content)), base, 5)
    registry = Registry({"flights": base}, lambda version, path: Model(signature, version, path))
    registry.refresh()
    return registry


@pytest.fixture
def ask(server, connect):
    """`ask(ids)`: the answers to one request each."""
    return connect(server)


@pytest.fixture
def connect():
    """`connect(registry)`: an `ask` of its server."""

    async def send(app, extras, ids, path):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answers = [await client.post(path, json={"instances": [{"id": each}]}) for each in ids]
        await asyncio.gather(*extras.rollouts._copies)
        return [answer.json().get("predictions", [None])[0] for answer in answers]

    with asyncio.Runner() as runner:

        def make(registry):
            extras = Extras()
            app = create_app(registry, extras)
            return lambda ids, path=PATH: runner.run(send(app, extras, ids, path))

        yield make


def sides_of(answers, ids):
    return [
        "b" if answer is None else {10: "a", 20: "b"}[answer - each] for answer, each in zip(answers, ids, strict=True)
    ]


IDS = list(range(100, 300))


def test_a_share_goes_to_the_canary_always_the_same_and_more_at_the_next_step(base, server, ask):
    start(base, Plan.model_validate(KEYED))
    server.refresh()
    first = sides_of(ask(IDS), IDS)
    assert 35 <= first.count("b") <= 85
    assert sides_of(ask(IDS), IDS) == first
    server.refresh()
    seen = look(base)
    assert (seen.sides.stable.requests, seen.sides.canary.requests) == (2 * first.count("a"), 2 * first.count("b"))
    assert seen.sides.canary.predictions.size == 2 * first.count("b")
    assert follow(base).decision.kind == "advance"
    server.refresh()
    second = sides_of(ask(IDS), IDS)
    assert second.count("b") > first.count("b")
    assert all(after == "b" for before, after in zip(first, second, strict=True) if before == "b")


def test_who_names_a_label_or_a_version_gets_it_and_is_not_counted(base, server, ask):
    trial = start(base, Plan.model_validate(KEYED))
    server.refresh()
    for name, side in (("labels/stable", "a"), ("labels/canary", "b"), (f"versions/{trial.canary}", "b")):
        assert set(sides_of(ask(IDS[:20], f"/v1/models/flights/{name}:predict"), IDS[:20])) == {side}
    server.refresh()
    assert not (base / FOLDER).exists()
    assert server.find(ModelQuery("flights")).version == trial.stable


@pytest.mark.parametrize(("end", "side"), [(promote, "b"), (abort, "a")])
def test_at_its_end_everybody_gets_one_version(base, server, ask, end, side):
    start(base, Plan.model_validate(KEYED))
    server.refresh()
    end(base, "")
    server.refresh()
    assert set(sides_of(ask(IDS), IDS)) == {side}
    for label in ("stable", "canary"):
        assert set(sides_of(ask(IDS, f"/v1/models/flights/labels/{label}:predict"), IDS)) == {side}


def test_faults_of_the_canary_are_counted_as_its_own_also_where_it_cannot_read_the_request(base, server, ask):
    start(base, Plan.model_validate({"steps": [{"share": 1}]}))
    server.refresh()
    assert ask([13, 14, "no number"]) == [None, 34, None]
    server.refresh()
    seen = look(base).sides
    assert (seen.canary.requests, seen.canary.errors, seen.canary.latency_ms.size) == (3, 2, 1)
    assert seen.stable.requests == 0


def test_a_shadow_answers_nobody_and_is_compared(base, server, ask):
    start(base, Plan.model_validate({"key": "id", "steps": [{"share": 0.5, "mode": "shadow"}]}))
    server.refresh()
    ids = [*IDS, *[13] * 3]
    assert set(sides_of(ask(ids), ids)) == {"a"}
    server.refresh()
    seen = look(base).sides
    assert seen.stable.requests == seen.canary.requests
    assert 70 <= seen.canary.requests <= 135
    assert seen.stable.errors == 0
    assert seen.canary.errors in (0, 3)
    assert seen.canary.differences.find_quantile(0.5) == pytest.approx(10, rel=0.01)
    assert len(seen.canary.differences.counts) == 1


def test_a_restarted_server_goes_on_and_what_it_had_counted_stays(base, server, ask, signature):
    start(base, Plan.model_validate(KEYED))
    server.refresh()
    before = sides_of(ask(IDS), IDS)
    server.refresh()
    other = Registry({"flights": base}, lambda version, path: Model(signature, version, path))
    other.refresh()
    split = other.list_models()["flights"].split
    chosen = [split.choose(lambda _, key=each: str(key).encode()).is_chosen for each in IDS]
    assert ["b" if each else "a" for each in chosen] == before
    assert look(base).sides.canary.requests == before.count("b")


def test_a_canary_that_does_not_load_fails_its_share_which_stable_answers(base, model, signature, connect):
    for content in "ab":
        push(Candidate(model(content)), base, 5)
    start(base, Plan.model_validate({"steps": [{"share": 0.5}]}))

    def load(version, path):
        if (path / "saved_model.pb").read_text() == "b":
            raise InternalError("broken")
        return Model(signature, version, path)

    registry = Registry({"flights": base}, load)
    registry.refresh()
    assert set(sides_of(connect(registry)(IDS), IDS)) == {"a"}
    registry.refresh()
    assert look(base).sides.canary.requests == look(base).sides.canary.errors > 50
    assert follow(base).rollout.state.phase == "aborted"


def test_without_a_roll_out_no_key_is_read_and_nothing_is_kept(server, ask):
    query = ModelQuery("flights")
    assert server.find(query, lambda _: pytest.fail("read")).plus == 20
    assert query.route is None
    assert set(sides_of(ask(IDS), IDS)) == {"b"}


def test_grpc_is_split_by_the_same_key(base, server, ask):
    start(base, Plan.model_validate(KEYED))
    server.refresh()
    answers = []
    for each in IDS:
        request = PredictRequest()
        request.model_spec.name = "flights"
        request.inputs["id"].CopyFrom(to_proto(np.array([each], np.float64)))
        inference = Service(server).prepare_predict(request)
        answers.append(float(inference.servable.run("", inference.feeds)["y"][0]))
    assert answers == ask(IDS)


def test_what_cannot_be_written_is_told_and_answers_go_on(base, server, ask, caplog):
    trial = start(base, Plan.model_validate(KEYED))
    server.refresh()
    folder = find_step(base, trial.id, 0)
    folder.parent.parent.write_text("in the way")
    assert None not in ask(IDS[:3])
    server.refresh()
    assert "what was counted of a roll-out cannot be written" in caplog.text


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"instances": [{"id": 7}, {"id": 8}]}, b"7"),
        ({"instances": [{"id": 7.0}]}, b"7"),
        ({"instances": [{"id": {"b64": "YQ=="}}]}, b"a"),
        ({"examples": [{"id": ["x"]}]}, b"x"),
        ({"inputs": {"id": [["x", "y"]]}}, b"x"),
        ({"instances": [{"id": None}]}, b"whole"),
        ({"instances": [{"other": 1}]}, b"whole"),
        ({"instances": [5]}, b"whole"),
        ({"instances": []}, b"whole"),
        ({"instances": [{"id": {"b64": 5}}]}, b"whole"),
        ({"inputs": {"id": []}}, b"whole"),
    ],
)
def test_the_key_of_a_body(document, key):
    assert read_json_key(json.loads(json.dumps(document)), b"whole", "id") == key
    assert read_json_key(document, b"whole", None) == b"whole"


def test_the_key_of_a_message():
    predict, classify = PredictRequest(), ClassificationRequest()
    predict.inputs["id"].CopyFrom(to_proto(np.array([7, 8], np.int64)))
    classify.input.example_list.examples.add().features.feature["id"].bytes_list.value.append(b"7")
    for request in (predict, classify):
        assert read_message_key(request, "id") == b"7"
        assert read_message_key(request, "other") == request.SerializeToString(deterministic=True)
        assert read_message_key(request, None) == request.SerializeToString(deterministic=True)
    assert read_message_key(ClassificationRequest(), "id") == b""


def test_a_prediction_is_one_number():
    outputs = {
        "scores": np.array([[0.1, 0.7, 0.2]], np.float32),
        "label": np.array([b"late", b"early"], object),
        "price": np.array([[3.5]], np.float32),
        "none": np.zeros((0, 1)),
    }
    assert read_prediction(outputs, "scores") == 1
    assert read_prediction(outputs, "price") == 3.5
    assert read_prediction(outputs, None) == read_prediction(outputs, "label")
    assert 0 <= read_prediction(outputs, "label") < 1
    assert read_prediction(outputs, "none") is None
    assert read_prediction(outputs, "unknown") is None


@pytest.mark.tensorflow
def test_real_models_are_split_over_rest(base, saved_model, tmp_path):
    from serving.server.model import load

    for content in "ab":
        copy = shutil.copytree(saved_model, tmp_path / content)
        (copy / "assets").mkdir(exist_ok=True)
        (copy / "assets" / "name").write_text(content)
        push(Candidate(copy), base, 5)
    start(base, Plan.model_validate({"key": "naïve.column", "steps": [{"share": 0.5}]}))
    registry = Registry({"flights": base}, load)
    registry.refresh()
    app = create_app(registry, Extras())

    async def send():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            for number in range(60):
                row = {"body mass (g)": number, "naïve.column": f"customer {number}"}
                answer = await client.post(PATH, json={"instances": [row]})
                assert answer.json()["predictions"][0]["doubled"] == 2 * number

    asyncio.run(send())
    registry.refresh()
    seen = look(base).sides
    assert seen.stable.requests + seen.canary.requests == 60
    assert 10 <= seen.canary.requests <= 50
    assert seen.canary.errors == 0
