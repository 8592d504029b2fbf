"""Distributions as counts in bins of equal relative width: small, and added by adding.

A bin is the first 16 bits of a float32: sign, exponent and 7 bits of the mantissa, so within 0.8 % of any value. The
idea is DDSketch's (Masson, Rim and Lee 2019, https://arxiv.org/abs/1908.10693).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

_DROPPED_BITS = 16
_MAGNITUDE = 0x7FFF
_FLOAT, _BITS = Struct("<f"), Struct("<i")
_WIDTH = (1 << _DROPPED_BITS) - 1
Edge = Literal["low", "middle", "high"]
_PLACES: Mapping[Edge, int] = {"low": 0, "middle": _WIDTH // 2, "high": _WIDTH}


@dataclass(slots=True)
class Sketch:
    """How many values fell into each bin; bins are numbered in the order of their values, NaN above all."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, values: Any) -> None:
        """Count numbers of any shape."""
        bins, counts = np.unique(_to_bins(values), return_counts=True)
        for number, count in zip(bins.tolist(), counts.tolist(), strict=True):
            self.counts[number] += count

    def add_one(self, value: float) -> None:
        """Count one number, as of each request: without NumPy, in a twentieth of the time."""
        try:
            (bits,) = _BITS.unpack(_FLOAT.pack(abs(value) if value != value else value))
        except OverflowError:
            (bits,) = _BITS.unpack(_FLOAT.pack(math.copysign(math.inf, value)))
        number = bits >> _DROPPED_BITS
        self.counts[number ^ _MAGNITUDE if number < 0 else number] += 1

    @property
    def size(self) -> int:
        """How many values were counted."""
        return self.counts.total()

    def list_values(self) -> list[tuple[float, int]]:
        """The middle of each bin, and how many values fell into it; in order."""
        return [(_to_value(number, "middle"), count) for number, count in sorted(self.counts.items())]

    def find_quantile(self, rank: float, edge: Edge = "middle") -> float:
        """The value that a share `rank` of the values does not exceed; beyond 0 and 1 minus and plus infinity.

        Args:
            rank: from 0 to 1.
            edge: which value of its bin.
        """
        if not 0 < rank < 1 or not self.counts:
            return -np.inf if rank <= 0 else np.inf
        bins = np.array(sorted(self.counts))
        seen = np.cumsum([self.counts[number] for number in bins.tolist()])
        return _to_value(int(bins[np.searchsorted(seen, rank * seen[-1])]), edge)


def merge(sketches: Iterable[Sketch]) -> Sketch:
    """All values of all of them."""
    return Sketch(sum((sketch.counts for sketch in sketches), Counter()))


def measure_distance(first: Sketch, second: Sketch) -> float:
    """Kolmogorov and Smirnov's distance: the largest difference of the two distribution functions, 0 to 1."""
    bins = sorted({*first.counts, *second.counts})
    shares = [np.cumsum([sketch.counts[each] for each in bins]) / max(sketch.size, 1) for sketch in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max(initial=0))


def _to_bins(values: Any) -> NDArray[np.int32]:
    with np.errstate(over="ignore"):
        numbers = np.asarray(values, np.float32).reshape(-1)
    # a NaN may carry a sign
    bits = np.where(np.isnan(numbers), np.float32(np.nan), numbers).view(np.int32) >> _DROPPED_BITS
    return np.where(bits < 0, bits ^ _MAGNITUDE, bits)


def _to_value(number: int, edge: Edge) -> float:
    """A value of a bin; the bin of 0 is 0."""
    lowest = (number ^ _MAGNITUDE if number < 0 else number) << _DROPPED_BITS
    # of a negative number larger bits are smaller values
    place = _PLACES[edge] if number >= 0 else _WIDTH - _PLACES[edge]
    return float(np.int32(lowest + place if number else 0).view(np.float32))
