"""The server that people write first: Starlette and uvicorn, the model's signature called for each request.

`_starlette_server.py PORT SAVED_MODEL`
"""

import sys

import tensorflow as tf
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

MODEL = tf.saved_model.load(sys.argv[2])
SIGNATURE = MODEL.signatures["serving_default"]
SPECS = SIGNATURE.structured_input_signature[1]


async def predict(request: Request) -> JSONResponse:
    rows = (await request.json())["instances"]
    feeds = {name: tf.constant([row[name] for row in rows], spec.dtype) for name, spec in SPECS.items()}
    outputs = {name: value.numpy().tolist() for name, value in SIGNATURE(**feeds).items()}
    if len(outputs) == 1:
        return JSONResponse({"predictions": next(iter(outputs.values()))})
    return JSONResponse(
        {"predictions": [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]}
    )


app = Starlette(routes=[Route("/v1/models/flights:predict", predict, methods=["POST"])])

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
