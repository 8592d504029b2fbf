"""What a repository of problems needs to be validated, trained and pushed by a CI server: one template a server.

A template is a whole file; only the list of problems is filled in. It becomes the user's, who changes it.
"""

import json
from pathlib import Path
from typing import Literal

from pipeline.errors import InputError

Server = Literal["github", "jenkins", "azure"]

_PLACES: dict[Server, str] = {
    "github": ".github/workflows/penstock.yml",
    "jenkins": "Jenkinsfile",
    "azure": "azure-pipelines.yml",
}
"""Where each server looks for its file."""
_PROBLEMS = '"PROBLEM"'
"""Stands in a template for the list of problems, each in quotes."""


def write_ci(server: Server, root: Path) -> Path:
    """Write the server's file below `root` for the problems in `problems/` there, and return it.

    Raises:
        InputError: there are no problems, or the file is there already.
    """
    problems = sorted(path.stem for path in (root / "problems").glob("*.yaml"))
    if not problems:
        raise InputError(f"{root / 'problems'}: expected at least one NAME.yaml to run, received none")
    file = root / _PLACES[server]
    if file.exists():
        raise InputError(f"{file}: exists already; remove it to have it written anew")
    template = next(Path(__file__).parent.glob(f"{server}.*")).read_text("utf-8")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(template.replace(_PROBLEMS, ", ".join(map(json.dumps, problems))), "utf-8")
    return file
