"""Counts what the two sides of a roll-out do, and tells of it in files: whoever asks or answers for them may."""

from __future__ import annotations

import logging
import threading
import uuid
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from serving.canary.tally import Sides, Tally
from serving.tallies import dump_sides, write_sides

_logger = logging.getLogger(__name__)

Array: TypeAlias = NDArray[Any]
Side = Literal["stable", "canary"]
_HASHES = 2**32


class Counts:
    """What this process has counted, by the folder of the step (`serving.tallies.find_step`); threads may share it."""

    def __init__(self) -> None:
        self._writer = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._counted: dict[Path, Sides] = {}
        self._dirty: set[Path] = set()

    def count(self, folder: Path, side: Side, seconds: float, prediction: float | None) -> None:
        """Count a request that was answered, in so many seconds; `prediction` as `read_prediction` gives it."""
        with self._lock:
            tally = self._change(folder, side)
            tally.requests += 1
            tally.latency_ms.add_one(seconds * 1e3)
            if prediction is not None:
                tally.predictions.add_one(prediction)

    def fail(self, folder: Path, side: Side) -> None:
        """Count a request that was not answered."""
        with self._lock:
            tally = self._change(folder, side)
            tally.requests += 1
            tally.errors += 1

    def compare(self, folder: Path, stable: Mapping[str, Array], canary: Mapping[str, Array]) -> None:
        """Count how far two answers to the same rows, `[rows, ...]` by output, lie apart: 1 of another text."""
        with self._lock:
            differences = self._change(folder, "canary").differences
            for name in stable.keys() & canary.keys():
                pair: list[Any] = [stable[name], canary[name]]
                if pair[0].shape != pair[1].shape:
                    continue
                if pair[0].dtype == object:
                    differences.add((pair[0] != pair[1]).astype(np.float32))
                else:
                    differences.add(pair[1].astype(np.float64) - pair[0].astype(np.float64))

    def flush(self) -> None:
        """Write what was counted since the last time; a disk that refuses is a warning."""
        with self._lock:
            changed, self._dirty = self._dirty, set()
            dumped = {folder: dump_sides(self._counted[folder]) for folder in changed & self._counted.keys()}
        # the disk may be slow, and whoever counts holds an event loop
        for folder, text in dumped.items():
            try:
                write_sides(folder, self._writer, text)
            except OSError as error:
                _logger.warning("what was counted of a roll-out cannot be written: %s", error)

    def keep(self, folders: Collection[Path]) -> None:
        """Forget other steps: they are over."""
        with self._lock:
            self._counted = {folder: sides for folder, sides in self._counted.items() if folder in folders}

    def _change(self, folder: Path, side: Side) -> Tally:
        self._dirty.add(folder)
        sides = self._counted.setdefault(folder, Sides())
        return sides.canary if side == "canary" else sides.stable


def read_prediction(outputs: Mapping[str, Array], name: str | None) -> float | None:
    """One number for the first row of an answer: itself, the place of the largest of several, of a text its hash.

    Args:
        outputs: `[rows, ...]` by name; texts are objects (bytes).
        name: which one; None: the first by name.
    """
    array = outputs.get(min(outputs, default="") if name is None else name)
    if array is None or array.size == 0:
        return None
    first = array[0] if array.ndim else array
    if array.dtype == object:
        return zlib.crc32(bytes(np.asarray(first).reshape(-1)[0])) / _HASHES
    return float(np.argmax(first)) if np.size(first) > 1 else float(np.asarray(first).reshape(-1)[0])
