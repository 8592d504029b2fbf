"""Requests against the schema of the model's data."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from serving.artifact import Signature, TensorSpec
from serving.errors import InvalidArgumentError
from serving.server.contract import Column, read_contract
from serving.server.extras import Extras
from serving.server.registry import Registry
from serving.server.settings import ServerSettings
from serving.server.validation import check_rows

SCHEMA = """
feature { name: "carrier" type: BYTES presence { min_fraction: 1 } value_count { min: 1 max: 1 }
  string_domain { value: "AA" value: "UA" } }
feature { name: "plane" type: BYTES string_domain { value: "A" } value_count { min: 1 max: 1 }
  distribution_constraints { min_domain_mass: 0.9 } }
feature { name: "delay" type: INT int_domain { min: -60 max: 1440 } value_count { min: 1 max: 1 } }
feature { name: "temp" type: FLOAT float_domain { min: -50 } value_count { min: 1 max: 1 } }
feature { name: "cancelled" type: INT bool_domain {} value_count { min: 1 max: 1 } }
feature { name: "hour" type: BYTES time_domain { string_format: "%Y" } value_count { min: 1 max: 1 } }
feature { name: "stops" type: BYTES string_domain { value: "x" value: "y" } presence { min_fraction: 1 }
  value_count { min: 1 } }
