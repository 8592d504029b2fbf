"""Purchases: a history looks only back, and the problem runs on a small table of the same columns."""

import csv
import random
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).parents[2]
QUERY = (ROOT / "problems" / "purchases.sql").read_text("utf-8")
HEADER = ("Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country")


def line(invoice, product, units, moment, customer):
    return (invoice, product, "", units, moment, 2.0, customer, "France")


LINES = [
    line("1", "10002", 1, "12/1/2010 8:00", 7),
    # entered a minute later, and twice
    line("1", "10001", 1, "12/1/2010 8:01", 7),
    line("1", "10001", 5, "12/1/2010 8:01", 7),
    line("1", "POST", 1, "12/1/2010 8:00", 7),
    line("2", "10009", 1, "12/2/2010 9:00", 8),
    line("3", "10003", 1, "12/5/2010 8:00", 7),
    line("3", "10001", 1, "12/5/2010 8:00", 7),
    line("C4", "10003", -1, "12/6/2010 8:00", 7),
    line("5", "10004", 1, "12/6/2010 9:00", 7),
    line("6", "10005", 1, "12/6/2010 9:00", None),
]


def ask(lines):
    """The query's rows over `lines`, by moment and product."""
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE data (Invoice VARCHAR, StockCode VARCHAR, Description VARCHAR, Quantity BIGINT, "
        'InvoiceDate VARCHAR, Price DOUBLE, "Customer ID" BIGINT, Country VARCHAR)'
    )
    connection.executemany("INSERT INTO data VALUES (?, ?, ?, ?, ?, ?, ?, ?)", lines)
    return connection.sql(f"SELECT * FROM ({QUERY}) ORDER BY invoice_date, customer, stock_code").fetchall()


def test_a_row_has_what_its_customer_bought_on_earlier_invoices():
    third, fifth = datetime(2010, 12, 5, 8), datetime(2010, 12, 6, 9)
    assert ask(LINES) == [
        (7, third, "France", 4, ["10001", "10002"], "10001"),
        (7, third, "France", 4, ["10001", "10002"], "10003"),
        (7, fifth, "France", 1, ["10001", "10002", "10001", "10003"], "10004"),
    ]


def shop(invoices):
    """A shop whose customers take what they had before, or one of a few that go together."""
    random.seed(1)
    moment, had, table = datetime(2010, 1, 4, 9), {}, []
    for invoice in range(1000, 1000 + invoices):
        moment += timedelta(minutes=random.randint(5, 90))
        customer = random.randrange(13000, 13060)
        mine = had.setdefault(customer, random.sample(range(10000, 10150), 4))
        taken = {*random.sample(mine, 2), 10000 + customer % 30 * 5 + random.randrange(5)}
        when = moment.strftime("%m/%d/%Y %H:%M")
        table += [line(str(invoice), f"{product}A", 1, when, customer) for product in sorted(taken)]
    return table


def test_what_comes_later_changes_nothing():
    table = shop(200)
    moments = [datetime.strptime(each[4], "%m/%d/%Y %H:%M") for each in table]
    until = moments[len(moments) // 2]
    earlier = [each for each, moment in zip(table, moments, strict=True) if moment <= until]
    assert [row for row in ask(table) if row[1] <= until] == ask(earlier)


def test_an_invoice_counts_with_ten_products_and_its_customer_with_a_hundred():
    long = [line("1", str(20000 + index), 1, "12/1/2010 8:00", 7) for index in range(120)]
    rows = ask([*long, *(line("2", str(30000 + index), 1, "12/2/2010 8:00", 7) for index in range(12))])
    assert len(rows) == 10
    assert {len(row[4]) for row in rows} == {100}
    assert rows[0][4][-1] == "20119"


def test_yaml_of_the_page_is_a_problem(page_problem):
    assert page_problem("purchases").target.repeats == ("history",)


@pytest.mark.slow
def test_the_problem_runs_and_answers_on_a_small_table_of_the_same_columns(tmp_path, run_problem):
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / "online_retail.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *shop(1500)])
    changes = {
        "batch_size: 1024, epochs: 2": "batch_size: 64, epochs: 6",
        "kind: retrieval,": "kind: retrieval, k: 20,",
    }
    result = run_problem("purchases", changes)
    # 20 of 150 by chance are 0.13
    assert result["metrics"][0]["values"]["recall_at_k"] > 0.5
    assert len(result["asked"]["answers"][0]["items"]) == 20
