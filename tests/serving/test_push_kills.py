"""Pushes killed at random moments while another process watches the folder (benchmarks/push_kills.py does 300)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "push_kills.py"


@pytest.mark.slow
def test_nobody_sees_half_a_version_and_none_is_pushed_twice():
    command = [sys.executable, BENCHMARK, "--kills", "60", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {name: found[name] for name in ("killed", "incomplete", "duplicates", "lost", "faults")} == {
        "killed": 60,
        "incomplete": 0,
        "duplicates": 0,
        "lost": 0,
        "faults": 0,
    }
    assert found["polls"] > 100
    assert found["phases"]["half copied"] > 0
