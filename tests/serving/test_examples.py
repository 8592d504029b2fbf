"""JSON examples to serialized tf.Examples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from serving.errors import InvalidArgumentError
from serving.protos import Example
from serving.server.examples import read_examples
from serving.server.json_body import parse_object


def read(document):
    """The features of each example: kind and values by name."""
    read = read_examples(document)
    assert (read.dtype, read.ndim) == (object, 1)
    found = []
    for serialized in read:
        features = Example.FromString(serialized).features.feature
        kinds = {name: feature.WhichOneof("kind") for name, feature in features.items()}
        values = {name: list(getattr(features[name], kind).value) if kind else [] for name, kind in kinds.items()}
        found.append({name: (kinds[name] and kinds[name].removesuffix("_list"), values[name]) for name in features})
    return found


VALUES = {
    "whole number": (5, ("int64", [5])),
    "decimal": (5.0, ("float", [5.0])),
    "true": (True, ("int64", [1])),
    "booleans and whole numbers": ([False, 2], ("int64", [0, 2])),
    "text": ("größe", ("bytes", ["größe".encode()])),
    "binary": ({"b64": "/w=="}, ("bytes", [b"\xff"])),
    "binary without padding, and text": ([{"b64": "/w"}, ""], ("bytes", [b"\xff", b""])),
    "decimals": ([0.5, -1.5], ("float", [0.5, -1.5])),
    "largest int64": (2**63 - 1, ("int64", [2**63 - 1])),
    "smallest int64": (-(2**63), ("int64", [-(2**63)])),
    "too large for uint64": (10**19 * 2, ("float", [np.float32(2e19)])),
    "too large for float32": ([1e39, -1e39], ("float", [math.inf, -math.inf])),
    "nothing": ([], (None, [])),
}


@pytest.mark.parametrize(("value", "expected"), VALUES.values(), ids=VALUES)
def test_the_kind_of_a_feature_is_that_of_its_values(value, expected):
    assert read({"examples": [{"x": value}]}) == [{"x": expected}]


def test_bare_words_are_decimals():
    (example,) = read(parse_object(b'{"examples": [{"x": [NaN, Inf, -Infinity]}]}'))
    kind, values = example["x"]
    assert kind == "float"
    np.testing.assert_array_equal(values, [math.nan, math.inf, -math.inf])


def test_examples_may_have_different_features():
    assert read({"examples": [{"a": 1}, {}, {"a": 1.5, "b": ""}]}) == [
        {"a": ("int64", [1])},
        {},
        {"a": ("float", [1.5]), "b": ("bytes", [b""])},
    ]


def test_what_an_example_says_goes_before_the_context():
    document = {"context": {"a": 1, "b": "x"}, "examples": [{"a": 2}, {"c": 3.5}]}
    assert read(document) == [
        {"a": ("int64", [2]), "b": ("bytes", [b"x"])},
        {"a": ("int64", [1]), "b": ("bytes", [b"x"]), "c": ("float", [3.5])},
    ]


def one(value):
    return {"examples": [{"x": 1}, {"x": value}]}


def unexpected(kind):
    return f"Feature: x has element with unexpected JSON type: {kind}"


ERRORS = {
    "no examples": (
        {"a": 1},
        "JSON Value: {\"a\": 1} When method is classify, key 'examples' is expected and was not found",
    ),
    "no list": ({"examples": {}}, "JSON Value: {\"examples\": {}} Expecting 'examples' value to be an list/array"),
    "empty list": ({"examples": []}, "JSON Value: {\"examples\": []} 'examples' value is an empty array"),
    "list as example": ({"examples": [{}, [1]]}, "Example must be JSON object but got JSON Array"),
    "null as example": ({"examples": [None]}, "Example must be JSON object but got JSON Null"),
    "number as example": ({"examples": [5]}, "Example must be JSON object but got JSON Number"),
    "boolean as example": ({"examples": [False]}, "Example must be JSON object but got JSON False"),
    "text as context": ({"context": "x", "examples": [{}]}, "Example must be JSON object but got JSON String"),
    "wrong context before no examples": ({"context": None}, "Example must be JSON object but got JSON Null"),
    "null": (one(None), unexpected("Null")),
    "null in a list": (one([1, None]), unexpected("Null")),
    "list in a list": (one([[1]]), unexpected("Array")),
    "object": (one({"b64": 1}), unexpected("Object")),
    "no base64": (one({"b64": "!"}), "Unable to base64 decode"),
    "decimal among whole numbers": (one([1, 2.5]), "Unexpected element type in feature: x expecting type: int64"),
    "whole number among decimals": (one([2.5, 1]), "Unexpected element type in feature: x expecting type: float"),
    "boolean among texts": (one(["", True]), "Unexpected element type in feature: x expecting type: bytes"),
    "uint64": (one(2**63), "Feature: x has uint64 element. Only int64 is supported."),
}


@pytest.mark.parametrize(("document", "message"), ERRORS.values(), ids=ERRORS)
def test_what_is_no_example_is_refused_in_the_originals_words(document, message):
    with pytest.raises(InvalidArgumentError) as caught:
        read_examples(document)
    assert caught.value.message == message
