"""Models without TensorFlow, served by the real registry and the real application."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest

from serving.artifact import Signature, TensorSpec
from serving.errors import NotFoundError
from serving.server.app import create_app, create_exchanges
from serving.server.extras import Extras
from serving.server.registry import Registry
from serving.server.settings import ServerSettings

Arrays = Mapping[str, Any]

DTYPES = ("float", "double", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64", "bool", "string", "half")


def _signature(inputs: Mapping[str, str], outputs: Mapping[str, str]) -> Signature:
    inputs_specs, output_specs = (
        {name: TensorSpec(f"{name}:0", dtype, (-1,)) for name, dtype in side.items()} for side in (inputs, outputs)
    )
    return Signature(inputs_specs, output_specs, "tensorflow/serving/predict")


@dataclass(eq=False)
class FakeModel:
    """A version that answers with what `respond` makes of its inputs."""

    version: int = 2
    is_row_wise: bool = True
    signatures: dict[str, Signature] = field(
        default_factory=lambda: {"serving_default": _signature({"x": "float"}, {"y": "float"})}
    )
    respond: Callable[[Arrays], dict[str, Any]] = lambda feeds: {"y": feeds["x"]}

    def run(self, _: str, feeds: Arrays) -> dict[str, Any]:
        return self.respond(feeds)


EXAMPLES = {"inputs": "string"}
CLASSES = {"classes": "string", "scores": "float"}


def _judge(feeds: Arrays) -> dict[str, Any]:
    """Two classes and a number for each example."""
    numbers = np.arange(len(feeds["inputs"]), dtype=np.float32)
    return {
        "classes": np.array([["größe".encode(), b'a"/b']] * len(numbers), np.object_),
        "scores": np.stack([numbers, numbers + np.float32(0.1)], axis=1),
        "outputs": numbers / 4,
    }


def _misjudge(**outputs: Any) -> FakeModel:
    """Answers as it should, but for these outputs."""
    return FakeModel(signatures=JUDGING, respond=lambda feeds: _judge(feeds) | outputs)


JUDGING = {
    "classify": _signature(EXAMPLES, CLASSES),
    "regress": _signature(EXAMPLES, {"outputs": "float"}),
    "labels": _signature(EXAMPLES, {"classes": "string"}),
    "scores": _signature(EXAMPLES, {"scores": "float"}),
    "beside": _signature(EXAMPLES, {"scores": "float", "y": "float"}),
    "double": _signature(EXAMPLES, {"scores": "double"}),
    "doubled": _signature(EXAMPLES, {"outputs": "double"}),
    "numbers": _signature(EXAMPLES, {"classes": "float"}),
    "three": _signature(EXAMPLES, {**CLASSES, "y": "float"}),
    "neither": _signature(EXAMPLES, {"y": "float"}),
    "x": _signature({"x": "string"}, {"y": "float"}),
    "serving_default": _signature({"a": "float", "b": "string"}, {"y": "float"}),
}

FAKES = {
    "m": FakeModel(),
    "two": FakeModel(
        signatures={"serving_default": _signature({"b": "string", "a": "float"}, {"s_bytes": "string", "y": "float"})},
        respond=lambda feeds: {"s_bytes": feeds["b"], "y": feeds["a"]},
    ),
    "typed": FakeModel(signatures={dtype: _signature({"x": dtype}, {"y": dtype}) for dtype in DTYPES}),
    "scalar": FakeModel(respond=lambda _: {"y": np.float32(3)}),
    "unbatched": FakeModel(respond=lambda feeds: {"a": feeds["x"], "b": np.zeros(1, np.float32)}),
    "faulty": FakeModel(respond=lambda _: {}["no such key"]),
    "a/b c": FakeModel(),
    "judge": FakeModel(signatures=JUDGING, respond=_judge),
    "flat": _misjudge(scores=np.zeros(2, np.float32), outputs=np.float32(1)),
    "longer": _misjudge(classes=np.array([[b"a"]] * 3), outputs=np.zeros((3, 1), np.float32)),
    "wider": _misjudge(scores=np.zeros((2, 3), np.float32), outputs=np.zeros((2, 3), np.float32)),
}


def _load_fake(version: int, path: Path) -> FakeModel:
    if version == 3:
        raise NotFoundError("Op type not registered 'Nope'")
    return FAKES[path.parent.name.replace("|", "/")]


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Every fake as version 2; of `m`, version 3 fails to load. `empty` has no versions."""
    root = tmp_path_factory.mktemp("models")
    bases = {name: root / name.replace("/", "|") for name in (*FAKES, "empty")}
    for name in FAKES:
        (bases[name] / "2").mkdir(parents=True)
        (bases[name] / "2" / "saved_model.pb").touch()
    (bases["m"] / "3").mkdir()
    (bases["m"] / "3" / "saved_model.pb").touch()
    registry = Registry(bases, _load_fake)
    registry.refresh()
    return registry


Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def ask(registry: Registry) -> Iterator[Ask]:
    """`ask(method, path, content=..., headers=...)`: one request to the application, without a socket."""
    with asyncio.Runner() as runner:
        yield _connect(runner, create_app(registry))


