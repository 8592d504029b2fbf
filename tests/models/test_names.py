"""Column names: any text becomes an identifier, and no two become the same."""

from __future__ import annotations

import keyword
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.raw import safe_name

ODD = [
    "body mass (g)",
    "größe",
    "a.b",
    "2nd",
    "",
    "class",
    "None",
    "self",
    "_x",
    "__x",
    "label__",
    "label_classes",
    "a\n",
]


@pytest.mark.parametrize("name", ODD)
def test_odd_names_become_identifiers(name: str) -> None:
    assert re.fullmatch(r"c_\w*_[0-9a-f]{8}", safe_name(name), re.ASCII)


@pytest.mark.parametrize("name", ["x", "dep_delay", "X1", "input", "name", "label"])
def test_ordinary_names_stay(name: str) -> None:
    assert safe_name(name) == name


@given(st.text())
@example("class")
@example("c_x_8cdc1683")
def test_safe_names_are_arguments_and_op_names(name: str) -> None:
    safe = safe_name(name)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", safe)
    assert not keyword.iskeyword(safe)


@given(st.text(max_size=20), st.text(max_size=20))
@example("a b", "a.b")
@example("年龄", "性别")
@example("x", safe_name("x "))
@example(".", safe_name("."))
def test_different_names_stay_different(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)
