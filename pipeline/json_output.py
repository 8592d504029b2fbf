"""What `--json` prints."""

from typing import Any

import typer


def print_json(content: Any) -> None:
    """Print a result as JSON; what JSON has no form for, such as a path, as its text."""
    import orjson

    typer.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2, default=str).decode())
