"""Each check on orders with one fault, beside sound ones: what it says, and that no other table makes it speak."""

from types import SimpleNamespace

import numpy as np
import pytest

from models.discovery import discover
from models.settings import Settings
from pipeline.examples.load import Label
from pipeline.gate.checks import label
from pipeline.gate.judge import CHECKS

from .conftest import orders


def test_sound_orders_pass_beside_sound_orders_and_alone(gate, sound):
    assert gate.find(sound) == {}
    for seed in range(1, 9):
        assert gate.compare(orders(seed), sound) == {}, seed


@pytest.mark.parametrize("name", discover(CHECKS))
def test_a_check_has_a_level_and_limits(name):
    check = discover(CHECKS)[name]
    assert check.LEVEL in {"block", "warn"}
    assert issubclass(check.Limits, Settings)
    assert check.Limits().model_dump() == check.Limits.model_validate({}).model_dump()


def one(found, check):
    """The only finding of the check."""
    (finding,) = found[check]
    return finding


def test_a_number_that_is_larger_than_before(gate, sound):
    table = orders(1)
    table["price"] = table["price"] + 0.5 * table["price"].std()
    finding = one(gate.compare(table, sound), "shift")
    assert (finding.feature, finding.certain) == ("price", True)
    assert finding.message.startswith("larger than in last week with a probability of 6")


def test_a_number_in_another_unit(gate, sound):
    table = orders(1)
    table["price"] *= 1000
    found = gate.compare(table, sound)
    assert one(found, "range").feature == one(found, "shift").feature == "price"
    assert "is far outside of" in one(found, "range").message


def test_a_marker_for_missing_among_numbers(gate, sound):
    table = orders(1)
    table["price"][::100] = -999
    assert one(gate.compare(table, sound), "range").message.startswith("the value -999 is far outside of")


@pytest.mark.parametrize(("share", "is_found"), [(0.02, False), (0.06, True)])
def test_more_values_are_missing(gate, sound, share, is_found):
    table = orders(1)
    table["price"][np.random.default_rng(0).random(6000) < share] = np.nan
    found = gate.compare(table, sound)
    assert ("missing" in found) == is_found
    if is_found:
        assert one(found, "missing").feature == "price"


def test_missing_values_that_were_filled_in(gate):
    table = orders()
    table["price"][::4] = np.nan
    before = gate.measure(table)
    filled = orders(1)
    filled["price"][::4] = 0
    found = gate.compare(filled, before)
    assert one(found, "missing").message.startswith("missing in 0.0% of the rows, in 25.0% of last week")


def test_no_value_at_all(gate, sound):
    table = orders(1)
    table["price"][:] = np.nan
    assert one(gate.find(gate.measure(table)), "empty").message == "no value in any of 4,200 training rows"
    assert one(gate.compare(table, sound), "empty").feature == "price"


def test_a_constant_only_warns_if_it_never_varied(gate, sound):
    table = orders(1)
    table["items"][:] = 3
    finding = one(gate.compare(table, sound), "constant")
    assert finding.certain
    assert finding.message == "every value is '3'; last week has 19 values"
    assert not one(gate.find(gate.measure(table)), "constant").certain


def test_shops_that_were_swapped(gate, sound):
    table = orders(1)
    swap = {"Bern": "Zug", "Zug": "Bern", "Genf": "Genf"}
    table["shop"] = np.array([swap[shop] for shop in table["shop"]], object)
    finding = gate.compare(table, sound)["relations"][0]
    assert finding.feature == "shop"
    assert "items with shop=" in finding.message


def test_a_column_joined_to_the_wrong_rows(gate, sound):
    table = orders(1)
    np.random.default_rng(0).shuffle(table["items"])
    assert {finding.feature for finding in gate.compare(table, sound)["relations"]} == {"items"}


