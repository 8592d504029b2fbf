"""The thread that loads and warms up."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from serving.server import aside
from serving.server.aside import leave_aside, run_aside


@pytest.fixture(autouse=True)
def not_the_first_call():
    run_aside(int)


def test_call_runs_in_a_thread_of_its_own_and_is_waited_for():
    assert run_aside(lambda: threading.current_thread().name) == "aside"


@pytest.mark.skipif(sys.platform != "linux", reason="priorities are of processes elsewhere")
def test_its_priority_is_lower():
    mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    niceness = run_aside(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert niceness == min(mine + 5, 19)


def test_error_is_the_callers():
    with pytest.raises(ZeroDivisionError):
        run_aside(lambda: 1 // 0)


def test_what_is_left_and_fails_is_logged_and_the_thread_goes_on(caplog):
    leave_aside(lambda: 1 // 0)
    assert run_aside(lambda: 7) == 7
    assert "ZeroDivisionError" in caplog.text


def test_first_call_runs_where_it_is(monkeypatch):
    monkeypatch.setattr(aside, "_calls", iter([0, 1]))
    here = threading.current_thread().name
    assert run_aside(lambda: threading.current_thread().name) == here
    assert run_aside(lambda: threading.current_thread().name) == "aside"
