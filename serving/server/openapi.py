"""The server as an OpenAPI 3.1 document: a path for each model, with rows typed by its signatures and its schema.

It keeps to what OpenAPI 3.0 knows as well, so that older viewers, such as the one behind /docs, can show it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, TypeAlias
from urllib.parse import quote

from serving.artifact import DEFAULT_SIGNATURE, Signature, TensorSpec
from serving.server.contract import Column, Contract, Contracts
from serving.server.model import Servable
from serving.server.overview import find_latest
from serving.server.registry import Registry

Json: TypeAlias = dict[str, Any]

_INTEGERS = {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
_NUMBERS = {"float", "double", "half", "bfloat16"}
_MOST_VALUES = 1000
"""A longer list of texts is left out of the document."""
_MOMENT = "2024-01-31T12:00:00Z"
_EXAMPLE_METHODS = {"classify": "tensorflow/serving/classify", "regress": "tensorflow/serving/regress"}
_ERRORS = {
    400: "The request is wrong: no JSON, a value that does not fit the signature, an unknown label or signature.",
    401: "No token, or a wrong one.",
    404: "No such model, or no such version of it.",
    408: "The request did not arrive in time.",
    413: "The body is too large.",
    429: "The server or the model is out of some resource.",
    431: "The headers are too large or too many.",
    500: "A fault of the server or of the model.",
    501: "A part of the protocol that this server does not offer.",
    503: "Not now: too many connections, or the server is stopping.",
    504: "A deadline has passed.",
}
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_PLACES = (
    ("", ()),
    ("/versions/{version}", ({"name": "version", "in": "path", "required": True, "schema": {"type": "integer"}},)),
    ("/labels/{label}", ({"name": "label", "in": "path", "required": True, "schema": {"type": "string"}},)),
)


def write_document(registry: Registry, contracts: Contracts, has_token: bool) -> Json:
    """The document for what is loaded now."""
    paths: Json = _server_paths()
    for name in registry.folders:
        servable = find_latest(registry, name)
        if servable is not None:
            paths |= _model_paths(name, servable, contracts.get(servable))
    components: Json = {
        "schemas": {"Error": _ERROR},
        "responses": {str(status): _describe_error(words) for status, words in _ERRORS.items()},
    }
    document: Json = {
        "openapi": "3.1.0",
        "info": {"title": "Penstock", "version": version("penstock"), "description": "TensorFlow Serving's REST API."},
        "paths": paths,
        "components": components,
    }
    if has_token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def row_schema(signature: Signature, contract: Contract) -> Json:
    """The JSON schema of one row: an object of every input, or the bare value where there is one input alone."""
    properties = {name: _value_schema(name, spec, contract, 1) for name, spec in signature.inputs.items()}
    row: Json = {"type": "object", "required": list(properties), "properties": properties}
    row["additionalProperties"] = False
    return {"oneOf": [row, *properties.values()]} if len(properties) == 1 else row


def example_row(signature: Signature, contract: Contract) -> Any:
    """A row that the model answers: a real one where the version brings one, else made up from the schema."""
    row = {}
    for name, spec in signature.inputs.items():
        value = contract.example.get(name)
        is_number = isinstance(value, float) and math.isfinite(value)
        row[name] = value if is_number or (value and not isinstance(value, float)) else _make_up(name, spec, contract)
    return row


def _server_paths() -> Json:
    described = {
        "/models": "Models, their versions, states and labels",
        "/livez": "Whether the process answers",
        "/readyz": "Whether it wants requests",
        "/metrics": "Prometheus metrics",
    }
    answer = {"description": "As asked."}
    return {
        path: {"get": {"tags": ["server"], "summary": words, "responses": {"200": answer}}}
        for path, words in described.items()
    }


def _model_paths(name: str, servable: Servable, contract: Contract) -> Json:
    base = f"/v1/models/{quote(name, safe='')}"
    paths: Json = {}
    for place, parameters in _PLACES:
        where = {"tags": [name], "parameters": list(parameters)}
        operation = where | {"summary": f"Predict with {name}", "operationId": f"{name}.predict{place}"}
        paths[f"{base}{place}:predict"] = {"post": operation | _predict(servable, contract)}
        for method, method_name in _EXAMPLE_METHODS.items():
            if any(each.method_name == method_name for each in servable.signatures.values()):
                operation = where | {"summary": f"{method.capitalize()} with {name}"}
                operation |= {"operationId": f"{name}.{method}{place}"}
                paths[f"{base}{place}:{method}"] = {"post": operation | _ask_examples(servable, contract)}
    for suffix, words in {"": "States of the versions", "/metadata": "Signatures"}.items():
        answer = {"tags": [name], "summary": f"{words} of {name}", "operationId": f"{name}.get{suffix}"}
        paths[f"{base}{suffix}"] = {"get": answer | {"responses": _respond({"type": "object"})}}
    return paths


def _predict(servable: Servable, contract: Contract) -> Json:
    bodies, answers, examples = [], [], {}
    for name, signature in servable.signatures.items():
        if not signature.inputs:
            continue
        named = {"signature_name": {"type": "string", "enum": [name]}}
        required = [] if name == DEFAULT_SIGNATURE else ["signature_name"]
        rows = {"type": "array", "minItems": 1, "items": row_schema(signature, contract)}
        columns = {key: _value_schema(key, spec, contract, 0) for key, spec in signature.inputs.items()}
        for key, schema in (("instances", rows), ("inputs", {"type": "object", "properties": columns})):
            properties = named | {key: schema}
            bodies.append({"type": "object", "required": [*required, key], "properties": properties})
        answers += _answer_schemas(signature)
        request = {"signature_name": name} if required else {}
        examples[name] = {"value": request | {"instances": [example_row(signature, contract)]}}
    content = {"schema": {"anyOf": bodies}, "examples": _put_first(examples, DEFAULT_SIGNATURE)}
    return {
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": _respond({"anyOf": answers}),
    }


def _ask_examples(servable: Servable, contract: Contract) -> Json:
    """Classify and regress: rows that may lack features, which the model parses itself."""
    properties = {name: _column_schema(column) for name, column in contract.columns.items()}
    row = {"type": "object", "properties": properties}
    body = {
        "type": "object",
        "required": ["examples"],
        "properties": {
            "signature_name": {"type": "string", "enum": list(servable.signatures)},
            "context": row,
            "examples": {"type": "array", "minItems": 1, "items": row},
        },
    }
    results = {"type": "object", "properties": {"results": {"type": "array", "items": {}}}}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": _respond(results),
    }


def _answer_schemas(signature: Signature) -> list[Json]:
    rows = {name: _tensor_schema(spec, 1) for name, spec in signature.outputs.items()}
    columns = {name: _tensor_schema(spec, 0) for name, spec in signature.outputs.items()}
    is_bare = len(rows) == 1
    row = next(iter(rows.values())) if is_bare else {"type": "object", "properties": rows}
    column = next(iter(columns.values())) if is_bare else {"type": "object", "properties": columns}
    return [
        {"type": "object", "properties": {"predictions": {"type": "array", "items": row}}},
        {"type": "object", "properties": {"outputs": column}},
    ]


def _respond(schema: Json) -> Json:
    errors: Json = {str(status): {"$ref": f"#/components/responses/{status}"} for status in _ERRORS}
    return {"200": {"description": "The answer.", "content": {"application/json": {"schema": schema}}}} | errors


def _describe_error(words: str) -> Json:
    return {
        "description": words,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def _value_schema(name: str, spec: TensorSpec, contract: Contract, skipped: int) -> Json:
    column = contract.columns.get(name)
    item = _column_schema(column) if column else _dtype_schema(spec.dtype)
    return _nest(item, spec, skipped)


def _tensor_schema(spec: TensorSpec, skipped: int) -> Json:
    return _nest(_dtype_schema(spec.dtype), spec, skipped)


def _nest(item: Json, spec: TensorSpec, skipped: int) -> Json:
    """Lists around a value, one for each dimension beyond those that are skipped."""
    for size in reversed((spec.shape or ())[skipped:]):
        item = {"type": "array", "items": item} | ({"minItems": size, "maxItems": size} if size > 0 else {})
    return item if spec.shape is not None else {}


def _dtype_schema(dtype: str) -> Json:
    if dtype in _INTEGERS:
        return {"type": "integer"}
    if dtype in _NUMBERS:
        return {"type": "number"}
    if dtype == "bool":
        return {"type": "boolean"}
    encoded = {"type": "object", "required": ["b64"], "properties": {"b64": {"type": "string", "format": "byte"}}}
    return {"oneOf": [{"type": "string"}, encoded]}


def _column_schema(column: Column) -> Json:
    missing = "" if column.required else " Missing: the empty text." if column.kind == "bytes" else " Missing: NaN."
    schema: Json = {"type": {"bytes": "string", "int": "integer"}.get(column.kind, "number")}
    schema["description"] = f"{'Required' if column.required else 'Optional'}.{missing}"
    if column.values and len(column.values) <= _MOST_VALUES:
        schema["enum"] = [*column.values, *([] if column.required else [""])]
    if column.is_moment:
        schema["format"] = "date-time"
    if column.is_flag:
        schema |= {"minimum": 0, "maximum": 1}
    bounds = {"minimum": column.low, "maximum": column.high}
    return schema | {word: bound for word, bound in bounds.items() if bound is not None}


def _make_up(name: str, spec: TensorSpec, contract: Contract) -> Any:
    column = contract.columns.get(name)
    value: Any = {"string": "", "bool": False}.get(spec.dtype, 0 if spec.dtype in _INTEGERS else 0.0)
    if column:
        value = column.values[0] if column.values else _MOMENT if column.is_moment else column.low or value
    for size in reversed((spec.shape or ())[1:]):
        value = [value] * max(size, 1)
    return value


def _put_first(examples: Mapping[str, Json], name: str) -> Json:
    return {key: examples[key] for key in sorted(examples, key=lambda key: key != name)}
