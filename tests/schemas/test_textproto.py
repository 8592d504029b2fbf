import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0.schema_pb2 import Schema

from schemas.store import SchemaError
from schemas.textproto import comments, line_of, parse, quoted


def test_every_form_of_a_field():
    text = "a: 1 b { c: \"x\" 'y' d: -1e-3; } e: [1, -2] f: <g: inf>, h [{i: A} {}]".replace("} {}", "}, {}")
    found = [(field.name, field.raw(text)) for field in parse(text).fields]
    assert found == [
        ("a", "1"),
        ("b", "{ c: \"x\" 'y' d: -1e-3; }"),
        ("e", "1"),
        ("e", "-2"),
        ("f", "<g: inf>"),
        ("h", "{i: A}"),
        ("h", "{}"),
    ]
    inner = parse(text).fields[1]
    assert (inner.find("c").string(text), inner.find("d").raw(text), inner.find("z")) == ("xy", "-1e-3", None)


def test_places():
    text = 'a: 1\n# b: 2 "\nb: "#"  # last\n'
    field = parse(text).find("b")
    assert (line_of(text, field.start), text[field.start : field.end]) == (3, 'b: "#"')
    assert [text[start:end] for start, end in comments(text)] == ['# b: 2 "', "# last"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a {", "line 1: expected a text proto, received the end"),
        ("\n\na: }", "line 3: expected a text proto, received '}'"),
        ("a }", "received '}'"),
        ("a: <b: 1}", "received '}'"),
        ('a: "x', "received '\"'"),
        ("a: 1 @", "received '@'"),
        ("a: [1 2]", "received '2' instead of ]"),
    ],
)
def test_no_text_proto(text, words):
    with pytest.raises(SchemaError) as error:
        parse(text)
    assert words in str(error.value)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=5))
def test_strings_are_read_as_protobuf_writes_them(texts):
    schema = Schema()
    domain = schema.string_domain.add(name="d", value=texts)
    for as_utf8 in (True, False):
        text = text_format.MessageToString(schema, as_utf8=as_utf8)
        (block,) = parse(text).all("string_domain")
        assert [field.string(text) for field in block.all("value")] == list(domain.value)


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_protobuf_reads_what_is_quoted(value):
    assert text_format.Parse(f"string_domain {{ name: {quoted(value)} }}", Schema()).string_domain[0].name == value
