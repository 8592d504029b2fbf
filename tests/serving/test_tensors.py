"""TensorProtos as any client may send them."""

from __future__ import annotations

import numpy as np
import pytest

from serving.errors import InvalidArgumentError
from serving.server.tensors import get_dtype_name, to_array, to_proto

pytestmark = pytest.mark.tensorflow


def parse(text):
    from google.protobuf import text_format
    from tensorflow.core.framework.tensor_pb2 import TensorProto

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
    "a resource": "dtype: DT_RESOURCE tensor_shape {}",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_what_is_no_tensor_is_refused_by_name(text):
    with pytest.raises(InvalidArgumentError, match="^tensor parsing error: mass: "):
        to_array(parse(text), "mass")


def test_complex_numbers_and_views_leave_whole():
    import tensorflow as tf

    for array in (np.complex64([[1 + 2j]]), np.arange(6, dtype=np.float16).reshape(2, 3).T):
        np.testing.assert_array_equal(tf.make_ndarray(to_proto(array)), array)


def test_dtypes_are_called_as_in_signatures():
    given = [parse(f"dtype: {number}") for number in (1, 7, 14, 99)]
    assert [get_dtype_name(proto) for proto in given] == ["float", "string", "bfloat16", "99"]
