import pytest
from tensorflow_metadata.proto.v0 import schema_pb2

from schemas.infer import ColumnFacts, infer_schema
from schemas.store import columns, read_schema, write_schema


def feature(**facts):
    return infer_schema([ColumnFacts("x", **facts)], "y").feature[0]


def test_keeps_the_tables_order_and_every_row_has_one_value():
    schema = infer_schema([ColumnFacts("b", "int"), ColumnFacts("a", "float"), ColumnFacts("c d", "bytes")], "a")
    assert [(each.name, each.type) for each in schema.feature] == [
        ("b", schema_pb2.INT),
        ("a", schema_pb2.FLOAT),
        ("c d", schema_pb2.BYTES),
    ]
    assert {(each.value_count.min, each.value_count.max) for each in schema.feature} == {(1, 1)}


def test_the_label_is_not_expected_when_the_model_serves():
    schema = infer_schema([ColumnFacts("x", "int"), ColumnFacts("y", "int")], "y")
    assert list(schema.default_environment) == ["TRAINING", "SERVING"]
    assert [list(each.not_in_environment) for each in schema.feature] == [[], ["SERVING"]]


@pytest.mark.parametrize(("presence", "fraction", "count"), [("all", 1.0, 1), ("some", 0.0, 1), ("none", 0.0, 0)])
def test_presence(presence, fraction, count):
    found = feature(raw_type="float", presence=presence).presence
    assert (found.min_fraction, found.min_count) == (fraction, count)


def test_domains():
    assert list(feature(raw_type="bytes", values=("a", "b")).string_domain.value) == ["a", "b"]
    assert feature(raw_type="bytes", moment_format="%Y-%m-%d").time_domain.string_format == "%Y-%m-%d"
    assert feature(raw_type="int", is_boolean=True).HasField("bool_domain")
    classes = feature(raw_type="int", is_category=True, bounds=(0, 9)).int_domain
    assert (classes.is_categorical, classes.min, classes.max) == (True, 0, 9)
    assert feature(raw_type="int", bounds=(0, 9)).WhichOneof("domain_info") is None
    assert feature(raw_type="bytes").WhichOneof("domain_info") is None


def test_survives_its_file(tmp_path):
    facts = [
        ColumnFacts('ü "#', "bytes", values=("'", "ß\n")),
        ColumnFacts("day", "bytes", moment_format="%Y-%m-%d"),
        ColumnFacts("user_id", "int", is_category=True),
    ]
    write_schema(infer_schema(facts, "user_id"), tmp_path / "x.pbtxt", "first line\nsecond")
    found = columns(read_schema(tmp_path / "x.pbtxt"))
    assert found['ü "#'].values == ("'", "ß\n")
    assert found["day"].is_moment
    assert found["user_id"].is_category
