"""The order of the rows, the batches, and what is kept of a training on disk."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fit.checkpoint import FORGOTTEN_S, STATE_FILE, drop_state, read_state, training_key, write_state
from models.fit.feed import Course

pytestmark = pytest.mark.tensorflow

COURSE = Course(rows=10, batch_size=4, epochs=3, seed=7)
COLUMNS = {"x": np.arange(10), "wide": np.arange(20.0).reshape(10, 2), "y": np.arange(10) * 10}


@given(st.integers(1, 300), st.integers(1, 50), st.integers(0, 3))
def test_an_epoch_is_every_row_once(rows: int, batch_size: int, epoch: int) -> None:
    course = Course(rows, batch_size, epochs=4, seed=0)
    batches = [course.batch(epoch * course.steps + step) for step in range(course.steps)]
    assert sorted(np.concatenate(batches)) == list(range(rows))
    assert {len(batch) for batch in batches[:-1]} <= {batch_size}
    assert 0 < len(batches[-1]) <= batch_size


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    again = COURSE._replace(batch_size=2)
    assert COURSE.order(1).tolist() == again.order(1).tolist()
    orders = {tuple(COURSE.order(epoch)) for epoch in range(3)} | {tuple(COURSE._replace(seed=8).order(0))}
    assert len(orders) == 4


@pytest.mark.parametrize("first", [0, 1, 3, 4, 8])
def test_batches_go_on_with_any_step(first: int) -> None:
    from models.fit.feed import shuffled

    found = list(shuffled(COLUMNS, "y", COURSE, first))
    assert len(found) == COURSE.total - first
    for step, (features, label) in enumerate(found, start=first):
        rows = COURSE.batch(step)
        assert set(features) == {"x", "wide"}
        np.testing.assert_array_equal(features["x"], rows)
        np.testing.assert_array_equal(features["wide"], COLUMNS["wide"][rows])
        np.testing.assert_array_equal(label, rows * 10)


def test_rows_to_judge_by_come_as_they_lie() -> None:
    from models.fit.feed import in_order

    batches = in_order(COLUMNS, "y", 4)
    assert batches.cardinality() == 3
    assert np.concatenate([label for _, label in batches]).tolist() == COLUMNS["y"].tolist()


STATE: dict[str, Any] = {"facts": np.array([3.0, 0.5]), "now_0": np.ones((2, 3), "float32")}


def test_a_state_comes_back(tmp_path: Path) -> None:
    assert read_state(tmp_path / "none") is None
    write_state(tmp_path / "a", {"facts": np.zeros(1)})
    write_state(tmp_path / "a", STATE)
    found = read_state(tmp_path / "a")
    assert found is not None
    assert {name: array.tolist() for name, array in found.items()} == {
        name: array.tolist() for name, array in STATE.items()
    }
    assert [file.name for file in (tmp_path / "a").iterdir()] == [STATE_FILE]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95])
def test_a_torn_state_is_none(tmp_path: Path, share: float) -> None:
    write_state(tmp_path, STATE)
    file = tmp_path / STATE_FILE
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    assert read_state(tmp_path) is None


def test_a_state_with_a_flipped_byte_is_none(tmp_path: Path) -> None:
    write_state(tmp_path, STATE)
    file = tmp_path / STATE_FILE
    content = bytearray(file.read_bytes())
    content[200] ^= 0xFF
    file.write_bytes(content)
    assert read_state(tmp_path) is None


def test_a_finished_training_leaves_nothing_and_takes_what_was_forgotten_with_it(tmp_path: Path) -> None:
    for name in ("done", "killed", "forgotten"):
        write_state(tmp_path / name, STATE)
    before = time.time() - FORGOTTEN_S - 60
    os.utime(tmp_path / "forgotten" / STATE_FILE, (before, before))
    drop_state(tmp_path / "done")
    assert [folder.name for folder in tmp_path.iterdir()] == ["killed"]


def test_the_key_is_of_settings_and_content(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    file.write_text("1")
    key = training_key({"spec": "x", "code": "y"}, [file])
    assert training_key({"code": "y", "spec": "x"}, [file]) == key
    assert training_key({"spec": "z", "code": "y"}, [file]) != key
    file.write_text("2")
    assert training_key({"spec": "x", "code": "y"}, [file]) != key
