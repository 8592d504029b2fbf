"""A model server as a process: what its end says of the model, and what it says of the server alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import RunError
from pipeline.infra import server as module
from pipeline.infra.server import UnservableError, load, start_server

READY = 'print(\'{"url": "http://127.0.0.1:9", "grpc": "127.0.0.1:8"}\', flush=True)\n'


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`stand_in(program)`: Python that runs in the place of `penstock serve`."""

    def use(program: str) -> None:
        monkeypatch.setattr(module, "_command", lambda base, name: [sys.executable, "-c", program])

    return use


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base").mkdir()
    return tmp_path / "base"


def test_a_server_that_does_not_start_says_nothing_of_the_model(stand_in, base):
    stand_in("raise SystemExit('no port')")
    with (
        pytest.raises(RunError, match="the server did not start: the server ended with 1: no port"),
        start_server(base, "m"),
    ):
        pass


def test_nor_does_one_that_takes_too_long(stand_in, base, monkeypatch):
    stand_in("import time; time.sleep(60)")
    monkeypatch.setattr(module, "START_TIMEOUT_S", 0.1)
    with pytest.raises(RunError, match=r"did not start within 0\.1 s"), start_server(base, "m"):
        pass


def test_nor_does_one_that_does_not_load_in_time(stand_in, base, model, monkeypatch):
    stand_in(READY + "import time; time.sleep(60)")
    monkeypatch.setattr(module, "LOAD_TIMEOUT_S", 0.1)
    monkeypatch.setattr(module, "_is_loaded", lambda url, version: False)
    with start_server(base, "m") as server, pytest.raises(RunError, match=r"did not load the model within 0\.1 s"):
        load(server, model, base, "m")


def test_one_that_ends_over_the_model_does(stand_in, base, model, monkeypatch):
    stand_in(READY + "import sys; sys.exit('out of memory')")
    monkeypatch.setattr(module, "_is_loaded", lambda url, version: False)
    with (
        start_server(base, "m") as server,
        pytest.raises(UnservableError, match="does not load: .* with 1: out of mem"),
    ):
        load(server, model, base, "m")


def binary(folder: Path, program: str) -> str:
    """A TensorFlow Serving of our own."""
    file = folder / "tensorflow_model_server"
    file.write_text(f"#!{sys.executable}\nimport sys\nif '--version' in sys.argv: sys.exit(0)\n{program}")
    file.chmod(0o755)
    return str(file)


def test_a_binary_that_does_not_run_says_nothing_of_the_model(tmp_path, base):
    (tmp_path / "broken").write_text("#!/bin/sh\nexit 127\n")
    (tmp_path / "broken").chmod(0o755)
    with pytest.raises(RunError, match="broken does not run"), start_server(base, "m", str(tmp_path / "broken")):
        pass
    with pytest.raises(RunError, match="none does not run"), start_server(base, "m", str(tmp_path / "none")):
        pass


@pytest.mark.tensorflow  # it opens sockets
@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ("Failed to start server: address in use", RunError, "the server did not start: .*address in use"),
        ("Loading servable: {name: m version: 1} failed: bad", UnservableError, "does not load: .*failed: bad"),
    ],
)
def test_a_binary_that_ends_over_the_model_names_it(tmp_path, base, model, words, kind, said):
    path = binary(tmp_path, f"sys.exit({words!r})")
    with start_server(base, "m", path) as server, pytest.raises(kind, match=said):
        load(server, model, base, "m")


def test_a_server_is_stopped_when_it_is_done(stand_in, base):
    stand_in(READY + "import time; time.sleep(60)")
    with start_server(base, "m") as server:
        assert server.url == "http://127.0.0.1:9"
        assert server.process.poll() is None
    assert server.process.poll() is not None
