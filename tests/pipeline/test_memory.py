import os
import subprocess
import sys

import pytest

from pipeline import memory

HELD = 300_000_000
ASKED = "from pipeline.memory import peak_memory_bytes; print(peak_memory_bytes())"
STARTED_BY_A_LARGE_ONE = f"""\
import subprocess, sys
held = b"x" * {HELD}
subprocess.run([sys.executable, "-c", {ASKED!r}], check=True)
"""


def test_a_process_does_not_count_the_one_that_started_it():
    done = subprocess.run([sys.executable, "-c", STARTED_BY_A_LARGE_ONE], capture_output=True, text=True, check=True)
    assert 1_000_000 < int(done.stdout) < HELD / 3


def test_peak_stays_when_memory_is_given_back():
    code = f"held = b'x' * {HELD}; del held; {ASKED}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HELD < int(done.stdout) < 2 * HELD


def test_of_this_process_by_each_way():
    peak = memory.peak_memory_bytes()
    assert memory.peak_memory_bytes_of(os.getpid()) == pytest.approx(peak, rel=0.1)
    assert memory._ask_rusage() > 0.9 * peak


def test_without_proc_ps_tells_what_is_resident_now():
    told = memory._ask_ps(os.getpid())
    assert told is None or 5_000_000 < told < 1e11


def test_of_no_process_nothing_is_known():
    assert memory.peak_memory_bytes_of(2**22 + 1) is None