feature { name: "late" type: INT not_in_environment: "SERVING" value_count { min: 1 max: 1 } }
"""
DTYPES = {
    "carrier": "string",
    "plane": "string",
    "delay": "double",
    "temp": "float",
    "cancelled": "double",
    "hour": "string",
    "stops": "string",
}
GOOD = {
    "carrier": "AA",
    "plane": "B",
    "delay": -60,
    "temp": 3.5,
    "cancelled": 1,
    "hour": "2013-01-31T12:00:00Z",
    "stops": ["x", "y", ""],
}


class Fake:
    """Answers 1 for each row of named inputs or of tf.Examples."""

    version = 1
    is_row_wise = True
    signatures = {  # noqa: RUF012
        "serving_default": Signature(
            {name: TensorSpec("", dtype, (-1, -1) if name == "stops" else (-1,)) for name, dtype in DTYPES.items()},
            {"y": TensorSpec("", "float", (-1,))},
            "tensorflow/serving/predict",
        ),
        "examples": Signature({"examples": TensorSpec("", "string", (-1,))}, {"y": TensorSpec("", "float", (-1,))}, ""),
    }

    def run(self, _, feeds):
        return {"y": np.ones(len(next(iter(feeds.values()))), np.float32)}


@pytest.fixture
def base(tmp_path):
    extra = tmp_path / "1" / "assets.extra"
    extra.mkdir(parents=True)
    (tmp_path / "1" / "saved_model.pb").touch()
    (extra / "schema.pbtxt").write_text(SCHEMA)
    return tmp_path


@pytest.fixture
def post(base, ask_with):
    """`post(rows, validation=True)`: status and error of a prediction."""

    def make(rows, signature="serving_default", validation=True):
        extras = Extras(ServerSettings(validation=validation))
        registry = Registry({"m": base}, extras.wrap_load(lambda version, path: Fake()))
        registry.refresh()
        body = {"signature_name": signature, "instances": rows}
        answer = ask_with(extras, registry)("POST", "/v1/models/m:predict", json=body)
        return answer.status_code, answer.json().get("error", "")

    return make


WRONG = {
    "required": ({"carrier": ""}, "'carrier': expected a value, received none"),
    "domain": ({"carrier": "ZZ"}, "'carrier': expected one of AA, UA, received 'ZZ'"),
    "whole": ({"delay": 2.5}, "'delay': expected a whole number, received 2.5"),
    "low": ({"delay": -61}, "'delay': expected at least -60, received -61"),
    "high": ({"delay": 1441}, "'delay': expected at most 1440, received 1441"),
    "float": ({"temp": -50.5}, "'temp': expected at least -50, received -50.5"),
    "flag": ({"cancelled": 2}, "'cancelled': expected 0 or 1, received 2"),
    "moment": ({"hour": "noon"}, "'hour': expected a date or time as ISO 8601, received 'noon'"),
    "list": ({"stops": ["x", "y", "z"]}, "'stops': expected one of x, y, received 'z'"),
}


def test_rows_that_fit_are_answered(post):
    assert post([GOOD, GOOD | {"plane": "", "hour": "2013-01-31", "stops": ["", "", ""]}]) == (200, "")


@pytest.mark.parametrize(("change", "error"), WRONG.values(), ids=WRONG)
def test_rows_that_do_not_fit_are_400_with_row_and_feature(post, change, error):
    status, message = post([GOOD, GOOD, GOOD | change])
    assert (status, f"row 2, feature {error}" in message) == (400, True), message


@pytest.mark.parametrize(("change", "error"), WRONG.values(), ids=WRONG)
def test_all_is_taken_without_validation(post, change, error):
    assert post([GOOD | change], validation=False) == (200, "")


def test_missing_numbers_are_nan():
    columns = {"delay": Column("delay", "int", low=0), "temp": Column("temp", "float", required=True)}
    check_rows({"delay": np.array([np.nan, 3.0]), "temp": np.array([1.0, 2.0])}, columns)
    with pytest.raises(InvalidArgumentError, match="row 1, feature 'temp': expected a value, received none"):
        check_rows({"delay": np.array([np.nan, 3.0]), "temp": np.array([1.0, np.nan])}, columns)
    with pytest.raises(InvalidArgumentError, match="row 0, feature 'delay': expected a whole number, received inf"):
        check_rows({"delay": np.array([np.inf])}, columns)


def test_several_features_are_told_in_the_order_of_rows(post):
    rows = [GOOD | {"temp": -51}, GOOD | {"carrier": "", "delay": 0.5, "hour": "x", "cancelled": 3}]
    message = post(rows)[1]
    assert message.index("row 0, feature 'temp'") < message.index("row 1, feature 'cancelled'")
    assert message.endswith("; and 2 more")


def test_examples_are_looked_into(post):
    from serving.protos import Example

    def pack(**features):
        example = Example()
        for name, value in features.items():
            kind = {bytes: "bytes_list", int: "int64_list", float: "float_list"}[type(value)]
            getattr(example.features.feature[name], kind).value.append(value)
        return {"b64": encode(example.SerializeToString())}

    assert post([pack(carrier=b"AA", delay=3)], "examples") == (200, "")
    assert "row 1, feature 'carrier'" in post([pack(carrier=b"AA"), pack(delay=3)], "examples")[1]
    assert "'delay': expected at most 1440" in post([pack(carrier=b"AA", delay=2000)], "examples")[1]
    assert "'delay': expected a number" in post([pack(carrier=b"AA", delay=b"soon")], "examples")[1]
    assert post(["no example"], "examples") == (200, "")  # the model says so itself


def encode(content):
    import base64

    return base64.b64encode(content).decode()


def test_versions_without_a_readable_schema_are_served_unchecked(post, base, caplog):
    (base / "1" / "assets.extra" / "schema.pbtxt").write_text("no schema")
    assert post([GOOD | {"carrier": "ZZ"}]) == (200, "")
    assert "cannot be read" in caplog.text
    (base / "1" / "assets.extra" / "schema.pbtxt").unlink()
    assert post([GOOD | {"carrier": "ZZ"}]) == (200, "")


def test_what_is_known_of_a_version_goes_with_it(base):
    import gc

    extras = Extras()
    versions = count(1)
    load = extras.contracts.read_with(lambda version, path: Fake())
    held = [load(next(versions), base / "1") for _ in range(3)]
    assert [list(extras.contracts.get(each).columns) for each in held] == [list(DTYPES)] * 3
    del held
    gc.collect()
    assert extras.contracts._contracts == {}


def test_columns_that_are_no_inputs_are_not_looked_at(base):
    assert set(read_contract(base / "1", {"carrier", "delay", "other"}).columns) == {"carrier", "delay"}
