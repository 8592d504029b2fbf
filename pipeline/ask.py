"""Ask the pushed model as a client would: a fresh server process, plain JSON rows over REST, truth beside answers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.infra.server import start_server
from pipeline.requests import plain_rows
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from models.spec import InputSpec


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


def ask(workspace: Workspace, examples: Path, inputs: "InputSpec", count: int) -> Asked:
    """Send `count` rows of the held-out split at `examples`, spread evenly over the label's values."""
    from serving.client import PredictionClient

    rows, truths = held_out_rows(examples, inputs, count)
    with (
        start_server(workspace.serving, workspace.name) as server,
        PredictionClient(server.url, workspace.name) as client,
    ):
        return Asked(
            f"{server.url}/v1/models/{workspace.name}:predict", rows, client.predict(rows, extra="drop"), truths
        )


def held_out_rows(examples: Path, inputs: "InputSpec", count: int) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return rows as plain values (missing ones left out) and their labels."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    label = inputs.target.column
    table = pq.read_table(examples, columns=[*inputs.columns, label])
    order = pc.sort_indices(pc.list_element(table[label], 0))
    places = [order[int((index + 0.5) * len(order) / count)].as_py() for index in range(count)]
    picked = plain_rows(table.take(places), inputs.lengths)
    truths = [row.pop(label) for row in picked]
    return picked, truths
