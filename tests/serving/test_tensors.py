"""TensorProtos as any client may send them."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import InvalidArgumentError, UnimplementedError
from serving.protos import TensorProto
from serving.server.tensors import get_dtype_name, to_array, to_proto


def parse(text):
    return text_format.Parse(text, TensorProto())


def test_last_value_is_repeated_and_no_value_is_zero():
    shape = "tensor_shape { dim { size: 2 } dim { size: 2 } }"
    floats = to_array(parse(f"dtype: DT_FLOAT {shape} float_val: 1 float_val: 2"), "x")
    np.testing.assert_array_equal(floats, [[1, 2], [2, 2]])
    np.testing.assert_array_equal(to_array(parse(f"dtype: DT_INT64 {shape}"), "x"), np.zeros((2, 2), np.int64))
    texts = to_array(parse(f'dtype: DT_STRING {shape} string_val: "a"'), "x")
    assert texts.tolist() == [[b"a", b"a"], [b"a", b"a"]]


def test_strings_may_come_as_content():
    """Lengths, then the texts: what TensorFlow's C++ clients send."""
    proto = parse(r'dtype: DT_STRING tensor_shape { dim { size: 2 } } tensor_content: "\001\002a\303\274"')
    assert to_array(proto, "x").tolist() == [b"a", "ü".encode()]
    assert to_array(parse(r'dtype: DT_STRING tensor_shape {} tensor_content: "\001a"'), "x").tolist() == b"a"


WRONG = {
    "terabytes of one value": "dtype: DT_FLOAT tensor_shape { dim { size: 1000000000000 } } float_val: 1",
    "more than 64 bits": f"dtype: DT_FLOAT tensor_shape {{ {'dim { size: 1000000000000 }' * 3} }} float_val: 1",
    "unknown size": "dtype: DT_FLOAT tensor_shape { dim { size: -1 } } float_val: 1",
    "unknown rank": "dtype: DT_FLOAT tensor_shape { unknown_rank: true } float_val: 1",
    "too many values": "dtype: DT_FLOAT tensor_shape { dim { size: 1 } } float_val: 1 float_val: 2",
    "content of another size": 'dtype: DT_FLOAT tensor_shape { dim { size: 1 } } tensor_content: "12345678"',
    "content cut": 'dtype: DT_FLOAT tensor_shape { dim { size: 1 } } tensor_content: "123"',
    "strings cut": r'dtype: DT_STRING tensor_shape { dim { size: 1 } } tensor_content: "\005a"',
    "too many dimensions": f"dtype: DT_FLOAT tensor_shape {{ {'dim { size: 1 }' * 100} }} float_val: 1",
    "no dtype": "float_val: 1",
    "unknown dtype": "dtype: 99",
    "half that is none": "dtype: DT_HALF tensor_shape {} half_val: 70000",
    "half a complex number": "dtype: DT_COMPLEX64 tensor_shape {} scomplex_val: 1",
    "int8 out of range": "dtype: DT_INT8 tensor_shape {} int_val: 300",
    "a resource": "dtype: DT_RESOURCE tensor_shape {}",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_what_is_no_tensor_is_refused_by_name(text):
    with pytest.raises(InvalidArgumentError, match="^tensor parsing error: mass: "):
        to_array(parse(text), "mass")


DTYPES = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16, np.complex64, np.complex128, np.bool_] + [
    np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)
]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
@pytest.mark.parametrize("array", [np.arange(6).reshape(2, 3).T, np.ones(()), np.zeros((0, 2)), np.zeros(0)])
def test_what_leaves_comes_back_as_typed_values_and_as_content(dtype, array):
    array = array.astype(dtype)
    proto = to_proto(array)
    assert proto.tensor_content == b""
    content = TensorProto(dtype=proto.dtype, tensor_shape=proto.tensor_shape, tensor_content=array.tobytes())
    for sent in (proto, content):
        read = to_array(sent, "x")
        assert (read.dtype, read.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(read, array)


@given(st.lists(st.binary(max_size=300), min_size=1))
def test_strings_come_back_from_content_and_typed_values(texts):
    array = np.array(texts, np.object_)
    proto = to_proto(array)
    np.testing.assert_array_equal(to_array(proto, "x"), array)
    lengths = b"".join(
        bytes([len(text)] if len(text) < 128 else [len(text) % 128 + 128, len(text) // 128]) for text in texts
    )
    content = TensorProto(dtype=7, tensor_shape=proto.tensor_shape, tensor_content=lengths + b"".join(texts))
    np.testing.assert_array_equal(to_array(content, "x"), array)


@given(st.binary(min_size=1), st.integers(0, 5))
def test_any_bytes_are_strings_or_refused(content, size):
    proto = TensorProto(dtype=7, tensor_content=content)
    proto.tensor_shape.dim.add(size=size)
    try:
        assert to_array(proto, "x").shape == (size,)
    except InvalidArgumentError as error:
        assert error.message.startswith("tensor parsing error: x: ")


@pytest.mark.tensorflow
def test_tensorflow_reads_the_same():
    import tensorflow as tf
    from tensorflow.core.framework.tensor_pb2 import TensorProto as Original

    for array in (np.complex64([[1 + 2j]]), np.arange(6, dtype=np.float16).reshape(2, 3).T, np.array([b"a"], object)):
        original = Original.FromString(to_proto(array).SerializeToString())
        np.testing.assert_array_equal(tf.make_ndarray(original), array)


def test_a_type_without_a_typed_field_is_not_answered_with():
    with pytest.raises(UnimplementedError, match="float8_e5m2"):
        to_proto(np.zeros(1, ml_dtypes.float8_e5m2))


def test_dtypes_are_called_as_in_signatures():
    protos = [parse(f"dtype: {number}") for number in (1, 7, 14, 99)]
    assert [get_dtype_name(proto) for proto in protos] == ["float", "string", "bfloat16", "99"]
