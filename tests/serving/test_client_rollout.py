"""Clients that split a roll-out's requests themselves, against a server that knows labels and splits nothing."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time

import httpx
import pandas as pd
import pyarrow as pa
import pytest

from serving.canary.plan import Plan
from serving.canary.split import is_chosen, to_key
from serving.canary_control import abort, follow, look, start
from serving.client import AsyncPredictionClient, Options, PredictionClient, rollout
from serving.errors import InvalidArgumentError, RowError, ServingError
from serving.history import read_history
from serving.model_config import FILE as CONFIG
from serving.push import Candidate, push
from serving.standing import sum_up
from serving.store import find_versions

STEP = {"share": 0.3, "requests": 50, "minutes": 0}
LIVE = {"key": "id", "steps": [STEP], "rules": {"error_rate": {"worse_by": 0.2}}}
SHADOW = {"key": "id", "steps": [STEP | {"mode": "shadow"}]}
IDS = list(range(100, 300))


def spec(dtype, *dims):
    shape = {"dim": [{"size": str(size), "name": ""} for size in (-1, *dims)], "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape, "name": "x:0"}


class Server:
    """As TensorFlow Serving: asked for no version it answers 10 more than the id, asked for the canary 20 more."""

    def __init__(self):
        self.paths = []
        self.canary_status = 200

    def __call__(self, request):
        path = request.url.raw_path.decode()
        self.paths.append(path)
        is_canary = "/labels/canary" in path
        if is_canary and self.canary_status != 200:
            return httpx.Response(self.canary_status, json={"error": "no such label"})
        if request.method == "GET":
            given = {"inputs": {"id": spec("DT_DOUBLE")}, "outputs": {"y": spec("DT_FLOAT")}, "method_name": "m"}
            signatures = {"signature_def": {"serving_default": given}}
            content = {"model_spec": {"version": "7"}, "metadata": {"signature_def": signatures}}
            return httpx.Response(200, json=content)
        body, plus = json.loads(request.content), 20 if is_canary else 10
        if path.endswith(":predict"):
            if 13 in body["inputs"]["id"]:
                return httpx.Response(500, json={"error": "13"})
            return httpx.Response(200, json={"outputs": [each + plus for each in body["inputs"]["id"]]})
        results = [each["id"] + plus for each in body["examples"]]
        if path.endswith(":classify"):
            results = [[["no", 0.25], [f"{each:g}", 0.75]] for each in results]
        return httpx.Response(200, json={"results": results})


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def pushed(base, model):
    for content in "ab":
        push(Candidate(model(content)), base, 5)
    return base


@pytest.fixture
def client(pushed, server, monkeypatch):
    """`client(plan)`: one that follows a roll-out of this plan."""
    monkeypatch.setattr(rollout, "LOOK_S", 0.01)
    opened = []

    def make(plan=None):
        if plan is not None:
            start(pushed, Plan.model_validate(plan))
        options = Options(rollout=pushed, attempts=1)
        opened.append(PredictionClient("http://host:8501", "flights", options, httpx.MockTransport(server)))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def chosen(base, share=0.3):
    trial = sum_up(read_history(base).events).rollout.trial
    return [each for each in IDS if is_chosen(trial.id, to_key(each), share)]


def sides_of(client, base):
    client.close()
    sides = look(base).sides
    return sides.stable, sides.canary


def test_a_share_by_the_key_goes_to_the_canary_and_both_are_counted(client, pushed):
    asking = client(LIVE)
    answers = [asking.predict([{"id": each}])[0] for each in IDS]
    expected = chosen(pushed)
    assert 35 < len(expected) < 85
    assert answers == [each + (20 if each in expected else 10) for each in IDS]
    stable, canary = sides_of(asking, pushed)
    assert (stable.requests, canary.requests) == (len(IDS) - len(expected), len(expected))
    assert (stable.errors, canary.errors) == (0, 0)
    assert stable.latency_ms.size == stable.predictions.size == stable.requests
    assert canary.predictions.list_values()[0][0] == pytest.approx(min(expected) + 20, rel=0.01)


@pytest.mark.parametrize("make", [lambda row: pd.DataFrame([row]), lambda row: pa.Table.from_pylist([row])])
def test_tables_go_where_their_first_row_goes(client, pushed, make):
    asking = client(LIVE)
    answers = [asking.predict(make({"id": each}))["y"] for each in IDS[:50]]
    first = [float(each.iloc[0]) if hasattr(each, "iloc") else each[0].as_py() for each in answers]
    assert first == [each + (20 if each in chosen(pushed) else 10) for each in IDS[:50]]


def test_stable_answers_where_the_canary_fails_and_the_canary_is_rolled_back(client, pushed, server):
    asking = client(LIVE)
    server.canary_status = 404
    assert [asking.predict([{"id": each}])[0] for each in IDS] == [each + 10 for each in IDS]
    expected = len(chosen(pushed))
    stable, canary = sides_of(asking, pushed)
    assert (stable.requests, stable.errors) == (len(IDS) - expected, 0)
    assert (canary.requests, canary.errors) == (expected, expected)
    assert look(pushed).findings[0].verdict == "broken"


def test_what_neither_side_answers_is_an_error_of_the_one_that_was_chosen(client, pushed):
    asking = client(LIVE)
    with pytest.raises(ServingError, match="13"):
        asking.predict([{"id": 13}])
    stable, canary = sides_of(asking, pushed)
    assert {(stable.requests, stable.errors), (canary.requests, canary.errors)} == {(1, 1), (0, 0)}


def test_rows_that_do_not_fit_count_for_nobody(client, pushed):
    asking = client({**LIVE, "steps": [{"share": 1.0}]})
    for rows, kind in (([{"id": "late"}], RowError), (pd.DataFrame({"ids": [1]}), InvalidArgumentError)):
        with pytest.raises(kind):
            asking.predict(rows)
    assert [each.requests for each in sides_of(asking, pushed)] == [0, 0]


def test_shadow_copies_are_compared_and_stable_answers(client, pushed):
    asking = client(SHADOW)
    assert [asking.predict([{"id": each}])[0] for each in IDS] == [each + 10 for each in IDS]
    expected = len(chosen(pushed))
    stable, canary = sides_of(asking, pushed)
    assert (stable.requests, canary.requests) == (expected, expected)
    assert [round(value) for value, _ in canary.differences.list_values()] == [10]
    assert canary.differences.size == expected


def test_a_shadow_that_fails_disturbs_nobody(client, pushed, server):
    asking = client(SHADOW)
    server.canary_status = 500
    assert [asking.predict([{"id": each}])[0] for each in IDS[:40]] == [each + 10 for each in IDS[:40]]
    stable, canary = sides_of(asking, pushed)
    assert (stable.errors, canary.errors) == (0, canary.requests)
    assert canary.requests == stable.requests > 0


def test_classify_and_regress_are_split_and_counted(client, pushed):
    asking = client({**LIVE, "output": "scores"})
    assert asking.regress([{"id": 100.0}]) == [120 if 100 in chosen(pushed) else 110]
    assert asking.classify([{"id": 101.0}])[0][1][0] == ("121" if 101 in chosen(pushed) else "111")
    stable, canary = sides_of(asking, pushed)
    assert stable.requests + canary.requests == 2
    # the place of the likelier class; regress has no such output
    values = [value for side in (stable, canary) for value, _ in side.predictions.list_values()]
    assert values == [pytest.approx(1, rel=0.01)]


def test_without_a_rollout_nobody_asks_for_the_canary_and_one_that_begins_is_noticed(client, pushed, server):
    asking = client()
    assert asking.predict([{"id": 100}]) == [110]
    assert not any("canary" in path for path in server.paths)
    start(pushed, Plan.model_validate({**LIVE, "steps": [{"share": 1.0}]}))
    wait_for(lambda: asking.predict([{"id": 100}]) == [120])
    abort(pushed, "enough")
    wait_for(lambda: asking.predict([{"id": 100}]) == [110])


def wait_for(holds):
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_history_that_cannot_be_read_changes_nothing(client, pushed, monkeypatch, caplog):
    asking = client({**LIVE, "steps": [{"share": 1.0}]})

    def fail(_):
        raise OSError("gone")

    monkeypatch.setattr(rollout, "read_standing", fail)
    (pushed / ".history.jsonl").touch()
    wait_for(lambda: "requests are split as before" in caplog.text)
    assert asking.predict([{"id": 100}]) == [120]


def test_asyncio(pushed, server):
    start(pushed, Plan.model_validate({**LIVE, "steps": [{"share": 1.0}]}))

    async def ask():
        transport = httpx.MockTransport(server)
        options = Options(rollout=pushed)
        async with AsyncPredictionClient("http://host:8501", "flights", options, transport) as asking:
            return await asyncio.gather(*(asking.predict([{"id": each}]) for each in IDS[:10]))

    assert asyncio.run(ask()) == [[each + 20] for each in IDS[:10]]
    assert look(pushed).sides.canary.requests == 10


@pytest.mark.parametrize("beside", [{"version": 7}, {"label": "stable"}])
def test_a_version_beside_a_rollout_is_refused(base, beside):
    with pytest.raises(InvalidArgumentError, match="rollout chooses the version"):
        Options(rollout=base, **beside)


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="expected the folder of the model's versions"):
        PredictionClient("http://host:8501", "flights", Options(rollout=tmp_path / "none"))


@pytest.fixture
def serve():
    """`serve(file)`: where a server by this models.config answers, over REST and gRPC."""
    started = []

    def begin(file):
        options = ["--models-config", file, "--port", "0", "--grpc-port", "0", "--json"]
        command = [sys.executable, "-c", "from pipeline.cli import main; main()", "serve", *options]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        told = json.loads(started[-1].stdout.readline())
        return {"REST": told["url"], "gRPC": f"grpc://{told['grpc']}"}

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["REST", "gRPC"])
def test_callers_roll_out_to_a_server_by_models_config(base, saved_model, tmp_path, monkeypatch, serve, protocol):
    monkeypatch.setattr(rollout, "LOOK_S", 0.05)
    newer = shutil.copytree(saved_model, tmp_path / "newer")
    (newer / "notes").write_text("newer")
    for candidate in (saved_model, newer):
        push(Candidate(candidate), base, 5)
    rules = LIVE["rules"] | {"p99_ms": None, "drift": None}
    trial = start(base, Plan.model_validate({"steps": [STEP | {"share": 0.5}], "rules": rules}))
    config = tmp_path / CONFIG
    config.write_text((base / CONFIG).read_text().replace("/models/flights", str(base)))
    with PredictionClient(serve(config)[protocol], base.name, Options(rollout=base)) as asking:
        for number in range(2000):
            assert asking.predict([{"body mass (g)": number, "naïve.column": "a"}])[0]["doubled"] == 2 * number
            if number % 50 == 0 and (seen := follow(base)).rollout.state.is_over:
                break
    assert seen.sides.canary.requests >= STEP["requests"]
    assert (seen.sides.stable.errors, seen.sides.canary.errors) == (0, 0)
    assert seen.rollout.state.phase == "promoted"
    assert max(find_versions(base)) > trial.stable
