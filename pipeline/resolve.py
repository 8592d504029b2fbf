"""From a problem and its columns to the model's spec: features that the YAML leaves out are chosen by type."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from models.raw import RawType
from models.spec import FeatureParams, InputSpec, ModelSpec, columns_read
from pipeline.errors import InputError
from pipeline.problem import LoadedProblem, Problem
from pipeline.splits import columns as split_columns
from pipeline.tables import Column, describe, open_source
from schemas.store import SchemaColumn, SchemaError, columns, read_schema

Columns = dict[str, SchemaColumn]


def read_columns(loaded: LoadedProblem, *, whole: bool) -> Columns:
    """Return the columns by the curated schema, else by the table itself (`whole`: by every row of it).

    Raises:
        InputError: no such schema, or a table that can't be read.
    """
    if loaded.schema_path:
        return schema_columns(loaded, loaded.schema_path)
    with open_source(loaded.problem.source, loaded.root, whole=whole) as connection:
        return table_columns(describe(connection))


def table_columns(found: dict[str, Column]) -> Columns:
    """Return the columns as a schema would name them that knows nothing but the table's types."""
    return {
        name: SchemaColumn(name, column.raw_type, is_moment=column.is_moment, is_list=column.is_list)
        for name, column in found.items()
    }


def schema_columns(loaded: LoadedProblem, path: Path) -> Columns:
    """Return the columns of the curated schema at `path`."""
    try:
        return columns(read_schema(path))
    except SchemaError as error:
        raise InputError(loaded.complain(("schema",), str(error))) from error


def given_types(columns: Columns) -> dict[str, str]:
    """Return the DuckDB types that a source should read the columns as; true and false may stand for 1 and 0."""
    types = {"int": "BIGINT", "float": "DOUBLE", "bytes": "VARCHAR"}
    return {
        name: "TIMESTAMP" if column.is_moment else types[column.raw_type]
        for name, column in columns.items()
        if not column.is_flag
    }


def resolve(problem: Problem, columns: Columns) -> ModelSpec:
    """Return the complete model: `check` has passed, so every name is there."""
    features = chosen_features(problem, columns)
    read = [*columns_read(features), problem.target.column]
    types: dict[str, RawType] = {name: columns[name].raw_type for name in read}  # type: ignore[misc]
    inputs = InputSpec.model_validate({"types": types, "features": features, "target": problem.target})
    return ModelSpec(inputs=inputs, model=problem.model, training=problem.training)


def chosen_features(problem: Problem, columns: Columns) -> dict[str, Any]:
    """Return the features of the YAML, else one of each column by its type."""
    if problem.features:
        return problem.features
    chosen = {name: default_feature(column) for name, column in columns.items() if name not in _no_features(problem)}
    return TypeAdapter(dict[str, FeatureParams]).validate_python(chosen)


def with_features(spec: ModelSpec, kept: Collection[str]) -> ModelSpec:
    """Return the model with these of its features alone."""
    features = {name: params for name, params in spec.inputs.features.items() if name in kept}
    read = {*columns_read(features), spec.inputs.target.column}
    types = {name: raw_type for name, raw_type in spec.inputs.types.items() if name in read}
    return spec.model_copy(update={"inputs": spec.inputs.model_copy(update={"types": types, "features": features})})


def default_feature(column: SchemaColumn) -> dict[str, Any]:
    """Return the settings of a feature that nobody has described."""
    if column.is_list:
        return {"kind": "sequence", "of": "ids" if column.raw_type == "bytes" else "numbers"}
    if column.is_moment:
        return {"kind": "datetime"}
    if column.is_category or column.raw_type == "bytes":
        return {"kind": "categorical", "top_k": 10_000}
    return {"kind": "numeric"}


def _no_features(problem: Problem) -> set[str]:
    """Return the label, and the column that splits by time, group or itself: no later row has its values."""
    by = split_columns(problem.split).values() if problem.split.by in {"time", "group", "column"} else ()
    return {problem.target.column, *by}
