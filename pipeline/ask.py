"""Ask the pushed model as a client would: a fresh server process, plain JSON rows over REST, truth beside answers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import RunError
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from models.spec import InputSpec

STOP_TIMEOUT_S = 30


class Asked(NamedTuple):
    """What was sent and what came back.

    Attributes:
        url: of the request.
        rows: the rows; columns of features that were not selected are not sent.
        answers: one per row.
        truths: the rows' labels.
    """

    url: str
    rows: list[dict[str, Any]]
    answers: list[Any]
    truths: list[Any]


@contextmanager
def start_server(base: Path, name: str) -> Iterator[str]:
    """Run `penstock serve` on the versions below `base` at a free port; yield its URL; stop it."""
    command = [sys.executable, "-m", "pipeline.cli", "serve", str(base), "--name", name, "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            ready = server.stdout.readline() if server.stdout else ""
            if not ready:
                reason = server.stderr.read() if server.stderr else ""
                raise RunError(f"the server did not start: {reason.strip()[-500:]}")
            yield json.loads(ready)["url"]
        finally:
            server.terminate()
            server.wait(STOP_TIMEOUT_S)


def ask(workspace: Workspace, examples: Path, inputs: "InputSpec", count: int) -> Asked:
    """Send `count` rows of the held-out split at `examples`, spread evenly over the label's values."""
    from serving.client import PredictionClient

    rows, truths = held_out_rows(examples, inputs, count)
    with start_server(workspace.serving, workspace.name) as url, PredictionClient(url, workspace.name) as client:
        return Asked(f"{url}/v1/models/{workspace.name}:predict", rows, client.predict(rows, extra="drop"), truths)


def held_out_rows(examples: Path, inputs: "InputSpec", count: int) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return rows as plain values (missing ones left out) and their labels."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    label = inputs.target.column
    table = pq.read_table(examples, columns=[*inputs.columns, label])
    order = pc.sort_indices(pc.list_element(table[label], 0))
    places = [order[int((index + 0.5) * len(order) / count)].as_py() for index in range(count)]
    picked = [
        {name: _plain(value, is_list=name in inputs.lengths) for name, value in row.items()}
        for row in table.take(places).to_pylist()
    ]
    truths = [row.pop(label) for row in picked]
    return [{name: value for name, value in row.items() if value is not None} for row in picked], truths


def _plain(value: list[Any] | None, *, is_list: bool) -> Any:
    """Return a column of an example as JSON has it: text, and numbers as short as float32 are."""
    if not value:
        return None
    plain = [
        each.decode() if isinstance(each, bytes) else float(f"{each:.7g}") if isinstance(each, float) else each
        for each in value
    ]
    return plain if is_list else plain[0]