def test_a_label_that_was_flipped_in_one_shop(gate, sound):
    table = orders(1)
    table["late"] = np.where(table["shop"] == "Genf", 1 - table["late"], table["late"])
    finding = one(gate.compare(table, sound), "slices")
    assert finding.feature == "shop"
    assert finding.message.startswith("where it is 'Genf': label in ")


def test_a_label_that_is_far_more_frequent(gate, sound):
    table = orders(1)
    table["late"][np.random.default_rng(0).random(6000) < 0.4] = 1
    finding = one(gate.compare(table, sound), "label")
    assert finding.message.startswith("class '1' in ")
    assert "limit is a factor of 2.5" in finding.message


@pytest.mark.parametrize(("classes", "certain"), [(4, True), (400, False)])
def test_of_many_classes_one_may_come_and_go(classes, certain):
    names = tuple(f"item {index}" for index in range(classes))

    def facts(first):
        rows = (first, *[100] * (classes - 1))
        return SimpleNamespace(label="item", classes=names, class_rows=(rows,), rows={"train": sum(rows)})

    seen = SimpleNamespace(facts=facts(900), before=facts(100), label_kind="multiclass", named="last week")
    found = list(label.find(seen, label.Limits()))
    assert [(each.message[:14], each.certain) for each in found if "item 0" in each.message] == [
        ("class 'item 0'", certain)
    ]


def test_a_label_with_one_class_in_a_split(gate):
    table = orders()
    table["late"][4200:5400] = 0
    finding = one(gate.find(gate.measure(table)), "label")
    assert finding.message == "one class only in split eval: nothing to learn or to judge by"


def test_a_label_with_too_few_rows_of_a_class(gate):
    table = orders()
    table["late"][4200:5400] = 0
    table["late"][4200:4203] = 1
    assert one(gate.find(gate.measure(table)), "label").message == (
        "rows of class '1' 3 in split eval, expected at least 5"
    )


def test_a_split_without_labels(gate):
    table = orders()
    table["late"] = table["late"].astype(float)
    table["late"][5400:] = np.nan
    assert one(gate.find(gate.measure(table)), "label").message == "no label in any of 600 rows of split test"


def test_rows_that_are_there_twice(gate, sound):
    table = {name: np.concatenate([values, values[:60]]) for name, values in orders(1).items()}
    finding = one(gate.compare(table, sound), "duplicates")
    assert finding.message == "60 of 6,060 rows (0.99%) equal another one; 0.00% in last week, limit is 0.10% more"
    assert not one(gate.find(gate.measure(table)), "duplicates").certain


def test_evaluated_rows_among_the_training_rows(gate, sound):
    found = gate.compare(orders(1), sound, overlapping=90)
    assert one(found, "overlap").message == (
        "90 of 1,800 rows outside of the training split (5.00%) equal a training row, limit is 1.00%"
    )


def test_too_few_rows(gate, sound):
    assert one(gate.compare(orders(1, 2000), sound), "rows").message == (
        "2,000 rows are 33% of the 6,000 of last week, limit is 50%"
    )
    assert one(gate.find(gate.measure(orders(1, 60))), "rows").message == "42 training rows, expected at least 50"


def test_a_week_without_rows(gate, sound):
    table = orders(1)
    days = table["ordered"].astype("datetime64[D]") if table["ordered"].dtype != object else None
    days = np.array([np.datetime64(text[:10]) for text in table["ordered"]]) if days is None else days
    kept = (days < np.datetime64("2024-03-10")) | (days >= np.datetime64("2024-03-17"))
    table = {name: values[kept] for name, values in table.items()}
    finding = one(gate.compare(table, sound), "gaps")
    assert finding.feature == "ordered"
    assert finding.message.startswith("no row from 2024-03-09 23:")
    assert not one(gate.find(gate.measure(table)), "gaps").certain


