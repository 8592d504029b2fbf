"""The same model behind BentoML, its signature called for each request: `bentoml serve _bento_server:Flights`."""

import os
from typing import Any

import bentoml
import tensorflow as tf


@bentoml.service(workers=1)
class Flights:
    def __init__(self) -> None:
        self.model = tf.saved_model.load(os.environ["SAVED_MODEL"])
        self.signature = self.model.signatures["serving_default"]
        self.specs = self.signature.structured_input_signature[1]

    @bentoml.api(route="/v1/models/flights:predict")
    def predict(self, instances: list[dict[str, Any]]) -> list[float]:
        feeds = {name: tf.constant([row[name] for row in instances], spec.dtype) for name, spec in self.specs.items()}
        (output,) = self.signature(**feeds).values()
        return output.numpy().tolist()
