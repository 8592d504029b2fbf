import pytest

from schemas.audit import audit
from schemas.store import SchemaError

GOOD = """\
feature { name: "a" type: BYTES domain: "d" in_environment: "SERVING" }
feature { name: "b" type: INT int_domain { min: 0 max: 0x10 } presence { min_fraction: 1 } }
feature { name: "c" type: FLOAT float_domain { min: -inf max: 1.5f } not_in_environment: "SERVING" }
string_domain { name: "d" value: "x" }
default_environment: ["TRAINING", "SERVING"]
"""


def faults(tmp_path, text):
    (tmp_path / "x.pbtxt").write_text(text)
    return [(fault.line, fault.feature, fault.severity, fault.words) for fault in audit(tmp_path / "x.pbtxt")]


def test_a_good_schema(tmp_path):
    assert faults(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("line", "feature", "words"),
    [
        ('feature { name: "a" type: INT }', "a", "feature 'a' is there twice, first in line 1"),
        ("feature { type: INT }", "", "a feature needs a name, received none"),
        ('feature { name: "x" type: BYTES domain: "e" }', "x", "no domain 'e' in the schema"),
        ('feature { name: "x" type: BYTES string_domain {} }', "x", "expected values in string_domain, received none"),
        ('feature { name: "x" type: INT int_domain { min: 2 max: 1 } }', "x", "expected min <= max, received 2 and 1"),
        ('feature { name: "x" type: INT value_count { min: 2 max: 1 } }', "x", "value_count: expected min <= max"),
        ('feature { name: "x" type: INT not_in_environment: "TEST" }', "x", "unknown environment 'TEST'; default_"),
        ('feature { name: "x" type: INT in_environment: "TEST" }', "x", "has TRAINING, SERVING"),
        ('feature { name: "x" }', "x", "expected type BYTES, INT or FLOAT, received none"),
        ('feature { name: "x" type: STRUCT }', "x", "expected type BYTES, INT or FLOAT, received STRUCT"),
        ('feature { name: "x" type: INT domain: "d" }', "x", "a column of type INT can't have a string_domain"),
        ('feature { name: "x" type: FLOAT int_domain {} }', "x", "a column of type FLOAT can't have a int_domain"),
        ('feature { name: "x" type: INT presence { min_fraction: 1.5 } }', "x", "expected a share from 0 to 1"),
        (
            'feature { name: "x" type: INT distribution_constraints { min_domain_mass: 0.9 } }',
            "x",
            "expected a domain that they are about",
        ),
        (
            'feature { name: "x" type: INT drift_comparator { jensen_shannon_divergence { threshold: 1 } } }',
            "x",
            "drift_comparator.jensen_shannon_divergence: expected a limit between 0 and 1, received 1",
        ),
        ('string_domain { name: "d" value: "x" }', "", "string_domain 'd' is there twice, first in line 4"),
        ('default_environment: "TRAINING"', "", "default_environment 'TRAINING' is there twice"),
    ],
)
def test_what_is_odd_with_its_line(tmp_path, line, feature, words):
    (found,) = faults(tmp_path, f"{GOOD}\n# more\n{line}\n")
    assert found[:3] == (8, feature, "error")
    assert words in found[3]


def test_what_has_no_effect_is_a_warning(tmp_path):
    text = GOOD + 'string_domain { name: "e" value: "x" value: "x" }'
    assert [found[2:] for found in faults(tmp_path, text)] == [
        ("warning", "no feature names the string_domain 'e'"),
        ("warning", "value 'x' is there twice"),
    ]


def test_environments_that_the_schema_does_not_have(tmp_path):
    text = 'feature { name: "x" type: INT not_in_environment: "SERVING" }'
    assert [words for *_, words in faults(tmp_path, text)] == [
        "expected default_environment for not_in_environment",
        "unknown environment 'SERVING'; default_environment has none",
    ]


def test_no_schema(tmp_path):
    with pytest.raises(SchemaError, match=r"x\.pbtxt: expected a TensorFlow Metadata schema"):
        faults(tmp_path, "features {}")
    with pytest.raises(SchemaError, match=r"y\.pbtxt: can't be read"):
        audit(tmp_path / "y.pbtxt")
