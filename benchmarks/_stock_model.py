"""The user code of a stock TFX pipeline: the problem's features and network, wired as TFX's templates wire theirs.

Network and compilation are those of models/, features are made by tf.Transform's functions; reading (tfxio over gzipped
TFRecord of transformed examples), training loop and serving signature follow the templates.
"""

from typing import TYPE_CHECKING, Any

from models.preprocess import LABEL, preprocess, transformed_name
from models.raw import MISSING, is_missing, safe_name, to_number, to_text
from models.spec import ModelSpec

if TYPE_CHECKING:
    import keras
    import tensorflow as tf
    import tensorflow_transform as tft
    from tfx.components.trainer.fn_args_utils import FnArgs


def preprocessing_fn(inputs: "dict[str, Any]", custom_config: dict[str, Any]) -> "dict[str, tf.Tensor]":
    """tf.Transform's entry: sparse raw columns to columns of the names and shapes of models/, as the templates do it.

    Numbers and categories go through tf.Transform's own functions, a column at a time; the rest is that of models/.
    """
    spec = ModelSpec.model_validate_json(custom_config["spec"])
    features = spec.inputs.features
    columns = {name: _fill(inputs[name]) for name in [*features, spec.inputs.target.column]}
    outputs = {}
    for name, params in features.items():
        if params.kind == "numeric":
            outputs[transformed_name(name)] = _scale(columns[name])
        elif params.kind == "categorical":
            outputs[transformed_name(name)] = _look_up(columns[name], name, params)
    own = {name: params for name, params in features.items() if transformed_name(name) not in outputs}
    return outputs | preprocess(columns, spec.inputs.model_copy(update={"features": own}))


def _scale(column: "tf.Tensor") -> "tf.Tensor":
    """Return `[batch, 2] float32`: the z-score, and 1 where there is no value."""
    import tensorflow as tf
    import tensorflow_transform as tft

    scaled = tft.scale_to_z_score(to_number(column))
    unknown = tf.math.is_nan(scaled)
    return tf.stack([tf.where(unknown, 0.0, scaled), tf.cast(unknown, tf.float32)], axis=1)


def _look_up(column: "tf.Tensor", name: str, params: Any) -> "tf.Tensor":
    """Return `[batch] int64` ids: vocabulary, out-of-vocabulary buckets, missing."""
    import tensorflow as tf
    import tensorflow_transform as tft

    ids = tft.compute_and_apply_vocabulary(
        to_text(column),
        top_k=params.top_k,
        frequency_threshold=params.min_count,
        num_oov_buckets=params.oov_buckets,
        vocab_filename=safe_name(name),
    )
    size = tf.cast(tft.get_num_buckets_for_transformed_feature(ids), tf.int64)
    return tf.where(is_missing(column), size, ids)


def _fill(column: "tf.SparseTensor") -> "tf.Tensor":
    """Return `[batch]` values with the type's marker where there is none (the templates' `_fill_in_missing`)."""
    import tensorflow as tf

    raw_type = {tf.string: "bytes", tf.int64: "int", tf.float32: "float"}[column.dtype]
    missing: Any = MISSING[raw_type]  # type: ignore[index]
    one_wide = tf.SparseTensor(column.indices, column.values, [column.dense_shape[0], 1])
    return tf.squeeze(tf.sparse.to_dense(one_wide, missing), axis=1)


def run_fn(arguments: "FnArgs") -> None:
    """The Trainer's entry: transformed examples and transform graph in, SavedModel out."""
    import keras
    import tensorflow as tf
    import tensorflow_transform as tft

    from models.network import build_network, compile_network, vocabulary_sizes
    from models.targets import LabelFacts

    spec = ModelSpec.model_validate_json(arguments.custom_config["spec"])
    keras.utils.set_random_seed(spec.training.seed)
    transform = tft.TFTransformOutput(arguments.transform_output)
    train = _read(arguments, arguments.train_files, transform, spec.training.batch_size)
    evaluation = _read(arguments, arguments.eval_files, transform, spec.training.batch_size)
    shapes = {
        name: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for name, tensor in train.element_spec[0].items()
    }
    network = build_network(spec, shapes, vocabulary_sizes(spec.inputs, transform), LabelFacts())
    compile_network(network, spec, arguments.train_steps, LabelFacts())
    network.fit(
        train.repeat(),
        epochs=spec.training.epochs,
        steps_per_epoch=arguments.train_steps // spec.training.epochs,
        validation_data=evaluation,
        callbacks=[keras.callbacks.TensorBoard(arguments.model_run_dir, update_freq="epoch")],
        verbose=2,
    )
    _export(network, transform, spec, arguments.serving_model_dir)


def _read(
    arguments: "FnArgs", files: list[str], transform: "tft.TFTransformOutput", batch_size: int | None
) -> "tf.data.Dataset":
    """Return one pass over ({name: [batch, ...]}, label), shuffled, read and parsed by tfxio."""
    from tfx_bsl.public.tfxio import TensorFlowDatasetOptions

    options = TensorFlowDatasetOptions(batch_size=batch_size or 1024, label_key=LABEL, num_epochs=1)
    return arguments.data_accessor.tf_dataset_factory(files, options, transform.transformed_metadata.schema)


def _export(network: "keras.Model", transform: "tft.TFTransformOutput", spec: ModelSpec, folder: str) -> None:
    """Write the SavedModel with the templates' only signature: serialized examples in, probability out."""
    import tensorflow as tf

    features = transform.raw_feature_spec()
    features.pop(spec.inputs.target.column)
    module = tf.Module()
    # saving the Keras 3 model itself gives a SavedModel that only Python can load
    module.variables_of_network = [variable.value for variable in network.variables]
    module.transform_layer = transform.transform_features_layer()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])  # type: ignore[untyped-decorator]
    def serve(examples: "tf.Tensor") -> "dict[str, tf.Tensor]":
        transformed = module.transform_layer(tf.io.parse_example(examples, features))
        transformed.pop(LABEL, None)
        return {"probability": network(transformed, training=False)}

    tf.saved_model.save(module, folder, signatures={"serving_default": serve})
