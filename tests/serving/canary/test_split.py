"""Who is sent to which side."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serving.canary.split import choose_label, is_chosen, to_key


@given(st.binary(), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_the_smaller_one(key, one, other):
    assert is_chosen("a", key, max(one, other)) >= is_chosen("a", key, min(one, other))
    assert not is_chosen("a", key, 0)
    assert is_chosen("a", key, 1)


def test_the_share_is_the_share_and_each_roll_out_chooses_others():
    keys = [str(number).encode() for number in range(20_000)]
    first, second = ({key for key in keys if is_chosen(salt, key, 0.05)} for salt in ("42-a", "43-b"))
    # 1,000 expected, 31 the standard deviation
    assert 880 < len(first) < 1120
    assert len(first & second) < 100


def test_a_key_is_the_same_in_json_and_in_a_tensor():
    assert to_key(7) == to_key(7.0) == to_key("7") == to_key(b"7") == b"7"
    assert to_key(7.5) == b"7.5"
    assert to_key("größe") == "größe".encode()
    assert to_key(float("nan")) == b"nan"


def test_callers_choose_as_the_server_does():
    labels = [choose_label("42-a", key, 0.3) for key in range(1000)]
    assert labels == ["canary" if is_chosen("42-a", str(key).encode(), 0.3) else "stable" for key in range(1000)]
    assert 230 < labels.count("canary") < 370
