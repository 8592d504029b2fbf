"""Findings of the data gate that somebody has accepted: for the data they were found in, and no other."""

import hashlib
import json
from collections.abc import Sequence

from pipeline.stage import Stage
from pipeline.workspace import Workspace
from schemas.edit import replace_file


def remember(workspace: Workspace, stages: Sequence[Stage], names: Sequence[str]) -> tuple[str, ...]:
    """Add `names` (`drift:temp`, `rows`) to what is accepted of the data that was read, and return all of it."""
    file = workspace.accepted
    known: dict[str, list[str]] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    data = hashlib.sha256(" ".join(stage.digest for stage in stages).encode()).hexdigest()
    accepted = tuple(sorted({*known.get(data, []), *names}))
    if names:
        replace_file(file, json.dumps(known | {data: accepted}, indent=1))
    return accepted
