"""SavedModels through TensorFlow's own loader."""

from __future__ import annotations

import gc
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from serving.artifact import TensorSpec, read_signatures
from serving.errors import DataLossError, InvalidArgumentError, ServingError
from serving.push import Candidate, push
from serving.server.model import load

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(saved_model):
    return load(7, saved_model)


def feed(masses, texts):
    return {"naïve.column": np.array(texts, object), "body mass (g)": np.array(masses, np.float32)}


def test_signatures_are_those_of_the_file(model, saved_model):
    assert model.signatures == read_signatures(saved_model)
    assert set(model.signatures["serving_default"].inputs) == {"body mass (g)", "naïve.column"}
    assert model.signatures["matrix"].inputs["x"] == TensorSpec("matrix_x:0", "float", (-1, 2))


def test_runs_by_tensor_whatever_the_inputs_are_called(model):
    outputs = model.run("serving_default", feed([1, np.nan], [b"a\0", "ü".encode()]))
    np.testing.assert_array_equal(outputs["doubled"], np.array([2, np.nan], np.float32))
    assert outputs["echo_bytes"].tolist() == [b"a\0", "ü".encode()]


def test_runs_an_empty_batch(model):
    outputs = model.run("serving_default", feed([], []))
    assert {name: array.shape for name, array in outputs.items()} == {"doubled": (0,), "echo_bytes": (0,)}


def test_runs_from_many_threads(model):
    def run(number):
        return model.run("matrix", {"x": np.full((1, 2), number, np.float32)})["probabilities"].item()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, range(200)))
    np.testing.assert_allclose(results, 1 / (1 + np.exp(-4.0 * np.arange(200))), rtol=1e-6)


def test_errors_of_the_graph_keep_their_status(model):
    with pytest.raises(InvalidArgumentError, match="too many rows"):
        model.run("matrix", {"x": np.zeros((4, 2), np.float32)})


def test_signature_that_is_no_function_is_listed_and_cannot_be_run(model):
    with pytest.raises(ServingError, match="does not have output 0"):
        model.run("__saved_model_init_op", {})


def test_session_closes_with_the_last_reference(saved_model):
    loaded = load(1, saved_model)
    session = weakref.ref(loaded._session)
    del loaded
    gc.collect()
    assert session() is None


@pytest.fixture
def copy(saved_model, tmp_path):
    return shutil.copytree(saved_model, tmp_path / "1")


def test_version_without_variables_is_refused(copy):
    shutil.rmtree(copy / "variables")
    with pytest.raises(DataLossError, match=r"variables/variables\.index is missing"):
        load(1, copy)


def test_version_without_the_values_is_refused(copy):
    next((copy / "variables").glob("*.data-*")).unlink()
    with pytest.raises(ServingError, match="variables.data-00000-of-00001"):
        load(1, copy)


def test_unknown_operation_is_refused_by_name(copy):
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    message = SavedModel.FromString((copy / "saved_model.pb").read_bytes())
    message.meta_graphs[0].graph_def.node.add(name="nope", op="NoSuchOperation")
    (copy / "saved_model.pb").write_bytes(message.SerializeToString())
    with pytest.raises(ServingError, match="NoSuchOperation"):
        load(1, copy)


@pytest.mark.parametrize("change", ["flipped bit", "truncated", "missing", "extra file"])
def test_a_version_that_is_not_what_was_pushed_is_not_loaded(saved_model, tmp_path, change):
    (tmp_path / "model").mkdir()
    copied = shutil.copytree(saved_model, tmp_path / "model" / "m")
    (copied / "assets" / "words").write_text("one\ntwo\n")
    pushed = push(Candidate(copied), tmp_path / "base", 5)
    assert load(pushed.version, pushed.path).version == pushed.version
    file = pushed.path / "assets" / "words"
    if change == "flipped bit":
        file.write_text("one\ntwn\n")
    elif change == "truncated":
        file.write_text("one\n")
    elif change == "missing":
        file.unlink()
    else:
        (pushed.path / "assets" / "more").touch()
    with pytest.raises(DataLossError, match=r"is not what was pushed: assets/(words: (altered|missing)|more: was not)"):
        load(pushed.version, pushed.path)
