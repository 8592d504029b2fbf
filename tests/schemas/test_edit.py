"""Edits: what protobuf reads has the wanted change and nothing else, every other line is the same to the byte."""

import difflib

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0.schema_pb2 import Schema

from schemas.edit import Place, add_strings, annotate, append_feature, read_text, remove, replace_file, set_value
from schemas.store import SchemaError
from schemas.textproto import comments

CARRIER = """\
# the table of flights
feature {
  name: "carrier"  # IATA
  type: BYTES
  string_domain {
    # only those that fly here
    value: "AA"
    value: "UA"  # United
  }
  presence { min_fraction: 1.0 }
}

# trailing
feature {
\tname: 'delay'
\ttype: INT
}
default_environment: "TRAINING"
"""
PLACE = Place("feature", "carrier")


def parsed(text):
    return text_format.Parse(text, Schema())


def changed(before, after):
    """Return the lines that went and that came."""
    lines = list(difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True)))
    return [line[2:] for line in lines if line[0] == "-"], [line[2:] for line in lines if line[0] == "+"]


def said(text):
    return [text[start:end] for start, end in comments(text)]


def test_adds_strings_in_order():
    after = add_strings(CARRIER, PLACE, ["string_domain", "value"], ["ZZ", "DL", '0"'])
    assert changed(CARRIER, after) == ([], ['    value: "0\\""\n', '    value: "DL"\n', '    value: "ZZ"\n'])
    assert list(parsed(after).feature[0].string_domain.value) == ['0"', "AA", "DL", "UA", "ZZ"]


def test_adds_strings_at_the_end_where_others_are_in_no_order():
    text = 'string_domain {\n  name: "d"\n  value: "b"\n  value: "a"\n}\n'
    after = add_strings(text, Place("string_domain", "d"), ["value"], ["aa"])
    assert list(parsed(after).string_domain[0].value) == ["b", "a", "aa"]


@pytest.mark.parametrize(
    "text",
    [
        'feature { name: "carrier" string_domain { value: "a" value: "c" } }',
        'feature { name: "carrier" string_domain { value: ["a", "c"] } }',
        'feature { name: "carrier" string_domain {} }',
        'feature { name: "carrier" }',
        'feature { name: "carrier" string_domain {\n value: "a" } }',
        'feature <name: "carrier">',
        'feature {\n  name: "carrier" }',
        'feature\n{\n name: "carrier" # why\n}',
        'feature: [{ name: "carrier" }, { name: "other" }]',
    ],
)
def test_blocks_of_any_shape(text):
    after = add_strings(text, PLACE, ["string_domain", "value"], ["b"])
    wanted = parsed(text)
    wanted.feature[0].string_domain.value.append("b")
    assert sorted(parsed(after).feature[0].string_domain.value) == sorted(wanted.feature[0].string_domain.value)
    after = set_value(after, PLACE, ["presence", "min_fraction"], "0.5")
    assert parsed(after).feature[0].presence.min_fraction == 0.5
    assert parsed(after).feature[0].name == "carrier"


def test_sets_a_value_that_is_there_and_one_that_is_not():
    after = set_value(CARRIER, PLACE, ["presence", "min_fraction"], "0.9")
    assert changed(CARRIER, after) == (
        ["  presence { min_fraction: 1.0 }\n"],
        ["  presence { min_fraction: 0.9 }\n"],
    )
    after = set_value(CARRIER, Place("feature", "delay"), ["drift_comparator", "infinity_norm", "threshold"], "0.1")
    assert changed(CARRIER, after)[0] == []
    assert "\tdrift_comparator {\n\t  infinity_norm {\n\t    threshold: 0.1\n\t  }\n\t}\n}" in after
    assert parsed(after).feature[1].drift_comparator.infinity_norm.threshold == 0.1


def test_removes_a_block_and_keeps_its_comments():
    after = remove(CARRIER, PLACE, "string_domain")
    assert "  # only those that fly here\n  # United\n  presence" in after
    assert not parsed(after).feature[0].HasField("string_domain")
    one_line = 'feature { name: "carrier" type: INT bool_domain {} }\n'
    assert remove(one_line, PLACE, "bool_domain") == 'feature { name: "carrier" type: INT }\n'
    assert remove(CARRIER, PLACE, "shape") == CARRIER


