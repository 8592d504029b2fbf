import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0.schema_pb2 import Schema

from schemas.accept import Edit, accept, is_acceptable, set_limit
from schemas.difference import Observed, compare_data
from schemas.infer import ColumnFacts
from schemas.revision import compare_schemas
from schemas.store import SchemaError
from schemas.words import describe, percent

TEXT = """\
feature {
  name: "city"
  type: BYTES
  domain: "cities"  # shared
  presence { min_fraction: 1 min_count: 1 }
  distribution_constraints { min_domain_mass: 0.9 }
}
feature {
  name: "delay"
  type: FLOAT
  float_domain {
    min: 0  # never early
    max: 10
  }
  presence { min_fraction: 0.5 }
}
feature {
  name: "flag"
  type: INT
  bool_domain {}
  presence { min_count: 1 }
}
feature {
  name: "tags"
  type: INT
  value_count { min: 1 max: 3 }
}
feature {
  name: "label"
  type: BYTES
  string_domain { value: "no" value: "yes" }
  presence { min_count: 1 }
  not_in_environment: "SERVING"
}
feature { name: "old" type: INT lifecycle_stage: DEPRECATED presence { min_count: 1 } }
string_domain {
  name: "cities"
  value: "Bern"
  value: "Zug"
}
default_environment: "TRAINING"
default_environment: "SERVING"
"""


def parsed(text):
    return text_format.Parse(text, Schema())


def seen(name, raw_type="int", **facts):
    known = {"rows": 1000, "present": 1000, "counts": None} | facts
    return Observed(ColumnFacts(name, raw_type, is_list=known["counts"] is not None), **known)


def fitting():
    """Return columns as the schema says, by name."""
    columns = [
        seen("city", "bytes"),
        seen("delay", "float", low=0, high=10),
        seen("flag", low=0, high=1),
        seen("tags", counts=(1, 3)),
        seen("label", "bytes"),
    ]
    return {column.facts.name: column for column in columns}


def accepted(observed):
    """Return what differs, and the schema's text that accepts it all."""
    text, by_name = TEXT, {each.facts.name: each for each in observed}
    differences = compare_data(parsed(TEXT), observed, "TRAINING")
    for difference in differences:
        edit = Edit(text, parsed(text), difference, by_name.get(difference.feature))
        assert is_acceptable(edit)
        text = accept(edit)
    return differences, text


def test_data_as_the_schema_says():
    assert compare_data(parsed(TEXT), list(fitting().values()), "TRAINING") == []
    served = [column for name, column in fitting().items() if name != "label"]
    assert compare_data(parsed(TEXT), served, "SERVING") == []
    assert compare_data(parsed(TEXT), [*fitting().values(), seen("old")], "TRAINING") == []


@pytest.mark.parametrize(
    ("column", "kind", "words", "edit"),
    [
        (
            seen("city", "bytes", unexpected=(("Genf", 104),)),
            "unexpected values",
            "new value 'Genf' in 10.4 % of the rows (the domain has 2)",
            ('  value: "Zug"', '  value: "Genf"\n  value: "Zug"'),
        ),
        (
            seen("label", "bytes", unexpected=(("maybe", 4), ("never", 1))),
            "unexpected values",
            "2 new values in 0.5 % of the rows (the domain has 2): 'maybe' in 0.4 %, 'never' in 0.1 %",
            ('value: "no"', 'value: "maybe" value: "never" value: "no"'),
        ),
        (
            seen("city", "bytes", present=975),
            "missing values",
            "missing in 2.5 % of the rows, the schema allows 0 %",
            ("min_fraction: 1 ", "min_fraction: 0.975 "),
        ),
        (
            seen("flag", present=0),
            "missing values",
            "a value in 0 of 1,000 rows, the schema asks for 1",
            ("bool_domain {}\n  presence { min_count: 1", "bool_domain {}\n  presence { min_count: 0"),
        ),
        (
            seen("delay", "float", low=-0.5, high=3, outside=4),
            "out of range",
            "-0.5 to 3, the schema allows 0 to 10; outside in 0.4 % of the rows",
            ("min: 0  #", "min: -0.5  #"),
        ),
        (
            seen("flag", low=0, high=7, outside=1),
            "out of range",
            "0 to 7, the schema allows 0 to 1; outside in 0.1 % of the rows",
            (
                "  bool_domain {}\n  presence { min_count: 1 }",
                "  presence { min_count: 1 }\n  int_domain {\n    min: 0\n    max: 7\n  }",
            ),
        ),
        (
            seen("tags", counts=(0, 5)),
            "number of values",
            "0 to 5 values in a row, the schema allows 1 to 3",
            ("value_count { min: 1 max: 3 }", "value_count { min: 0 max: 5 }"),
        ),
        (
            seen("delay", "bytes", unfit=1000, examples=("a", "b")),
            "wrong type",
            "text, was number with decimals; 100 % of the rows hold no number with decimals: 'a', 'b'",
            (
                "  type: FLOAT\n  float_domain {\n    min: 0  # never early\n    max: 10\n  }\n",
                "  type: BYTES\n  # never early\n",
            ),
        ),
        (
            seen("city", "int"),
            "wrong type",
            "whole number, was text",
            (
                '  type: BYTES\n  domain: "cities"  # shared\n  presence { min_fraction: 1 min_count: 1 }\n'
                "  distribution_constraints { min_domain_mass: 0.9 }\n",
                "  type: INT\n  # shared\n  presence { min_fraction: 1 min_count: 1 }\n",
            ),
        ),
    ],
)
def test_a_difference_in_words_and_its_edit(column, kind, words, edit):
    differences, text = accepted(list((fitting() | {column.facts.name: column}).values()))
    assert [(each.feature, each.kind, each.words) for each in differences] == [(column.facts.name, kind, words)]
    assert text == TEXT.replace(*edit, 1)