def test_a_clock_that_is_wrong(gate):
    def with_hours(seed):
        table = orders(seed)
        hours = np.array([int(text[11:13]) for text in table["ordered"]])
        return table | {"items": hours}

    before = gate.measure(with_hours(0))
    table = with_hours(1)
    shifted = [np.datetime64(text[:16]) + np.timedelta64(6, "h") for text in table["ordered"]]
    table["ordered"] = np.array([f"{moment}:00Z" for moment in shifted], object)
    found = gate.compare(table, before)
    assert {finding.feature for finding in found["relations"]} & {"ordered", "items"}


@pytest.mark.parametrize(("noise", "is_found"), [(0.02, True), (0.2, False)])
def test_a_feature_that_tells_the_label(gate, noise, is_found):
    table = orders()
    random = np.random.default_rng(0)
    told = np.where(random.random(6000) < noise, 1 - table["late"], table["late"])
    table["paid"] = told * 10.0 + random.random(6000)
    found = gate.find(gate.measure(table))
    assert ("leakage" in found) == is_found
    if is_found:
        finding = one(found, "leakage")
        assert finding.feature == "paid"
        assert finding.message.startswith("tells the label by itself: AUC 0.9")


def test_a_category_that_tells_the_class_of_several(gate):
    table = orders()
    table["late"] = np.array(["low", "mid", "high"], object)[np.digitize(table["price"], [10, 40])]
    table["band"] = np.array([{"low": "a", "mid": "b", "high": "c"}[each] for each in table["late"]], object)
    del table["price"]
    facts = gate.measure(table, label=Label(column="late", kind="multiclass"))
    finding = one(gate.find(facts, label_kind="multiclass"), "leakage")
    assert (finding.feature, finding.message) == (
        "band",
        "tells the label by itself: 100% of its information, limit is 80%",
    )


def test_a_number_of_the_row_that_tells_the_label(gate):
    table = orders()
    order = np.argsort(-table["late"], kind="stable")
    table["number"] = np.empty(6000, int)
    table["number"][order] = np.arange(6000)
    random = np.random.default_rng(0).random(6000) < 0.5
    table["number"][random] = np.random.default_rng(1).permutation(table["number"][random])
    finding = one(gate.find(gate.measure(table)), "leakage")
    assert finding.feature == "number"
    assert finding.message.startswith("a name of rows that tells the label: AUC 0.7")


def test_a_feature_that_tells_the_split(gate):
    table = orders()
    table["items"] = np.where(np.arange(6000) < 4200, 1, 2)
    facts = gate.measure(table)
    assert one(gate.find(facts, split_by="hash"), "leakage").certain
    # what rises with the time does so by design
    assert not one(gate.find(facts), "leakage").certain


def test_a_time_after_the_one_that_splits(gate):
    table = orders()
    later = [np.datetime64(text[:16]) + np.timedelta64(2, "D") for text in table["ordered"]]
    table["delivered"] = np.array([f"{moment}:00Z" for moment in later], object)
    finding = one(gate.find(gate.measure(table)), "leakage")
    assert (finding.feature, finding.certain) == ("delivered", False)
    assert finding.message == "later than ordered in 100.0% of the rows: is it known when the model is asked?"


def test_categories_that_no_training_row_has(gate):
    table = orders()
    table["shop"][4200:4600] = "Chur"
    assert one(gate.find(gate.measure(table)), "unseen").message == (
        "33.3% of the values of split eval are in no training row, limit is 10.0%"
    )
    names = orders()
    names["shop"] = np.array([f"order {index}" for index in range(6000)], object)
    assert "unseen" not in gate.find(gate.measure(names))


def test_a_numeric_label_is_measured_by_tenths(gate):
    table = orders()
    table["late"] = table["price"] * 2 + np.random.default_rng(0).normal(0, 20, 6000)
    table["told"] = table["late"] + 0.001
    facts = gate.measure(table, label=Label(column="late", kind="regression"))
    assert len(facts.classes) == 10
    finding = one(gate.find(facts, label_kind="regression"), "leakage")
    assert finding.feature == "told"