@pytest.fixture
def ask_with(registry: Registry) -> Iterator[Callable[..., Ask]]:
    """`ask_with(settings or extras, registry=...)`: an `ask` of a server with these settings."""
    with asyncio.Runner() as runner:

        def make(settings: ServerSettings | Extras, models: Registry = registry) -> Ask:
            extras = settings if isinstance(settings, Extras) else Extras(settings)
            return _connect(runner, create_app(models, extras))

        yield make


def _connect(runner: asyncio.Runner, application: Any) -> Ask:
    async def ask(method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)

    return lambda method, path, **options: runner.run(ask(method, path, **options))


ODD_NAMES = {"mass": "body mass (g)", "column": "naïve.column"}


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel written by TensorFlow, its inputs renamed to what no Python function could take.

    serving_default: `body mass (g)` float [n], `naïve.column` string [n] -> `doubled` float [n], `echo_bytes` [n]
    matrix: x float [n, 2] -> probabilities float [n, 1]; refuses more than 3 rows
    """
    import tensorflow as tf
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    module = tf.Module()
    module.weight = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32), tf.TensorSpec([None], tf.string)])
    def default(mass, column):
        return {"doubled": mass * module.weight, "echo_bytes": column}

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
    def matrix(x):
        with tf.control_dependencies([tf.debugging.assert_less_equal(tf.shape(x)[0], 3, "too many rows")]):
            return {"probabilities": tf.sigmoid(tf.reduce_sum(x, axis=1, keepdims=True) * module.weight)}

    path = tmp_path_factory.mktemp("saved") / "model"
    tf.saved_model.save(module, str(path), {"serving_default": default, "matrix": matrix})
    message = SavedModel.FromString((path / "saved_model.pb").read_bytes())
    inputs = message.meta_graphs[0].signature_def["serving_default"].inputs
    for plain, odd in ODD_NAMES.items():
        inputs[odd].CopyFrom(inputs[plain])
        del inputs[plain]
    (path / "saved_model.pb").write_bytes(message.SerializeToString())
    return path


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder of versions that is not there yet."""
    return tmp_path / "serving" / "flights"


@pytest.fixture
def model(tmp_path: Path) -> Callable[[str], Path]:
    """`model(content)`: a new folder that looks like a SavedModel."""

    def make(content: str) -> Path:
        folder = tmp_path / f"model-{len(list(tmp_path.iterdir()))}"
        (folder / "variables").mkdir(parents=True)
        (folder / "saved_model.pb").write_text(content)
        (folder / "variables" / "variables.index").write_text("weights")
        return folder

    return make


@contextmanager
def _run_grpc(registry: Registry, extras: Extras | None = None, port: int = 0) -> Iterator[SimpleNamespace]:
    """A gRPC server on an event loop of its own: `port`, and `drain(timeout_s)`, which returns once it has begun."""
    from serving.server.grpc_server import GrpcServer

    extras, loop = extras or Extras(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def submit(coroutine: Coroutine[Any, Any, None]) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(coroutine, loop)

    def drain(timeout_s: float) -> None:
        submit(server.drain(timeout_s))
        submit(asyncio.sleep(0.2)).result()

    server = GrpcServer("127.0.0.1", port, extras)
    try:
        submit(server.start(registry, create_exchanges(extras))).result(20)
        yield SimpleNamespace(port=server.port, drain=drain)
    finally:
        submit(server.drain(0)).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="session")
def run_grpc() -> Callable[..., AbstractContextManager[SimpleNamespace]]:
    """Serve a registry over gRPC in this process."""
    return _run_grpc