def test_a_few_new_values_where_the_schema_allows_them():
    column = seen("city", "bytes", unexpected=(("Genf", 100),))
    assert compare_data(parsed(TEXT), list((fitting() | {"city": column}).values()), "TRAINING") == []


def test_a_few_odd_values_make_no_other_type():
    column = seen("flag", "int", unfit=3, examples=("x",))
    (difference,) = compare_data(parsed(TEXT), list((fitting() | {"flag": column}).values()), "TRAINING")
    assert difference.words == "0.3 % of the rows hold no whole number: 'x'"
    assert not is_acceptable(Edit(TEXT, parsed(TEXT), difference, column))


def test_columns_that_come_and_go():
    columns = [column for name, column in fitting().items() if name != "flag"]
    facts = ColumnFacts("new", "bytes", "some", values=("a", "b"))
    differences, text = accepted([*columns, Observed(facts, 1000, 990)])
    assert [(each.feature, each.kind, each.words) for each in differences] == [
        ("flag", "missing column", "no such column in the data; the schema has one"),
        ("new", "new column", "a column that the schema does not have: text, a value in 99 % of the rows"),
    ]
    assert "  presence { min_count: 1 }\n  lifecycle_stage: DEPRECATED\n}" in text
    found = {column.name: column for column in describe(parsed(text))}
    assert (found["flag"].presence, found["new"].presence, found["new"].domain) == ("deprecated", "some rows", "a, b")
    edit = Edit(TEXT, parsed(TEXT), differences[0].model_copy(update={"kind": "optional"}), None)
    assert accept(edit) == TEXT.replace(
        "bool_domain {}\n  presence { min_count: 1 }", "bool_domain {}\n  presence { min_count: 0 }"
    )


def test_limits():
    text = set_limit(TEXT, parsed(TEXT), "city", "drift=0.1")
    assert "  drift_comparator {\n    infinity_norm {\n      threshold: 0.1\n" in text
    text = set_limit(text, parsed(text), "city", "drift=0.25")
    assert parsed(text).feature[0].drift_comparator.infinity_norm.threshold == 0.25
    text = set_limit(text, parsed(text), "delay", "skew=.5")
    assert parsed(text).feature[1].skew_comparator.jensen_shannon_divergence.threshold == 0.5
    for words in ("drift=2", "drift=x", "skew=0"):
        with pytest.raises(SchemaError, match="expected a limit between 0 and 1 as in drift=0.2"):
            set_limit(TEXT, parsed(TEXT), "city", words)
    with pytest.raises(SchemaError, match="no feature 'x'"):
        set_limit(TEXT, parsed(TEXT), "x", "drift=0.1")


def test_schema_against_schema():
    other = TEXT.replace('  value: "Zug"\n', '  value: "Genf"\n').replace("max: 10", "max: 12.5")
    other = other.replace("min_fraction: 0.5", "min_fraction: 0.25").replace('name: "old"', 'name: "older"')
    other = other.replace('name: "flag"\n  type: INT\n  bool_domain {}', 'name: "flag"\n  type: FLOAT')
    other = set_limit(other.replace("max: 3", "max: 4"), parsed(other), "delay", "drift=0.1")
    other = other.replace('default_environment: "SERVING"', 'default_environment: "TEST"')
    other = other.replace('  not_in_environment: "SERVING"\n', "")
    found = [f"{each.feature}: {each.words}" for each in compare_schemas(parsed(TEXT), parsed(other))]
    assert found == [
        "city: value 'Genf' added",
        "city: value 'Zug' removed",
        "delay: a value in ≥ 25 % of the rows, was ≥ 50 % of the rows",
        "delay: allows 0 to 12.5, was 0 to 10",
        "delay: drift limit 0.1 Jensen-Shannon, was none",
        "flag: number with decimals, was whole number",
        "flag: allows any number, was 0 to 1",
        "flag: bool_domain none, was {}",
        "tags: value_count {min: 1 max: 4}, was {min: 1 max: 3}",
        "label: expected in TRAINING, SERVING, was TRAINING",
        "old: column removed",
        "older: column added: whole number",
        ": the schema's environments are TRAINING, TEST, were TRAINING, SERVING",
    ]
    assert compare_schemas(parsed(TEXT), parsed(TEXT)) == []


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "0 %"), (1, "100 %"), (0.004, "0.4 %"), (0.025, "2.5 %"), (0.99996, "> 99.9 %"), (3e-6, "0.0003 %"),
     (1e-9, "< 0.0001 %"), (0.97531, "97.5 %")],
)  # fmt: skip
def test_percent(share, words):
    assert percent(share) == words


def test_described():
    rows = [tuple(column.model_dump().values())[:4] for column in describe(parsed(TEXT))]
    assert rows == [
        ("city", "text", "every row", "Bern, Zug; others in up to 10 %"),
        ("delay", "number", "≥ 50 % of the rows", "0 to 10"),
        ("flag", "yes or no", "some rows", ""),
        ("tags", "list of whole number (1 to 3)", "optional", ""),
        ("label", "text", "some rows", "no, yes"),
        ("old", "whole number", "deprecated", ""),
    ]
    assert [column.environments for column in describe(parsed(TEXT))][3:5] == [("TRAINING", "SERVING"), ("TRAINING",)]
