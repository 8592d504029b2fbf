"""Pushed versions: which folders count, and what saved_model.pb tells."""

from __future__ import annotations

import subprocess
import sys

import pytest

from serving import artifact
from serving.artifact import Signature, TensorSpec
from serving.errors import DataLossError
from serving.saved_model_proto import SavedModel


@pytest.fixture
def base(tmp_path):
    for name in ("1", "12", "00000123", ".staging-9", "x7", "-3", "²", str(2**63)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").touch()
    (tmp_path / "8").mkdir()
    (tmp_path / "7").touch()
    return tmp_path


def test_only_integer_folders_with_a_saved_model_are_versions(base):
    assert artifact.versions(base) == [1, 12, 123]
    assert artifact.locate(base)[123].name == "00000123"


def test_missing_folder_has_no_versions(tmp_path):
    assert artifact.versions(tmp_path / "none") == []


@pytest.fixture
def saved_model():
    message = SavedModel()
    graph = message.meta_graphs.add()
    graph.meta_info_def.tags.append("serve")
    entry = graph.signature_def.add(key="serving_default")
    entry.value.method_name = "tensorflow/serving/predict"
    known = entry.value.inputs.add(key="body mass (g)")
    known.value.name, known.value.dtype = "x:0", 1
    known.value.tensor_shape.dim.add(size=-1)
    unknown = entry.value.inputs.add(key="naïve.column")
    unknown.value.name, unknown.value.dtype, unknown.value.tensor_shape.unknown_rank = "y:0", 7, True
    scalar = entry.value.outputs.add(key="z")
    scalar.value.name, scalar.value.dtype = "z:0", 999
    return message


def write(saved_model, folder):
    (folder / "saved_model.pb").write_bytes(saved_model.SerializeToString())
    return folder


def test_signatures_are_typed(saved_model, tmp_path):
    assert artifact.read_signatures(write(saved_model, tmp_path)) == {
        "serving_default": Signature(
            inputs={
                "body mass (g)": TensorSpec("x:0", "float", (-1,)),
                "naïve.column": TensorSpec("y:0", "string", None),
            },
            outputs={"z": TensorSpec("z:0", "999", ())},
            method_name="tensorflow/serving/predict",
        )
    }


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataLossError, match=r"saved_model\.pb cannot be read"):
        artifact.read_signatures(tmp_path)


def test_cut_file_is_refused(saved_model, tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(saved_model.SerializeToString()[:-3])
    with pytest.raises(DataLossError, match="is not a SavedModel"):
        artifact.read_signatures(tmp_path)


def test_other_tags_are_refused(saved_model, tmp_path):
    saved_model.meta_graphs[0].meta_info_def.tags.append("gpu")
    with pytest.raises(DataLossError, match=r"no graph with the tags \['serve'\], only \[\['gpu', 'serve'\]\]"):
        artifact.read_signatures(write(saved_model, tmp_path))


def test_missing_variables_are_refused(saved_model, tmp_path):
    saved_model.meta_graphs[0].saver_def.SetInParent()
    with pytest.raises(DataLossError, match=r"variables/variables\.index is missing"):
        artifact.read_signatures(write(saved_model, tmp_path))


def test_importing_serving_leaves_tensorflow_out():
    code = (
        "import sys, serving.client, serving.server.run; "
        "sys.exit(bool({'tensorflow', 'keras', 'pipeline', 'models'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
