"""Ctrl-C and SIGTERM, in processes of their own."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

SCRIPT = """
import hashlib, sys, time
from pipeline import signals
signals.GRACE_S = {grace_s}

def abandon(number):
    print("abandoned", number, flush=True)

with signals.catch_signals(abandon) as caught:
    try:
        {work}
    except BaseException as error:
        print(type(error).__name__, caught.number, flush=True)
        {after}
        sys.exit(7)
"""
SLEEP = "time.sleep(60)"
IN_PYTHON = f"print('ready', flush=True); {SLEEP}"
IN_C = "print('ready', flush=True); hashlib.pbkdf2_hmac('sha256', b'x', b'x', 10**9)"
"""Leaves other threads alone, and does not come back for minutes."""


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """`start(work)`: the script, once it is at work."""
    with ExitStack() as stack:

        def run(work: str, after: str = "pass", grace_s: float = 30) -> "subprocess.Popen[str]":
            code = SCRIPT.format(work=work, after=after, grace_s=grace_s)
            command = [sys.executable, "-c", code]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            return process

        yield run


def end(process: "subprocess.Popen[str]") -> tuple[str, int]:
    out, _ = process.communicate(timeout=30)
    return out, process.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_python(start, number):
    process = start(IN_PYTHON)
    process.send_signal(number)
    assert end(process) == (f"Canceled {number}\n", 7)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_inside_c_ends_all_the_same(start, number):
    process = start(IN_C, grace_s=0.2)
    time.sleep(0.3)  # it has said so just before
    process.send_signal(number)
    assert end(process) == (f"abandoned {number}\n", 128 + number)


def test_a_process_that_takes_too_long_to_clean_up_ends(start):
    process = start(IN_PYTHON, after=SLEEP, grace_s=0.2)
    process.send_signal(signal.SIGTERM)
    assert end(process) == ("Canceled 15\nabandoned 15\n", 143)


def test_one_that_has_settled_everything_is_ended_without_more(start):
    process = start(IN_PYTHON, after=f"caught.settled = True; {SLEEP}", grace_s=0.2)
    process.send_signal(signal.SIGTERM)
    assert end(process) == ("Canceled 15\n", 143)


def test_the_second_signal_ends_it_at_once(start):
    process = start(IN_PYTHON, after=SLEEP)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "Canceled 2\n"
    process.send_signal(signal.SIGINT)
    assert end(process) == ("", 130)


def test_a_library_that_swallows_the_signal_hides_it_not(start):
    wrapped = "\n        ".join(
        ["try:", f"    {IN_PYTHON}", "except KeyboardInterrupt:", "    raise ValueError('interrupted') from None"]
    )
    process = start(wrapped)
    process.send_signal(signal.SIGTERM)
    assert end(process) == ("ValueError 15\n", 7)


def test_afterwards_signals_are_what_they_were():
    from pipeline.signals import catch_signals

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with catch_signals(lambda number: None) as caught:
        assert signal.getsignal(signal.SIGTERM) not in before
    assert caught.number == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(-1) == -1
