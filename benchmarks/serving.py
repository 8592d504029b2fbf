"""The embedded server under load beside other Python servers: one SavedModel, one machine, in turn."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from _measure import FLIGHTS, median, penstock_run, render_table, report
from _servers import NAME, PEERS, Server, newest, penstock

OURS = "**Penstock**"
CLIENTS = (1, 16, 64)
ROWS = (1, 32)


class Figure(NamedTuple):
    """What one measurement told."""

    is_grpc: bool
    rows: int
    clients: int
    told: dict[str, float]


def main() -> None:
    """Train unless told not to, measure all in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--base", type=Path, help="a folder of versions of the flights model; left out, trains one")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS), help="whom to compare with")
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement, after one to warm up")
    parser.add_argument("--repeats", type=int, default=3, help="rounds over all servers; the median counts")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        base = options.base or train(Path(home))
        rows = read_rows(base)
        rounds: dict[str, list[Figure]] = {}
        servers: dict[str, list[dict[str, Any]]] = {}
        for _ in range(options.repeats):
            for name, start in {OURS: penstock, **{name: PEERS[name] for name in options.peers}}.items():
                print(name, file=sys.stderr)
                with start(base, rows[:1]) as server:
                    rounds.setdefault(name, []).extend(measure(server, base, rows, options.seconds))
                    servers.setdefault(name, []).append({"start_s": server.start_s, "rss_mb": server.rss_mb})
    figures = summarize(rounds)
    report({"figures": figures, "servers": servers}, render(figures, servers), as_json=options.json)


def train(home: Path) -> Path:
    """Run the flights problem; return the folder of versions."""
    penstock_run(FLIGHTS, home)
    return home / "serving" / NAME


def read_rows(base: Path) -> list[dict[str, Any]]:
    """The rows that warm the model up, as a client sends them; 0 for what is missing, as not every peer takes NaN."""
    from serving.protos import PredictionLog
    from serving.server.tensors import to_array
    from serving.server.warm_up import FILE
    from serving.tfrecord import read_records

    requests = [PredictionLog.FromString(each).predict_log.request for each in read_records(newest(base) / FILE)]
    columns = {name: to_array(proto, name).tolist() for name, proto in requests[1].inputs.items()}
    return [dict(zip(columns, map(to_json, values), strict=True)) for values in zip(*columns.values(), strict=True)]


def to_json(value: Any) -> Any:
    """A tensor's value as JSON has it."""
    if isinstance(value, bytes):
        return value.decode()
    return round(value, 6) if value == value else 0.0


def to_grpc(base: Path, rows: Sequence[dict[str, Any]]) -> bytes:
    """The rows as a serialized PredictRequest."""
    import numpy as np

    from serving.artifact import DEFAULT_SIGNATURE, read_signatures
    from serving.protos import PredictRequest
    from serving.server.tensors import fill_proto

    request = PredictRequest()
    request.model_spec.name = NAME
    for name, spec in read_signatures(newest(base))[DEFAULT_SIGNATURE].inputs.items():
        values = [row[name].encode() if isinstance(row[name], str) else row[name] for row in rows]
        dtype = {"string": object, "float": np.float32, "double": np.float64}[spec.dtype]
        fill_proto(request.inputs[name], np.array(values, dtype))
    message: bytes = request.SerializeToString()
    return message


def measure(server: Server, base: Path, rows: Sequence[Any], seconds: float) -> Iterator[Figure]:
    """Ask a server in every way."""
    for count in ROWS:
        asked = [rows[index % len(rows)] for index in range(count)]
        for clients in CLIENTS:
            yield Figure(
                False, count, clients, ask("rest", server.port, server.path, clients, seconds, server.body(asked))
            )
            if server.grpc is not None:
                yield Figure(
                    True, count, clients, ask("grpc", server.grpc, "-", clients, seconds, to_grpc(base, asked))
                )


def ask(kind: str, port: int, path: str, clients: int, seconds: float, body: bytes) -> dict[str, float]:
    """Answers a second and their latencies, from a process of its own."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        command = [sys.executable, str(Path(__file__).with_name("_closed_loop.py")), kind, str(port), path]
        told = subprocess.run([*command, str(clients), str(seconds), file.name], capture_output=True, text=True)
    if told.returncode:
        sys.exit(told.stderr[-2000:])
    found: dict[str, float] = json.loads(told.stdout)
    return found


def summarize(rounds: dict[str, list[Figure]]) -> list[dict[str, Any]]:
    """The medians over the rounds of each server, number of rows and clients."""
    cells: dict[tuple[str, bool, int, int], list[dict[str, float]]] = {}
    for name, figures in rounds.items():
        for figure in figures:
            cells.setdefault((name, figure.is_grpc, figure.rows, figure.clients), []).append(figure.told)
    return [
        {
            "server": f"{name}, gRPC" if is_grpc else name,
            "rows": rows,
            "clients": clients,
            "rows_per_s": rows * median(each["answers_per_s"] for each in told),
            "p50_ms": median(each["p50_ms"] for each in told),
            "p99_ms": median(each["p99_ms"] for each in told),
        }
        for (name, is_grpc, rows, clients), told in cells.items()
    ]


def render(figures: list[dict[str, Any]], servers: dict[str, list[dict[str, Any]]]) -> str:
    """Rows a second and p99 of each server, and how many times the first peer's rows that is."""
    cells = {(each["server"], each["rows"], each["clients"]): each for each in figures}
    names = list(dict.fromkeys(each["server"] for each in figures))
    peer = next((name for name in names if not name.startswith(OURS)), names[0])
    lines = []
    for name in names:
        told = []
        for key in ((rows, clients) for rows in ROWS for clients in CLIENTS):
            cell = cells[name, *key]
            ratio = cell["rows_per_s"] / cells[peer, *key]["rows_per_s"]
            told.append(f"{cell['rows_per_s']:,.0f} ({ratio:.1f}x), {cell['p99_ms']:.1f} ms")
        lines.append([name, *told])
    header = ["rows/s (times the peer's), p99", *(f"{rows} x {clients}" for rows in ROWS for clients in CLIENTS)]
    starts = [
        [name, f"{median(each['start_s'] for each in told):.1f} s", f"{median(each['rss_mb'] for each in told):.0f} MB"]
        for name, told in servers.items()
    ]
    return (
        f"{render_table(header, lines)}\n\nColumns: rows a request x clients that each wait for their answer; "
        f"times {peer}.\n\n{render_table(['server', 'first answer', 'memory after'], starts)}"
    )


if __name__ == "__main__":
    main()
