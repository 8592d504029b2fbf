"""The server's process under load and attack: small editions of benchmarks/reloads.py, leaks.py and hostile.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(name, *options):
    command = [sys.executable, str(BENCHMARKS / name), *options, "--json"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr[-3000:]
    return json.loads(finished.stdout)


def test_fault_34_no_request_fails_and_none_mixes_versions_while_these_change():
    found = run("reloads.py", "--tiny", "--seconds", "6", "--pushes", "4", "--labels", "3", "--rollbacks", "2")["tiny"]
    assert (found["failures"], found["wrong_versions"]) == (0, 0), found["examples"]
    assert found["changes"] == {"push": 5, "label": 3, "rollback": 2}
    assert min(found["REST"]["requests"], found["gRPC"]["requests"]) > 100


def test_fault_33_hostile_requests_are_answered_and_cost_nothing():
    found = run("hostile.py", "--requests", "400", "--hang", "10")
    assert {key: found[key] for key in ("crashes", "hang", "unmapped", "wrong")} == {
        "crashes": 0,
        "hang": 0,
        "unmapped": 0,
        "wrong": 0,
    }, found["examples"]


def test_fault_35_memory_files_and_threads_stay_as_they_are():
    first, *later = run("leaks.py", "--reloads", "10", "--requests", "500")["used"].values()
    assert len(later) == 2
    for use in later:
        assert use["resident_mb"] <= first["resident_mb"] + 5
        # one more may be open at the moment of looking
        assert use["files"] <= first["files"] + 1
        assert use["threads"] <= first["threads"] + 1
