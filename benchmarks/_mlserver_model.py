"""The same model behind MLServer, its signature called for each request of the V2 protocol."""

import os

import tensorflow as tf
from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Flights(MLModel):
    async def load(self) -> bool:
        self.model = tf.saved_model.load(os.environ["SAVED_MODEL"])
        self.signature = self.model.signatures["serving_default"]
        self.specs = self.signature.structured_input_signature[1]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        feeds = {each.name: tf.constant(list(each.data), self.specs[each.name].dtype) for each in payload.inputs}
        ((name, output),) = self.signature(**feeds).items()
        values = output.numpy().tolist()
        found = ResponseOutput(name=name, shape=[len(values)], datatype="FP32", data=values)
        return InferenceResponse(model_name=self.name, outputs=[found])
