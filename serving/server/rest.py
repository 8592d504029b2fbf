"""TensorFlow Serving's REST API over the models: bodies to inferences, states and signatures to bodies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from serving.server import json_body, metadata, results
from serving.server.answer import write_answer
from serving.server.examples import read_examples
from serving.server.inference import Inference
from serving.server.keys import read_json_key
from serving.server.registry import ModelQuery, Registry
from serving.server.request import read_predict_request, read_signature_name, select_signature
from serving.server.urls import Call, Method


@dataclass(frozen=True, slots=True)
class Rest:
    """The endpoints over one registry. Each raises ServingError with the status and the words of the original."""

    registry: Registry

    def prepare(self, call: Call, body: bytes) -> Inference:
        """Read what a request wants to be run.

        Args:
            call: one of predict, classify and regress.
            body: as sent, after inflation.
        """
        if call.method == "classify" or call.method == "regress":
            return self._prepare_examples(call.method, call.query, body)
        return self._prepare_predict(call.query, body)

    def describe(self, method: Method, query: ModelQuery) -> bytes:
        """The body of a status or metadata answer."""
        if method == "metadata":
            return metadata.write_metadata(query.name, self.registry.find(query))
        return metadata.write_statuses(self.registry.list_statuses(query))

    def _prepare_predict(self, query: ModelQuery, body: bytes) -> Inference:
        document = json_body.parse_object(body)
        signature_name = read_signature_name(document)
        servable = self.registry.find(query, partial(read_json_key, document, body))
        signature = select_signature(servable.signatures, signature_name)
        predict = read_predict_request(document, signature)
        return Inference(servable, signature_name, predict.feeds, partial(write_answer, layout=predict.layout))

    def _prepare_examples(self, method: results.Method, query: ModelQuery, body: bytes) -> Inference:
        document = json_body.parse_object(body)
        signature_name = read_signature_name(document)
        examples = read_examples(document)
        servable = self.registry.find(query, partial(read_json_key, document, body))
        signature = results.select_signature(servable.signatures, signature_name, method)
        write = partial(results.write_body, method=method, signature=signature, rows=len(examples))
        return Inference(servable, signature_name, {results.INPUT: examples}, write)
