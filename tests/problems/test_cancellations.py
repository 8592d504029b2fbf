"""Cancelled invoice lines: history looks only back, and the problem runs on a small table of the same columns."""

import csv
import math
import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEADER = ("Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country")
LINES = [
    ("1", "A", "", 6, "12/1/2010 8:00", 2.0, 7.0, "France"),
    ("1", "B", "", 4, "12/1/2010 8:00", 1.0, 7.0, "France"),
    ("2", "A", "", 3, "12/1/2010 8:10", 4.0, None, "France"),
    ("C3", "A", "", -6, "12/1/2010 8:30", 2.0, 7.0, "France"),
    ("C3", "B", "", -1, "12/1/2010 8:30", 1.0, 7.0, "France"),
    ("4", "A", "", 6, "12/2/2010 9:00", 2.0, 7.0, "France"),
    ("5", "A", "", 2, "12/2/2010 9:00", 2.0, None, "France"),
]


@pytest.fixture
def ask(query_lines):
    """The query's rows over lines, by moment, price and units."""
    return lambda lines: query_lines("cancellations", lines, "invoice_date, units DESC, price")


def test_a_line_has_the_history_of_what_came_before_its_invoice(ask):
    bought, _, unknown, returned, _, again, last = ask(LINES)
    assert bought["cancelled"] == 0
    assert [bought[name] for name in ("customer_lines", "product_lines", "bought_before", "units_kept")] == [0] * 4
    assert bought["shop_cancelled"] is bought["customer_minutes"] is bought["units_to_usual"] is None
    assert (unknown["customer_known"], unknown["product_lines"], unknown["price_to_usual"]) == (0, 1, 2.0)
    assert (unknown["customer_lines"], unknown["customer_minutes"], unknown["bought_before"]) == (0, None, 0)
    expected = {
        "cancelled": 1,
        "units": 6,
        "amount": 12,
        "shop_cancelled": 0.0,
        "shop_minutes": None,
        "customer_known": 1,
        "customer_lines": 2,
        "customer_units": 10,
        "customer_minutes": 30,
        "customer_cancelled": 0.0,
        "customer_cancelled_minutes": None,
        "product_lines": 2,
        "product_units": 9,
        "product_days": 0,
        "product_cancelled": 0.0,
        "product_cancelled_lately": 0.0,
        "units_to_usual": pytest.approx(math.log(6) - (math.log(6) + math.log(3)) / 2, abs=1e-5),
        "units_share": 0.5,
        "price_to_usual": pytest.approx(2 / 3),
        "bought_before": 1,
        "bought_minutes": 30,
        "units_kept": 6,
        "units_most": 6,
        "same_units_kept": 1,
        "units_to_last": 1.0,
        "price_to_last": 1.0,
    }
    assert {name: returned[name] for name in expected} == expected
    expected = {
        "shop_cancelled": None,
        "shop_minutes": 1470,
        "customer_lines": 4,
        "customer_units": 17,
        "customer_cancelled": 0.5,
        "customer_cancelled_minutes": 1470,
        "product_days": 1,
        "product_cancelled": pytest.approx(1 / 3),
        "bought_before": 2,
        "units_kept": 0,
        "same_units_kept": 0,
        "units_to_last": 1.0,
    }
    assert {name: again[name] for name in expected} == expected
    assert (last["customer_lines"], last["product_lines"]) == (0, 3)


def shop(lines: int) -> list[tuple[object, ...]]:
    """A shop that takes back what a customer has bought, at random times, and now and then what he has not."""
    random.seed(1)
    moment, table = datetime(2010, 1, 4, 9), []
    bought: dict[float | None, list[tuple[str, int]]] = {}
    while len(table) < lines:
        moment += timedelta(hours=random.randint(0, 1))
        customer = random.choice([None, *(13000.0 + index for index in range(60))])
        owned = bought.setdefault(customer, [])
        returned = random.random() < (0.15 if owned else 0.05)
        chosen = [(f"P{random.randint(0, 39):03d}", random.choice([1, 6, 12])) for _ in range(2)]
        if returned and owned and random.random() < 0.6:
            chosen = [owned.pop()]
        elif not returned:
            owned += chosen
        number, when = f"{'C' * returned}{1000 + len(table)}", moment.strftime("%m/%d/%Y %H:%M")
        for product, units in chosen:
            price, signed = round(int(product[1:]) / 10 + random.random(), 2), -units if returned else units
            table.append((number, product, "", signed, when, price, customer, "United Kingdom"))
    return table


def test_what_comes_later_changes_nothing_nor_does_the_own_invoice(ask):
    table = shop(300)
    whole = ask(table)
    moments = [datetime.strptime(str(line[4]), "%m/%d/%Y %H:%M") for line in table]
    until = moments[199]
    assert [row for row in whole if row["invoice_date"] <= until] == ask(
        [line for line, moment in zip(table, moments, strict=True) if moment <= until]
    )
    # its last invoice the other way round: only the label is another one
    turned = [
        (line[0], line[1], line[2], -int(str(line[3])), *line[4:]) if moment == moments[-1] else line
        for line, moment in zip(table, moments, strict=True)
    ]
    turned = [
        ("C1", *line[1:]) if moment == moments[-1] else line for line, moment in zip(turned, moments, strict=True)
    ]
    for before, after in zip(whole, ask(turned), strict=True):
        assert {**before, "cancelled": 0} == {**after, "cancelled": 0}


def test_yaml_of_the_page_is_a_problem(page_problem):
    assert page_problem("cancellations").evaluation.costs.false_negative == 10


@pytest.mark.slow
def test_the_problem_runs_and_answers_on_a_small_table_of_the_same_columns(tmp_path, run_problem):
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / "online_retail.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *shop(6000)])
    # so few rows that a network learns little of them
    result = run_problem("cancellations", {"min: 0.4,": "min: 0.02,", "max: 0.01}": "max: 0.2}"})
    assert result["metrics"][0]["values"]["recall_at_precision_90"] <= 1
