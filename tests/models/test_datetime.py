"""Moments: parsing against Python's own, and points on circles by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features.datetime import Params, parse, transform
from models.raw import MISSING_INT

pytestmark = pytest.mark.tensorflow


def parsed(texts: list[Any]) -> list[int | None]:
    """Seconds since 1970, None for what is no moment."""
    import tensorflow as tf

    seconds, missing = parse(tf.constant(texts, tf.string))
    pairs = zip(seconds.numpy().tolist(), missing.numpy().tolist(), strict=True)
    return [None if absent else second for second, absent in pairs]


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]


MOMENTS = {
    "1970-01-01": 0,
    "2024-02-29": utc(2024, 2, 29),
    "2000-02-29T12:00": utc(2000, 2, 29, 12),
    "1900-03-01": utc(1900, 3, 1),
    "2023-12-31 23:59:59": utc(2023, 12, 31, 23, 59, 59),
    "2023-12-31T23:59:59Z": utc(2023, 12, 31, 23, 59, 59),
    "2023-12-31T23:59:59.999Z": utc(2023, 12, 31, 23, 59, 59),
    "2024-01-01T00:30+01:00": utc(2023, 12, 31, 23, 30),
    "2024-01-01T00:30:00-0530": utc(2024, 1, 1, 6),
    "2024-01-01 00:30:00+00": utc(2024, 1, 1, 0, 30),
    "2024-01-01 00:30:00.25-09": utc(2024, 1, 1, 9, 30),
    "0001-01-01": utc(1, 1, 1),
    "9999-12-31T23:59:59": utc(9999, 12, 31, 23, 59, 59),
}
NO_MOMENTS = [
    "", " ", "now", "2024", "2024-1-1", "2024-00-10", "2024-13-01", "2024-01-32", "2024-01-00", "01/02/2024",
    "2024-01-01T", "2024-01-01T7:30", "2024-01-01T24:00", "2024-01-01T23:60", "2024-01-01T23:59:61", "2024-01-01Z",
    "2024-01-01+01:00", "2024-01-01T00:00+1", "2024-01-01T00:00:00 UTC", " 2024-01-01", "2024-01-01\n", "٢٠٢٤-01-01",
    b"\xff",
]  # fmt: skip


def test_moments() -> None:
    assert dict(zip(MOMENTS, parsed(list(MOMENTS)), strict=True)) == MOMENTS


def test_what_is_no_moment() -> None:
    assert [text for text, seconds in zip(NO_MOMENTS, parsed(NO_MOMENTS), strict=True) if seconds is not None] == []


ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
BOUNDS = datetime(2, 1, 1), datetime(9998, 12, 31)


@settings(max_examples=60)
@given(
    st.lists(st.datetimes(*BOUNDS, timezones=ZONES | st.just(UTC)), min_size=1, max_size=20),
    st.sampled_from("T "),
    st.sampled_from(["minutes", "seconds", "milliseconds"]),
    st.booleans(),
)
def test_python_agrees(moments: list[datetime], separator: str, precision: str, colon: bool) -> None:
    unit = {"second": 0, "microsecond": 0} if precision == "minutes" else {"microsecond": 0}
    expected = [int(moment.replace(**unit).timestamp()) for moment in moments]  # type: ignore[arg-type]
    texts = [moment.isoformat(separator, precision) for moment in moments]
    if not colon:
        texts = [text[:-3] + text[-2:] for text in texts]
    assert parsed(texts) == expected


@settings(max_examples=30)
@given(st.lists(st.dates(), min_size=1, max_size=50))
def test_python_agrees_on_dates(dates: list[Any]) -> None:
    assert parsed([day.isoformat() for day in dates]) == [utc(day.year, day.month, day.day) for day in dates]


def circles(values: list[Any], *parts: str, dtype: str = "string") -> np.ndarray[Any, Any]:
    import tensorflow as tf

    params = {"when": Params(parts=parts)} if parts else {"when": Params()}
    result: np.ndarray[Any, Any] = transform({"when": tf.constant(values, dtype)}, params)["when"].numpy()
    assert result.dtype == np.float32
    return result


def test_hours_run_clockwise_from_midnight() -> None:
    clock = circles(["2024-05-05T00:00", "2024-05-05T06:00", "1969-12-31T12:00", "2024-05-05T18:00"], "hour")
    np.testing.assert_allclose(clock, [[0, 1, 0], [1, 0, 0], [0, -1, 0], [-1, 0, 0]], atol=1e-6)


def test_the_week_begins_on_monday() -> None:
    week = circles(["2024-01-01", "2024-01-02", "2024-01-07T12:00"], "weekday")
    angles = 2 * math.pi * np.array([0, 1, 6.5]) / 7
    np.testing.assert_allclose(week, np.stack([np.sin(angles), np.cos(angles), 0 * angles], axis=1), atol=1e-6)


def test_the_year_closes() -> None:
    spring, autumn, next_spring = circles(["2023-03-20", "2023-09-19", "2024-03-20"], "year")[:, :2]
    np.testing.assert_allclose(next_spring, spring, atol=0.02)
    np.testing.assert_allclose(autumn, -spring, atol=0.02)


def test_parts_come_in_the_order_asked_for_then_the_flag() -> None:
    when = ["2024-01-03T06:00", "no moment"]
    assert circles(when).shape == (2, 7)
    year, hour = circles(when, "year"), circles(when, "hour")
    np.testing.assert_array_equal(circles(when, "year", "hour"), np.hstack([year[:, :2], hour]))
    np.testing.assert_array_equal(circles(when)[1], [0, 0, 0, 0, 0, 0, 1])


def test_seconds_since_1970_are_the_same_moments() -> None:
    texts = ["2024-02-29T13:14:15", "1969-07-20T20:17:40", ""]
    seconds = [utc(2024, 2, 29, 13, 14, 15), utc(1969, 7, 20, 20, 17, 40), MISSING_INT]
    np.testing.assert_array_equal(circles(seconds, dtype="int64"), circles(texts))


def test_no_rows() -> None:
    assert circles([]).shape == (0, 7)
    assert parsed([]) == []
