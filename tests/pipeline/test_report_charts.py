"""Drawings and axes by their values, and numbers as words."""

from xml.etree import ElementTree

import pytest

from pipeline.report import charts
from pipeline.report.axes import log_ticks, number_axis, share_axis, ticks
from pipeline.report.words import (
    NumberScale,
    TimeScale,
    count,
    decimal,
    number_scale,
    percent,
    plural,
    shorten,
    time_scale,
    trim,
)

JANUARY = 1_356_998_400.0
"""2013-01-01."""
DAY_S = 86_400


def test_a_histogram_without_tails_fills_the_width():
    drawn = charts.histogram([[0, 1, 3, 0]], ["s0"], 1.0, "title")
    assert 'd="M0 200V150H500V50H1000V200"' in drawn


def test_tails_stand_apart():
    drawn = charts.histogram([[5, 5, 0]], ["s0"], 0.5, "title")
    assert f'd="M{charts.TAIL + charts.GAP} 200V0H1000V200M0 200V0H{charts.TAIL}V200"' in drawn


def test_dots_are_lines_without_length_that_say_what_they_are():
    drawn = charts.dots([charts.Dot(0.25, 1.0, "<a>"), charts.Dot(1.0, 0.0, "b")], "s0")
    assert drawn == (
        '<g class="dots s0"><path d="M250 0h0"><title>&lt;a&gt;</title></path>'
        '<path d="M1000 200h0"><title>b</title></path></g>'
    )


def test_stairs_stay_level_until_the_next_point():
    assert 'd="M0 100H500V50H1000"' in charts.stairs([(0.0, 0.5), (0.5, 0.75)], "s1")


def test_a_logarithmic_axis_has_ticks_at_powers_of_ten():
    assert [(round(tick.place, 3), tick.text) for tick in log_ticks(1e-4, 1.0)] == [
        (0.0, "0.0001"),
        (0.25, "0.001"),
        (0.5, "0.01"),
        (0.75, "0.1"),
        (1.0, "1"),
    ]
    assert [tick.text for tick in log_ticks(0.003, 0.03)] == ["0.005", "0.01", "0.02"]


def test_an_axis_ends_at_a_tick_that_a_value_is_at():
    assert number_axis(0.3, 0.5, NumberScale(1, whole=False))[:2] == pytest.approx((0.3, 0.5))


def test_the_first_series_is_filled_and_others_are_lines():
    drawn = ElementTree.fromstring(charts.histogram([[0, 1, 0], [0, 2, 0], [0, 0, 0]], ["s0", "s1", "sp"], 1.0, "a"))
    assert [path.get("class") for path in drawn] == ["fill s0", "line s1"]


def test_a_title_is_escaped():
    drawn = ElementTree.fromstring(charts.svg("", '"><script>'))
    assert drawn.get("aria-label") == '"><script>'


def test_a_line_is_interrupted_where_there_is_no_value():
    assert 'd="M0 200L250 100M1000 0"' in charts.line([(0, 0), (0.25, 0.5), (0.5, None), (1, 1)], "s0")


def test_columns_are_stacked():
    drawn = charts.columns([(0, 0.5), (0.5, 1)], [(1, 1), (0, 4)], ["s0", "s1"])
    assert 'class="solid s0" d="M0 200V150H500V200Z"' in drawn
    assert 'd="M0 150V100H500V150ZM500 200V0H1000V200Z"' in drawn


def test_nothing_is_drawn_of_nothing():
    assert charts.shares([0, 0]) == [0, 0]
    assert "NaN" not in charts.sparkline([0, 0], "s0")
    assert 'd=""' in charts.sparkline([], "s0")


def test_axes_end_at_nice_numbers():
    top, up = share_axis(0.34)
    assert (top, [tick.text for tick in up]) == (0.4, ["0\u202f%", "20\u202f%", "40\u202f%"])
    assert share_axis(1.0)[0] == 1
    bottom, top, up = number_axis(997, 1004, NumberScale(0, True))
    assert (bottom, top) == (995, 1005)
    assert [tick.text for tick in up] == ["995.0", "997.5", "1000.0", "1002.5", "1005.0"]


def test_ticks_of_numbers_and_their_places():
    found = ticks(-12.5, 203, 7, NumberScale(1, True))
    assert [tick.text for tick in found] == ["0", "50", "100", "150", "200"]
    assert found[0].place == pytest.approx(12.5 / 215.5)
    assert [tick.text for tick in ticks(0, 1, 5, NumberScale(4, False))] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert [tick.text for tick in ticks(5, 5, 5, NumberScale(0, True))] == ["5"]


def test_ticks_of_times_follow_the_calendar():
    year = ticks(JANUARY, JANUARY + 365 * DAY_S, 7, TimeScale(has_clock=False))
    assert [tick.text for tick in year] == [
        "Jan 2013",
        "Mar 2013",
        "May 2013",
        "Jul 2013",
        "Sep 2013",
        "Nov 2013",
        "Jan 2014",
    ]
    assert year[1].place == pytest.approx(59 / 365)
    assert [tick.text for tick in ticks(JANUARY, JANUARY + DAY_S, 5, TimeScale(has_clock=True))][:2] == [
        "00:00",
        "06:00",
    ]
    assert ticks(JANUARY, JANUARY + 3 * DAY_S, 5, TimeScale(has_clock=True))[0].text == "01 Jan"
    assert len(ticks(-1e12, 2.5e11, 7, TimeScale(has_clock=False))) <= 8


def test_numbers_in_words():
    assert [decimal(value, 1) for value in (-0.04, -1.25, 2013, 12345.67, None)] == [
        "0.0",
        "−1.2",
        "2013.0",
        "12,345.7",
        "–",
    ]
    assert [count(value) for value in (2013, None)] == ["2,013", "–"]
    shown = [percent(value) for value in (0, 1, 0.00001, 0.99999, 0.1234, None)]
    assert shown == [f"{text}\u202f%" for text in ("0", "100", "<0.1", ">99.9", "12.3")] + ["–"]
    assert [trim(text) for text in ("100", "1.50", "2.0\u202f%", "–", "2013-01-01 10:00")] == [
        "100",
        "1.5",
        "2\u202f%",
        "–",
        "2013-01-01 10:00",
    ]
    assert (plural(1, "row"), plural(2000, "row")) == ("1 row", "2,000 rows")
    assert (shorten("abc", 3), shorten("abcd", 3)) == ("abc", "ab…")


def test_a_scale_has_three_digits_of_the_spread():
    assert number_scale([0, 100], 42.7, whole=True) == NumberScale(1, True)
    assert number_scale([0, 0.2], 0.03, whole=False).mean(0.01234) == "0.0123"
    assert number_scale([3e12], 1e11, whole=False).value(-3e12) == "−3e+12"
    assert number_scale([5], None, whole=True).value(5) == "5"


def test_times_are_written_as_dates_and_their_spread_as_a_length():
    assert time_scale([JANUARY, None]).value(JANUARY) == "2013-01-01"
    assert time_scale([JANUARY + 60]).value(JANUARY) == "2013-01-01 00:00"
    assert time_scale([]).spread(36 * 3600) == "1.5\u202fdays"
    assert time_scale([]).value(1e15) == "1e+15\u202fs"
