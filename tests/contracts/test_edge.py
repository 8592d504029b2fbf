"""Every kind of feature, family and target on a device: what LiteRT holds answers alike, what it lacks is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.discovery import discover
from models.raw import safe_name
from models.spec import InputSpec, columns_of, feature_kind

pytestmark = pytest.mark.tensorflow


def lacking(inputs: InputSpec, name: str) -> str:
    params = inputs.features[name]
    operation: str = feature_kind(params).beyond_edge(params, [inputs.types[each] for each in columns_of(name, params)])
    return operation


def convert_feature(inputs: InputSpec, name: str, transform: Any) -> bytes:
    """The feature's transform alone."""
    import tensorflow as tf

    from models.edge import to_lite
    from models.export import raw_specs
    from models.preprocess import transformed_name

    holder = tf.Module()
    holder.layer = transform.transform_features_layer()
    names = {safe_name(column): column for column in inputs.columns}

    @tf.function(autograph=False)
    def transformed(**raw: tf.Tensor) -> Any:
        return {"feature": holder.layer.call({names[key]: each for key, each in raw.items()})[transformed_name(name)]}

    return to_lite(transformed.get_concrete_function(**raw_specs(inputs)), holder)


def assert_alike(model: Any, tolerance: float = 1e-5) -> None:
    from models.edge import convert, load_edge

    answers = load_edge(convert(model.folder, "none"), model.inputs)({k: v.numpy() for k, v in model.raw.items()})
    assert set(answers) == set(model.answers)
    for name, expected in model.answers.items():
        if expected.dtype.kind == "U":
            assert np.char.decode(answers[name].astype(bytes), "utf-8").tolist() == expected.tolist()
        else:
            scale = max(1.0, float(np.abs(expected).max()))
            np.testing.assert_allclose(answers[name], expected, atol=tolerance * scale)


@pytest.mark.parametrize("kind", discover("models.features"))
def test_a_kind_says_which_operation_keeps_it_from_a_device(
    kind: str, every_kind: InputSpec, transforms: dict[str, Any]
) -> None:
    from models.edge import ConversionError

    names = [name for name, params in every_kind.features.items() if params.kind == kind]
    assert names
    for name in names:
        told, found = lacking(every_kind, name), ""
        try:
            convert_feature(every_kind, name, transforms["every kind"])
        except ConversionError as error:
            found = str(error)
        assert bool(told) == bool(found), (name, told, found)
        assert told in found, name


@pytest.mark.slow
@pytest.mark.parametrize("family", discover("models.families"))
def test_a_family_says_which_operation_keeps_it_from_a_device(
    family: str, build_for_device: Callable[..., Any]
) -> None:
    from models.edge import ConversionError, convert

    model, told = build_for_device(family, "binary"), discover("models.families")[family].BEYOND_EDGE
    if told:
        with pytest.raises(ConversionError, match=f"LiteRT has no .*{told}"):
            convert(model.folder, "none")
    else:
        assert_alike(model)


@pytest.mark.parametrize("target", discover("models.targets"))
def test_every_target_answers_alike(target: str, build_for_device: Callable[..., Any]) -> None:
    assert_alike(build_for_device("mlp", target))
