"""A database server behind a socket of this process, for TFX and for ourselves, by ml-metadata's own gRPC protocol.

TFX logs the settings of its connection: through the relay it gets the path of a socket and no password. And
ml-metadata 1.21 can't write a text with a backslash to PostgreSQL (it expects `'...'` of PQescapeLiteral, which then
returns ` E'...'`: syntax error), so a stand-in is stored in its place; every nested JSON has backslashes.
"""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import grpc

STAND_IN = "\ue05c"
"""A private character of Unicode: nobody's text has it."""
PORT = 1
"""A part of the socket's name: ml-metadata asks for a host and a port."""


@cache
def start_relay(config: bytes, *, stand_in: bool) -> str:
    """Start a relay to the database of a serialized ConnectionConfig, once a process, and return its host.

    Raises:
        RuntimeError: ml-metadata can't open the database.
    """
    from ml_metadata.metadata_store.pywrap.metadata_store_extension import metadata_store
    from ml_metadata.proto import metadata_store_pb2

    store = metadata_store.CreateMetadataStore(config, metadata_store_pb2.MigrationOptions().SerializeToString())
    # only its owner may enter the folder
    folder = Path(tempfile.mkdtemp(prefix="penstock-metadata-"))
    host = f"unix:{folder}/relay"
    # one call at a time: ml-metadata's store has one connection
    server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((_Relay(store, stand_in=stand_in),))
    server.add_insecure_port(f"{host}:{PORT}")
    server.start()

    def stop() -> None:
        server.stop(None)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    return host


class _Relay(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Every method of ml-metadata's service."""

    def __init__(self, store: object, *, stand_in: bool) -> None:
        self.store, self.stand_in = store, stand_in

    def service(self, details: Any) -> Any:
        """Return what answers a call."""
        from ml_metadata.proto import metadata_store_service_pb2 as messages

        method = details.method.rpartition("/")[2]
        request_type, response_type = (getattr(messages, f"{method}{part}") for part in ("Request", "Response"))

        def answer(request: Any, context: Any) -> Any:
            response = response_type()
            if self.stand_in:
                replace_text(request, lambda text: text.replace("\\", STAND_IN))
            self._call(method, request, response, context)
            if self.stand_in:
                replace_text(response, lambda text: text.replace(STAND_IN, "\\"))
            return response

        return grpc.unary_unary_rpc_method_handler(
            answer, request_type.FromString, lambda response: response.SerializeToString()
        )

    def _call(self, method: str, request: Any, response: Any, context: Any) -> None:
        from ml_metadata.metadata_store.pywrap.metadata_store_extension import metadata_store

        content, message, code = getattr(metadata_store, method)(self.store, request.SerializeToString())
        if code:
            codes = {each.value[0]: each for each in grpc.StatusCode}
            context.abort(codes.get(code, grpc.StatusCode.UNKNOWN), message.decode(errors="replace"))
        response.ParseFromString(content)


def replace_text(message: Any, change: Callable[[str], str]) -> None:
    """Put `change(text)` for each text of a protobuf message, however deep; keys of maps stay."""
    for field, value in message.ListFields():
        if isinstance(value, str):
            setattr(message, field.name, change(value))
        elif field.type == field.TYPE_STRING:
            value[:] = [change(text) for text in value]
        elif field.message_type is not None:
            for each in _messages(value):
                replace_text(each, change)


def _messages(value: Any) -> list[Any]:
    """Return the messages of a field: its only one, those of a list or the values of a map."""
    if hasattr(value, "ListFields"):
        return [value]
    found = list(value.values()) if hasattr(value, "values") else list(value)
    return [each for each in found if hasattr(each, "ListFields")]
