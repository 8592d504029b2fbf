"""Moments: ISO 8601 text (or seconds since 1970) as points on the circles of day, week and year."""

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field, StrictBool

from models.encoded import Encoded
from models.features import Feature
from models.features.numeric import Params as NumberParams
from models.features.numeric import quantile_grid, scale
from models.raw import A_MOMENT, Takes, is_missing

if TYPE_CHECKING:
    from collections.abc import Collection

    import tensorflow as tf
    from keras import KerasTensor

    from models.raw import RawType

Part = Literal["hour", "weekday", "year"]
DAY_S = 86_400
PERIOD_S: dict[Part, float] = {"hour": DAY_S, "weekday": 7 * DAY_S, "year": 365.2425 * DAY_S}
MONDAY_S = 4 * DAY_S
"""1970-01-05 was a Monday."""
DATE = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
TIME = r"([01]\d|2[0-3]):[0-5]\d(:([0-5]\d|60)(\.\d+)?)?"
ZONE = r"[+-]\d{2}(:?\d{2})?"
ISO_8601 = f"{DATE}([T ]{TIME}(Z|{ZONE})?)?"
_PLACES = ((0, 4), (5, 2), (8, 2), (11, 2), (14, 2), (17, 2), (19, 2), (21, 3))
"""Start and length, in `YYYY-MM-DDThh:mm+hhmm0ss`, of year, month, day, hour, minute, the zone's two, and seconds."""


class Params(Feature):
    """A date or a time; without a zone it is read as UTC.

    Attributes:
        parts: the circles: `hour` (of the day), `weekday` (Monday first), `year` (season).
        age: whether the moment's place in time enters too: years since 1970, standardized, held within those of the
            training split.
    """

    kind: Literal["datetime"] = "datetime"
    parts: tuple[Part, ...] = Field(default=("hour", "weekday", "year"), min_length=1)
    age: StrictBool = False


def takes(params: Params) -> Takes:
    """Text or whole numbers."""
    return A_MOMENT


def beyond_edge(params: Params, raw_types: "Collection[RawType]") -> str:
    """The reading of text, and the numbers of 64 bits that hold a second."""
    return "StaticRegexFullMatch" if "bytes" in raw_types else "FloorMod"


def transform(columns: "dict[str, tf.Tensor]", params: "dict[str, Params]") -> "dict[str, tf.Tensor]":
    """Return `[batch, 2 * parts + 1] float32`: sine and cosine of each part (0 if missing), then the missing flag.

    With `age`, the years come first (the mean if missing): `[batch, 2 * parts + 2]`.
    """
    import tensorflow as tf

    moments = {name: read(columns[name]) for name in params}
    outputs = {name: _circles(*moment, params[name].parts) for name, moment in moments.items()}
    aged = [name for name, each in params.items() if each.age]
    if aged:
        years = tf.stack([_years(*moments[name]) for name in aged])
        grid = quantile_grid(tf.transpose(years), "datetime")
        ages = scale(years, grid, [NumberParams(clip=(0, 1))] * len(aged))
        outputs |= {name: tf.concat([age[:, :1], outputs[name]], 1) for name, age in zip(aged, ages, strict=True)}
    return outputs


def read(column: "tf.Tensor") -> "tuple[tf.Tensor, tf.Tensor]":
    """Return `[batch] int64` seconds since 1970 UTC, 0 if missing, and the `[batch] bool` mask of missing ones."""
    import tensorflow as tf

    seconds, missing = (column, is_missing(column)) if column.dtype != tf.string else parse(column)
    return tf.where(missing, tf.zeros_like(seconds), seconds), missing


def _years(seconds: "tf.Tensor", missing: "tf.Tensor") -> "tf.Tensor":
    import tensorflow as tf

    years = tf.cast(tf.cast(seconds, tf.float64) / PERIOD_S["year"], tf.float32)
    return tf.where(missing, float("nan"), years)


def _circles(seconds: "tf.Tensor", missing: "tf.Tensor", parts: tuple[Part, ...]) -> "tf.Tensor":
    import tensorflow as tf

    since = tf.cast(seconds, tf.float64) - MONDAY_S
    present = tf.where(missing, 0.0, 1.0)
    periods = tf.constant([PERIOD_S[part] for part in parts], tf.float64)
    turns = tf.cast(tf.math.floormod(since[:, tf.newaxis], periods) * (2 * math.pi / periods), tf.float32)
    circles = tf.reshape(tf.stack([tf.sin(turns), tf.cos(turns)], axis=2), [-1, 2 * len(parts)])
    return tf.concat([circles * present[:, tf.newaxis], 1.0 - present[:, tf.newaxis]], axis=1)


def parse(text: "tf.Tensor") -> "tuple[tf.Tensor, tf.Tensor]":
    """Return `[batch] int64` seconds since 1970 UTC and the `[batch] bool` mask of texts that are no moment.

    A day beyond the end of its month counts on into the next month.
    """
    import tensorflow as tf

    valid = tf.strings.regex_full_match(text, ISO_8601)
    moment = tf.where(valid, text, "1970-01-01")
    clock = tf.where(tf.strings.length(moment) >= 16, moment, tf.strings.substr(moment, 0, 10) + "T00:00")
    zoned = tf.strings.regex_full_match(moment, f".*:.*{ZONE}")
    zone = tf.strings.regex_replace(tf.where(zoned, moment, "+00"), r"^.*([+-]\d{2}):?(\d{2})?$", r"\1\2") + "00"
    second = tf.strings.regex_replace(clock, r"^.{16}:(\d{2}).*$|^.*$", r"0\1")
    # all numbers at fixed places of one text, so that they are cut out and read at once
    whole = tf.strings.join([tf.strings.substr(clock, 0, 16), tf.strings.substr(zone, 0, 5), second])
    starts, lengths = zip(*_PLACES, strict=True)
    digits = tf.strings.to_number(tf.strings.substr(whole[:, tf.newaxis], starts, lengths), tf.int64)
    year, month, day, hours, minutes, zone_hours, zone_minutes, seconds = tf.unstack(digits, len(_PLACES), axis=1)
    sign = tf.where(tf.strings.substr(zone, 0, 1) == "-", tf.constant(-1, tf.int64), tf.constant(1, tf.int64))
    offset = sign * (zone_hours * 3600 + zone_minutes * 60)
    return _days(year, month, day) * DAY_S + hours * 3600 + minutes * 60 + seconds - offset, tf.logical_not(valid)


def _days(year: "tf.Tensor", month: "tf.Tensor", day: "tf.Tensor") -> "tf.Tensor":
    """Return days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil)."""
    import tensorflow as tf

    year = year - tf.cast(month <= 2, tf.int64)
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * tf.math.floormod(month + 9, 12) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


def encode(column: "KerasTensor", params: Params, name: str, vocabulary_size: int) -> Encoded:
    """Return the column as it is."""
    return Encoded(column)
