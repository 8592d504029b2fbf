"""A disk that gets full wherever a run is: it says so, what is served has not changed, and the next run succeeds.

The workspace is on a file system of its own, which only the runs see, with so many kilobytes left.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
ROOM_KB = (40, 300, 60, 120, 180, 240, 300)
"""The first two meet an empty workspace; afterwards only the model is new."""
DRIVER = """
import json, os, subprocess, sys
from pathlib import Path
folder, home, rooms = Path(sys.argv[1]), Path(sys.argv[1], "home"), map(int, sys.argv[3:])
sys.path.append(sys.argv[2])
from _forked_run import import_heavy, run
from run_kills import write_problem, write_table

def resize(kilobytes):
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(home)], check=True)

def versions():
    return sorted(path.name for path in home.glob("serving/sales/*") if path.name.isdecimal())

os.environ["PENSTOCK_HOME"] = str(home)
write_table(folder)
import_heavy()
for number, room in enumerate(rooms):
    problem, out, before = write_problem(folder, max(number, 1)), folder / "out", versions()
    disk = os.statvfs(home)
    resize((disk.f_blocks - disk.f_bfree) * disk.f_frsize // 1024 + room)
    code = run(problem, out)
    told, after = out.with_suffix(".err").read_text(), versions()
    resize(200_000)
    again = run(problem, out) if code else 0
    result = json.loads(out.read_text())
    open_ = [each["state"] for each in result["components"] if each["state"] not in ("complete", "cached")]
    print(json.dumps([room, code, told, before, after, again, versions(), open_]), flush=True)
"""


def has_namespaces() -> bool:
    """Whether this user may mount something, as in a namespace of its own."""
    if not shutil.which("unshare"):
        return False
    probe = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not has_namespaces(), reason="mounting needs a user namespace of one's own")
def test_a_full_disk_is_named_and_serves_what_it_did(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "driver.py").write_text(DRIVER)
    script = f'mount -t tmpfs none {tmp_path}/home && exec "$@"'
    driver = [sys.executable, tmp_path / "driver.py", tmp_path, BENCHMARKS, *ROOM_KB]
    command = ["unshare", "-rm", "sh", "-c", script, "sh", *map(str, driver)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    assert [room for room, *_ in rounds] == list(ROOM_KB)
    for _, code, told, before, after, again, finally_, open_ in rounds:
        if code:
            assert code == 1
            assert re.search(rf"{tmp_path}/home.*(full|No space left on device).*bytes are free", told), told
            assert "Traceback" not in told
            assert after == before
        assert (again, open_) == (0, [])
        assert len(finally_) >= len(before)
    assert sum(code for _, code, *_ in rounds) >= 4
