"""One process at a time runs a problem."""

import fcntl
import os
import re
import subprocess
import sys
import threading

import pytest

from pipeline.errors import RunError
from pipeline.owner import own
from pipeline.workspace import Workspace


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    made = Workspace(tmp_path, "sales")
    made.folder.mkdir()
    return made


def test_the_second_is_told_who_the_first_is(workspace):
    told = (
        rf"sales: process {os.getpid()} on \S+ \(`penstock tune` since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC\) is at it"
    )
    with own(workspace, "tune"):
        with pytest.raises(RunError, match=told), own(workspace, "run"):
            pass
        # and it has not taken the first one's place
        assert re.search('"command":"tune"', workspace.owner.read_text())
    with own(workspace, "run"):
        assert re.search('"command":"run"', workspace.owner.read_text())


def test_another_problem_has_another_owner(workspace):
    other = workspace._replace(name="other")
    other.folder.mkdir()
    with own(workspace, "run"), own(other, "run"):
        assert other.owner.read_text() != workspace.owner.read_text()


def test_one_that_has_not_said_who_it_is_is_an_owner_too(workspace):
    with workspace.owner.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="sales: another process is at it"), own(workspace, "run"):
            pass


def test_waiting_ends_with_the_first(workspace):
    told, order = [], []
    waits = threading.Event()

    def say(message: str) -> None:
        told.append(message)
        waits.set()

    def wait() -> None:
        with own(workspace, "run", say):
            order.append("second")

    with own(workspace, "run"):
        second = threading.Thread(target=wait)
        second.start()
        assert waits.wait(10)
        order.append("first")
    second.join(10)
    assert order == ["first", "second"]
    assert told[0].endswith("is at it; waiting for its end")


def test_a_disk_that_refuses_is_named(workspace):
    workspace.owner.mkdir()
    told = r"sales/owner: Is a directory; [\d,]+ bytes are free in "
    with pytest.raises(RunError, match=told), own(workspace, "run"):
        pass


HOLD = """
import os, signal, subprocess, sys
from pathlib import Path
from pipeline.owner import own
from pipeline.workspace import Workspace
with own(Workspace(Path(sys.argv[1]), "sales"), "run"):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.DEVNULL)
    print(child.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_lock_goes_with_a_process_that_was_killed_and_not_to_its_children(workspace):
    done = subprocess.run([sys.executable, "-c", HOLD, str(workspace.home)], stdout=subprocess.PIPE, check=False)
    child = int(done.stdout)
    try:
        os.kill(child, 0)
        with own(workspace, "run"):
            assert f'"pid":{os.getpid()}' in workspace.owner.read_text()
    finally:
        os.kill(child, 9)
