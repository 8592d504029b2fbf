"""Sizes by rule: of an embedding, of a batch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.encoded import embedding_units
from models.fit.feed import default_batch_size


def test_embedding_units_follow_the_rule() -> None:
    sizes = [1, 2, 10, 100, 1_000, 1_000_000]
    assert [embedding_units(size) for size in sizes] == [2, 2, 6, 21, 64, 64]
    assert embedding_units(0) == 1


def test_default_batch_size_is_a_64th_as_a_power_of_two() -> None:
    rows = [0, 1, 1_000, 2_047, 2_048, 6_400, 65_535, 65_536, 10_000_000]
    assert [default_batch_size(count) for count in rows] == [16, 16, 16, 16, 32, 64, 512, 1_024, 1_024]


@given(st.integers(0, 10**9))
def test_default_batch_size_never_leaves_its_bounds(rows: int) -> None:
    size = default_batch_size(rows)
    assert 16 <= size <= 1024
    assert size.bit_count() == 1
    assert size == 16 or size <= rows / 64
