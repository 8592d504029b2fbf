"""Spaces of hyperparameters: the family's, the YAML's, and what a trial's values make of a model."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from models.families import Choice, Range
from models.search import Tuning, apply, decode, direction, encode, search_space, space_digest
from models.spec import ModelSpec

PAGE = Path(__file__).parents[2] / "docs" / "tuning.md"


def spec(**changes):
    inputs = {
        "types": {"a": "float", "y": "int"},
        "features": {"a": {"kind": "numeric"}},
        "target": {"kind": "binary", "column": "y"},
    }
    model = {"family": "mlp", "layers": [32, 16]}
    return ModelSpec.model_validate({"inputs": inputs, "model": model} | changes)


def space_of(tuning):
    return search_space(spec().model, spec().training, tuning)


def test_the_familys_space_holds_what_is_written_and_the_step_size():
    found = space_of(Tuning())
    assert tuple(found["learning_rate"]) == pytest.approx((0.0003, 0.03, True))
    assert found["layers"].values[0] == (32, 16)


def test_the_yaml_replaces_adds_and_takes_out():
    space = {"layers": [[8], [16]], "batch_size": [64, 128], "dropout": None, "l2": {"min": 0.1, "max": 0.2}}
    found = space_of(Tuning(space=space))
    assert found["layers"] == Choice(([8], [16]))
    assert found["batch_size"] == Choice((64, 128))
    assert found["l2"] == Range(0.1, 0.2)
    assert "dropout" not in found


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ({"layer": [[8]]}, "layer: expected one of "),
        ({"layers": []}, "layers: expected values, received none"),
        ({"l2": {"low": 1, "high": 2}}, "l2: expected a list of values or min, max and log"),
        ({"l2": {"min": 2, "max": 1}}, "l2: expected min below max"),
        ({"l2": {"min": 0, "max": 1, "log": True}}, "above 0 on a logarithmic scale"),
        ({"dropout": {"min": 0.5, "max": 1.5}}, "dropout: Input should be less than 1, received 1.5"),
        ({"batch_size": [32, "many"]}, "received 'many'"),
        (
            dict.fromkeys(["layers", "activation", "norm", "dropout", "l2", "learning_rate"]),
            "expected a setting to vary",
        ),
    ],
)
def test_what_is_no_space_is_refused(space, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        space_of(Tuning(space=space))


def test_hyperband_chooses_the_epochs():
    space = {"epochs": [1, 2]}
    assert space_of(Tuning(space=space))["epochs"] == Choice((1, 2))
    with pytest.raises(ValueError, match="epochs: hyperband chooses them itself"):
        space_of(Tuning(search="hyperband", space=space))


def test_values_of_a_trial_make_a_model():
    values = {"layers": encode([8, 4]), "dropout": 0.25, "learning_rate": 0.01, "tuner/epochs": 3}
    made = apply(decode(values), spec())
    assert (made.model.layers, made.model.dropout) == ((8, 4), 0.25)
    assert made.training.learning_rate == 0.01
    assert made.inputs == spec().inputs


def test_values_that_the_model_does_not_take_are_refused():
    with pytest.raises(ValidationError):
        apply({"dropout": 2.0}, spec())


def test_the_digest_is_that_of_what_is_looked_for():
    same = space_digest(spec(), Tuning(trials=5, minutes=1))
    assert space_digest(spec(), Tuning(trials=50)) == same
    others = [
        space_digest(spec(), Tuning(objective="auc")),
        space_digest(spec(), Tuning(space={"layers": [[8]]})),
        space_digest(spec(model={"family": "mlp", "layers": [8]}), Tuning()),
    ]
    assert len({same, *others}) == 4


def test_less_is_better_of_a_loss():
    assert (direction("loss"), direction("auc")) == ("min", "max")


def test_the_pages_yaml_is_a_search():
    from ruamel.yaml import YAML

    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    tuning = Tuning.model_validate(YAML(typ="safe").load(block)["tuning"])
    assert "activation" not in space_of(tuning)
