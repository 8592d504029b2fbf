"""What a server holds of memory, files and threads after many reloads and many bad requests.

Both begin with a warm phase, a tenth as long, that does not count.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import _packages_first  # noqa: F401
import httpx
from _measure import render_table, report, run_fresh
from _serving_process import Serving, Use, serving

from serving.manifest import MANIFEST
from serving.store import find_versions

HERE = Path(__file__).resolve().parent
CLIENTS = 4
SETTLE_S = 1.0
BAD = [
    b"",
    b"{",
    b"[" * 5000,
    b'{"instances": [{"x": "a"}]}',
    b'{"instances": [[1], [1, 2]]}',
    b'{"instances": ["\\ud800"]}',
    b'{"signature_name": "nobody", "instances": [1]}',
    b'{"inputs": {"x": [[1, 2], [3]]}}',
    b"{" + b" " * 300_000,
]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--requests", type=int, default=10_000, help="bad ones")
    parser.add_argument("--base", type=Path, help="a folder that a model was pushed to, instead of a tiny model")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.base is None:
            run_fresh([sys.executable, HERE / "_numbered_models.py", folder / "models", 1])
            model = folder / "models" / "1"
        else:
            model = max(find_versions(options.base).items())[1]
        found = measure(model, folder / "served", options.reloads, options.requests)
    report(found, render(found), as_json=options.json)


def measure(model: Path, base: Path, reloads: int, requests: int) -> dict[str, Any]:
    """Return what the server holds after each phase."""
    show(model, base, 1)
    with serving(base, "--poll", "0.05") as server:
        reload(server, model, base, range(2, 3 + reloads // 10))
        ask_badly(server, requests // 10)
        used = {"at first": settle(server)}
        first = 3 + reloads // 10
        reload(server, model, base, range(first, first + reloads))
        used[f"after {reloads} reloads"] = settle(server)
        ask_badly(server, requests)
        used[f"after {requests} bad requests"] = settle(server)
    return {"used": {when: use._asdict() for when, use in used.items()}}


def show(model: Path, base: Path, version: int) -> None:
    """Put a version there as a whole."""
    staging = base / f".staging-{version}"
    shutil.copytree(model, staging, copy_function=os.link)
    (staging / MANIFEST).unlink(missing_ok=True)
    staging.rename(base / str(version))


def reload(server: Serving, model: Path, base: Path, versions: range) -> None:
    """Let one version after the other take over."""
    for version in versions:
        show(model, base, version)
        server.wait_for(lambda states, version=version: states.get(version) == "AVAILABLE")
        shutil.rmtree(base / str(version - 1))


def ask_badly(server: Serving, count: int) -> None:
    """Send requests that are refused, over some connections at once."""
    share = count // CLIENTS

    def ask(_: int) -> None:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            for index in range(share):
                answer = client.post(f"/v1/models/{server.model}:predict", content=BAD[index % len(BAD)])
                if answer.status_code != 400:
                    raise SystemExit(f"{answer.status_code} for {BAD[index % len(BAD)][:100]!r}")

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(ask, range(CLIENTS)))


def settle(server: Serving) -> Use:
    """Return what the server holds once it is idle."""
    time.sleep(SETTLE_S)
    return server.measure()


def render(found: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    rows = [[when, f"{use['resident_mb']:.1f}", use["files"], use["threads"]] for when, use in found["used"].items()]
    return render_table(["", "memory, MB", "file descriptors", "threads"], rows)


if __name__ == "__main__":
    main()
