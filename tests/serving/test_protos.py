"""Messages without TensorFlow."""

import subprocess
import sys

import pytest

from serving import protos


@pytest.mark.parametrize("name", sorted(protos._FILES))
def test_every_message_is_there(name: str) -> None:
    message = getattr(protos, name)()
    assert message.DESCRIPTOR.name == name
    assert message.DESCRIPTOR.full_name.startswith("tensorflow.")
    assert type(message) is getattr(protos, name)


def test_an_unknown_message_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="knows no message 'Nope'"):
        _ = protos.Nope


def test_any_holds_messages_of_the_pool() -> None:
    signatures = protos.SignatureDefMap()
    signatures.signature_def["serving_default"].method_name = "tensorflow/serving/predict"
    response = protos.GetModelMetadataResponse()
    response.metadata["signature_def"].Pack(signatures)
    unpacked = protos.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(unpacked)
    assert unpacked == signatures


def test_tensorflow_is_not_imported() -> None:
    code = "import sys; from serving.protos import PredictRequest, Example; print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.tensorflow
def test_bytes_are_those_of_tensorflows_messages() -> None:
    import tensorflow as tf
    from tensorflow_serving.apis.predict_pb2 import PredictRequest

    request = PredictRequest()
    request.model_spec.name = "flights"
    request.model_spec.version.value = 7
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([[1.5, 2.5]]))
    ours = protos.PredictRequest.FromString(request.SerializeToString())
    assert list(ours.inputs["x"].float_val) or ours.inputs["x"].tensor_content
    assert PredictRequest.FromString(ours.SerializeToString()) == request
