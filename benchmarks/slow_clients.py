"""What clients wait while others, hundreds of them, send a byte now and then and never end (slowloris).

The server is `penstock serve` with its own limits. Every other slow client is in its headers, the rest in their bodies;
one that is sent away comes back at once. Those who are measured come from another process (_closed_loop.py).
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from _measure import render_table, report, run_fresh
from _serving_process import Serving, serving

HERE = Path(__file__).resolve().parent
PAUSE_S = 0.5
BODY = b'{"instances": [1, 2, 3, 4, 5, 6, 7, 8]}'
CLIENTS = 8


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--slow", type=int, default=500, help="slow connections")
    parser.add_argument("--seconds", type=float, default=10, help="of each of the measurements")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_fresh([sys.executable, HERE / "_numbered_models.py", folder / "model", 1])
        with serving(folder / "model") as server:
            found = asyncio.run(measure(server, options.slow, options.seconds))
    report(found, render(found), as_json=options.json)


async def measure(server: Serving, slow: int, seconds: float) -> dict[str, Any]:
    """Measure alone, beside the slow ones, and alone again."""
    answers: Counter[str] = Counter()
    alone = await ask(server, seconds)
    crawling = [asyncio.create_task(crawl(server, number % 2 == 0, answers)) for number in range(slow)]
    await asyncio.sleep(1)
    beside = await ask(server, seconds)
    most = server.measure()
    for task in crawling:
        task.cancel()
    await asyncio.wait(crawling)
    afterwards = await ask(server, seconds)
    return {
        "alone": alone,
        "beside": beside,
        "afterwards": afterwards,
        "slow": slow,
        "sent_away": dict(answers),
        "memory_mb": round(most.resident_mb),
    }


async def ask(server: Serving, seconds: float) -> dict[str, float]:
    """Let the clients that are measured ask, and return their figures."""
    with tempfile.NamedTemporaryFile() as body:
        Path(body.name).write_bytes(BODY)
        path = f"/v1/models/{server.model}:predict"
        command = [HERE / "_closed_loop.py", "rest", server.port, path, CLIENTS, seconds, body.name]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *map(str, command), stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"the load ended with {process.returncode}")
    figures: dict[str, float] = json.loads(said)
    return figures


async def crawl(server: Serving, in_headers: bool, answers: Counter[str]) -> None:
    """Send bytes one at a time, for ever, on one connection after the other."""
    head = f"POST /v1/models/{server.model}:predict HTTP/1.1\r\nHost: x\r\n".encode()
    start, piece = (head, b"h") if in_headers else (head + b"Content-Length: 100000\r\n\r\n", b" ")
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        began = time.monotonic()
        writer.write(start)
        with suppress(OSError):
            while not reader.at_eof():
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(PAUSE_S)
                if line := reader._buffer:  # type: ignore[attr-defined]  # what has come, without waiting
                    answers[f"{line.split()[1].decode()} after {time.monotonic() - began:.0f} s"] += 1
                    break
        writer.close()


def render(found: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    names = {"alone": "alone", "beside": f"beside {found['slow']} slow connections", "afterwards": "afterwards"}
    rows = [
        [words, round(found[key]["answers_per_s"]), round(found[key]["p50_ms"], 2), round(found[key]["p99_ms"], 2)]
        for key, words in names.items()
    ]
    ratio = found["beside"]["p99_ms"] / found["alone"]["p99_ms"]
    away = ", ".join(f"{count} {words}" for words, count in sorted(found["sent_away"].items()))
    return (
        render_table(["", "requests/s", "p50 ms", "p99 ms"], rows)
        + f"\n\np99 beside slow connections: **{ratio:.2f} times**; slow ones sent away: {away or 'none yet'}."
    )


if __name__ == "__main__":
    main()
