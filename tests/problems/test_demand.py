"""Demand: what describes the past ends with the origin, and the problem runs on a small table of the same columns."""

import csv
import random
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipeline.problem import load_problem

ROOT = Path(__file__).parents[2]
HEADER = ("Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country")
ORIGIN = date(2011, 10, 13)


def sale(product: str, day: date, units: int, price: float = 1.0, invoice: str = "1") -> tuple[object, ...]:
    return invoice, product, "", units, day.strftime("%m/%d/%Y 9:00"), price, None, "France"


@pytest.fixture
def ask(query_lines):
    """The query's rows over lines, by product, origin and day."""
    return lambda lines: query_lines("demand", lines, "product, origin, day")


def test_the_past_of_a_row_by_hand(ask):
    lines = [
        sale("10001", ORIGIN, 7),
        sale("10001", ORIGIN, 7),  # twice in the file
        sale("10001", ORIGIN, 3, invoice="2"),
        sale("10001", ORIGIN, -10, invoice="C3"),
        sale("10001", ORIGIN, 50, price=0.0, invoice="4"),
        sale("POST", ORIGIN, 1),
        sale("10001", ORIGIN - timedelta(27), 28),
        sale("10001", ORIGIN - timedelta(7), 4),
        sale("10001", ORIGIN + timedelta(2), 5),
    ]
    rows = [row for row in ask(lines) if row["origin"] == ORIGIN]
    assert {row["product"] for row in rows} == {"10001"}
    assert [row["days_ahead"] for row in rows] == list(range(1, 29))
    assert [row["units"] for row in rows] == [0, 5, *[0] * 26]
    first, seventh = rows[0], rows[6]
    assert (first["day"], first["weekday"]) == (ORIGIN + timedelta(1), "Friday")
    past = [0] * 56
    past[-28], past[-8], past[-1] = 28, 4, 10
    assert first["last_56"] == past
    assert (first["mean_7"], first["mean_28"]) == (10 / 7, 42 / 28)
    assert first["mean_91"] == pytest.approx(42 / 91)
    # Fridays: 6, 13, 20, 27, ... days before the origin
    assert (first["weekday_mean"], first["four_weeks_before"]) == (28 / 8, 28)
    # Thursdays: the origin itself and seven days before it, of eight
    assert (seventh["weekday_mean"], seventh["four_weeks_before"]) == ((10 + 4) / 8, 0)


def shop(products: int, day: date = date(2009, 12, 1), last: date = date(2011, 12, 9)) -> list[tuple[object, ...]]:
    """Units by product and day, more on Thursdays, none on Saturdays."""
    random.seed(1)
    lines = []
    while day <= last:
        for index in range(products):
            units = random.randint(0, 3 * (index + 1)) * (2 if day.weekday() == 3 else 1)
            if day.weekday() != 5 and units:
                lines.append(sale(str(20_000 + index), day, units, invoice=str(len(lines))))
        day += timedelta(1)
    return lines


def test_what_comes_later_changes_the_label_alone(ask):
    lines = shop(3, date(2011, 6, 1))
    until = [line for line in lines if line[4] <= "10/13/2011 9:00"]
    whole, cut = ([{**row, "units": None} for row in ask(found) if row["origin"] == ORIGIN] for found in (lines, until))
    assert whole == cut
    assert len(whole) == 3 * 28


def test_no_day_is_asked_about_in_two_splits(ask):
    split = load_problem(ROOT / "problems" / "demand.yaml").problem.split
    starts = [date.fromisoformat(str(cut)[:10]) for cut in (split.eval, split.test)]
    parts: list[set[date]] = [set(), set(), set()]
    for row in ask(shop(8)):
        parts[sum(row["origin"] >= start for start in starts)].add(row["day"])
    assert all(parts)
    assert max(parts[0]) <= starts[0] < min(parts[1])
    assert max(parts[1]) <= starts[1] < min(parts[2])


def test_yaml_of_the_page_is_a_problem(page_problem):
    assert page_problem("demand").target.calibration == "conformal"


@pytest.mark.slow
def test_the_problem_runs_and_answers_on_a_small_table_of_the_same_columns(tmp_path, run_problem):
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / "online_retail.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *shop(20)])
    result = run_problem("demand", {"coverage: {min: 0.85, max: 0.95}": "coverage: {min: 0.5}"})
    assert result["rows"]["test"] == 20 * 5 * 28