def test_appends_behind_the_last_feature():
    after = append_feature(CARRIER, 'feature {\n  name: "new"\n}\n')
    assert changed(CARRIER, after) == ([], ["feature {\n", '  name: "new"\n', "}\n"])
    assert [feature.name for feature in parsed(after).feature] == ["carrier", "delay", "new"]
    assert append_feature("# empty", 'feature { name: "x" }') == '# empty\nfeature { name: "x" }\n'


def test_annotates_the_lines_of_fields():
    notes = {("carrier", ("type",)): "a", ("delay", ("name",)): "b"}
    after = annotate(CARRIER, notes)
    assert changed(CARRIER, after)[1] == ["  type: BYTES  # a\n", "\tname: 'delay'  # b\n"]
    with pytest.raises(SchemaError, match="feature 'delay': expected the field presence, received none"):
        annotate(CARRIER, {("delay", ("presence",)): "c"})


def test_ends_of_lines_stay():
    windows = CARRIER.replace("\n", "\r\n")
    after = add_strings(windows, PLACE, ["string_domain", "value"], ["ZZ"])
    after = set_value(after, PLACE, ["lifecycle_stage"], "DEPRECATED")
    after = remove(append_feature(after, 'feature {\n  name: "x"\n}'), PLACE, "presence")
    assert after.count("\n") == after.count("\r\n")
    assert parsed(after).feature[0].lifecycle_stage


def test_no_such_feature():
    with pytest.raises(SchemaError, match="expected a feature named 'x', received none"):
        set_value(CARRIER, Place("feature", "x"), ["type"], "INT")


def test_replaces_a_file_in_one_step(tmp_path):
    path, link = tmp_path / "x.pbtxt", tmp_path / "link.pbtxt"
    path.write_bytes(b"a\r\n")
    path.chmod(0o640)
    link.symlink_to(path)
    replace_file(link, read_text(link) + "b\n")
    assert (path.read_bytes(), path.stat().st_mode & 0o777, link.is_symlink()) == (b"a\r\nb\n", 0o640, True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.pbtxt", "x.pbtxt"]


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
PRINTED = st.characters(codec="ascii", exclude_categories=["Cc"])
COMMENT = st.one_of(st.none(), st.text(PRINTED, max_size=9))


@st.composite
def schemas(draw):
    """Return the text of a schema with comments and empty lines between its own, and one of its features."""
    schema = Schema(default_environment=["TRAINING", "SERVING"])
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        feature = schema.feature.add(name=name, type=draw(st.sampled_from([1, 2, 3])))
        if draw(st.booleans()):
            feature.string_domain.value.extend(draw(st.lists(NAMES, max_size=4, unique=True)))
        if draw(st.booleans()):
            feature.presence.min_fraction = draw(st.floats(0, 1))
        if draw(st.booleans()):
            feature.value_count.min = 1
    lines = text_format.MessageToString(schema, as_utf8=draw(st.booleans())).split("\n")
    text = "\n".join(
        line + (f"  # {comment}" if (comment := draw(COMMENT)) is not None and line else "") for line in lines
    )
    return text, draw(st.sampled_from([feature.name for feature in schema.feature]))


@given(schemas(), st.floats(0, 1), NAMES)
def test_edits_change_what_they_should_and_nothing_else(made, share, value):
    before, name = made
    place, wanted = Place("feature", name), parsed(before)
    feature = next(each for each in wanted.feature if each.name == name)

    after = set_value(before, place, ["presence", "min_fraction"], repr(share))
    feature.presence.min_fraction = share
    assert parsed(after) == wanted
    assert len(changed(before, after)[0]) <= 1

    if value not in feature.string_domain.value:
        second = add_strings(after, place, ["string_domain", "value"], [value])
        assert changed(after, second)[0] == []
        ordered = list(feature.string_domain.value) == sorted(feature.string_domain.value)
        feature.string_domain.value.append(value)
        values = sorted(feature.string_domain.value) if ordered else list(feature.string_domain.value)
        del feature.string_domain.value[:]
        feature.string_domain.value.extend(values)
        assert parsed(second) == wanted
        third = remove(second, place, "string_domain")
        feature.ClearField("string_domain")
        assert parsed(third) == wanted
        assert said(third) == said(before)
