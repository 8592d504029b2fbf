"""A sample of requests and answers, written by a thread of its own: answering never waits for the disk."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from urllib.parse import quote

from serving.artifact import Signature
from serving.errors import StorageError
from serving.server.inference import Exchange
from serving.server.request_files import WRITERS, Entry, Source, list_files, name_file
from serving.server.settings import RequestLogSettings

_logger = logging.getLogger(__name__)

_WAITING_ENTRIES = 4096
_WAITING_BYTES = 64 * 1024 * 1024
_LOOK_S = 0.5


class RequestLog:
    """Takes note of answered requests (it is an `Observer`); `close` writes what is left.

    Attributes:
        dropped: sampled requests that found no room, or could not be written.
    """

    def __init__(self, settings: RequestLogSettings) -> None:
        """Start the thread.

        Raises:
            StorageError: the folder cannot be created.
        """
        self.dropped = 0
        self._settings = settings
        self._queue: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting_entries = self._waiting_bytes = 0
        self._batches: dict[Source, list[Entry]] = {}
        self._rows = self._bytes = 0
        self._due_s = 0.0
        try:
            settings.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"request_log.folder: {settings.folder} cannot be created: {error}") from error
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self._thread.start()

    def observe(self, exchange: Exchange) -> None:
        """Keep an answered request, if the sample has it and there is room."""
        if exchange.inference is None or exchange.outputs is None or random.random() >= self._settings.sample:
            return
        entry = _to_entry(exchange)
        size = entry.size
        with self._lock:
            if self._waiting_entries >= _WAITING_ENTRIES or self._waiting_bytes + size > _WAITING_BYTES:
                self.dropped += 1
                return
            self._waiting_entries += 1
            self._waiting_bytes += size
        self._queue.put(entry)

    def close(self) -> None:
        """Write what has been taken, and stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                entry = self._queue.get(timeout=_LOOK_S)
            except queue.Empty:
                if self._batches and time.monotonic() >= self._due_s:
                    self._flush()
                continue
            if entry is None:
                break
            self._keep(entry)
        self._flush()

    def _keep(self, entry: Entry) -> None:
        size = entry.size
        with self._lock:
            self._waiting_entries -= 1
            self._waiting_bytes -= size
        if not self._batches:
            self._due_s = time.monotonic() + self._settings.rotate_s
        self._batches.setdefault(entry.source, []).append(entry)
        self._rows += entry.rows
        self._bytes += size
        is_full = self._rows >= self._settings.rotate_rows or self._bytes >= self._settings.rotate_mb * 1024 * 1024
        if is_full or time.monotonic() >= self._due_s:
            self._flush()

    def _flush(self) -> None:
        for source, entries in self._batches.items():
            try:
                self._write(source, entries)
            except Exception:
                # A full disk or an odd tensor costs these entries, not the log and never an answer.
                _logger.exception("%d logged requests of %s could not be written", len(entries), source.model)
                with self._lock:
                    self.dropped += len(entries)
        self._batches = {}
        self._rows = self._bytes = 0

    def _write(self, source: Source, entries: list[Entry]) -> None:
        folder = self._settings.folder / quote(source.model, safe=" ")
        folder.mkdir(exist_ok=True)
        file = folder / name_file(source, self._settings.format)
        part = file.with_name(f"{file.name}.part")
        try:
            WRITERS[self._settings.format](entries, part)
            part.rename(file)
        finally:
            part.unlink(missing_ok=True)
        for old in list_files(folder)[: -self._settings.keep_files]:
            old.unlink(missing_ok=True)


def _to_entry(exchange: Exchange) -> Entry:
    inference, outputs = exchange.inference, exchange.outputs
    assert inference is not None and outputs is not None  # noqa: PT018  both are there of what was answered
    signature: Signature = inference.servable.signatures[inference.signature_name]
    source = Source(exchange.query.name, inference.servable.version, inference.signature_name)
    dtypes = tuple({name: spec.dtype for name, spec in side.items()} for side in (signature.inputs, signature.outputs))
    return Entry(source, time.time(), inference.feeds, outputs, (dtypes[0], dtypes[1]))
