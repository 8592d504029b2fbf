"""`penstock serve`: pushed models over TensorFlow Serving's REST and gRPC API."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.arguments import AsJson
from pipeline.errors import InputError

if TYPE_CHECKING:
    from serving.server.models_config import ModelsFile
    from serving.server.run import Ports


def serve(
    target: Annotated[Path | None, typer.Argument(metavar="PROBLEM|DIR", help="Problem or folder of versions.")] = None,
    port: Annotated[int, typer.Option(help="REST port, 0 for a free one.", min=0, max=65535)] = 8501,
    grpc_port: Annotated[
        int | None, typer.Option(help="gRPC port (usual: 8500), 0 for a free one; left out, none.", min=0, max=65535)
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    name: Annotated[str | None, typer.Option(help="The model's name; left out, the problem's or the folder's.")] = None,
    models_config: Annotated[Path | None, typer.Option(help="TensorFlow Serving's models.config instead.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML with limits, token, TLS, metrics, request log, ...: docs/operating.md.")
    ] = None,
    poll: Annotated[float, typer.Option(help="Seconds between looks for new versions.", min=0.01)] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Serve the pushed model over TensorFlow Serving's REST and gRPC API; new versions are loaded as they appear."""
    from pipeline.console import hold_stderr
    from pipeline.yaml_file import load_as
    from serving.server.run import Ports
    from serving.server.run import serve as serve_models
    from serving.server.settings import ServerSettings

    settings = load_as(config, ServerSettings) if config else ServerSettings()
    models = _select_models(target, name, models_config)
    names = list(models if isinstance(models, dict) else models.models)

    def announce(taken: "Ports") -> None:
        release()
        url = f"{'https' if settings.tls else 'http'}://{host}:{taken.rest}"
        grpc = None if taken.grpc is None else f"{host}:{taken.grpc}"
        if as_json:
            served = {"models": names} if models_config else {"model": names[0]}
            _print_json_line({"url": url} | served | ({"grpc": grpc} if grpc else {}))
        else:
            also = f", gRPC at {grpc}" if grpc else ""
            path = names[0] if len(names) == 1 else "NAME"
            typer.echo(f"serving {', '.join(names)} at {url}/v1/models/{path}:predict{also}   (Ctrl-C stops)")

    with hold_stderr() as release:
        serve_models(models, host, Ports(port, grpc_port), announce, poll, settings)


def _select_models(target: Path | None, name: str | None, config: Path | None) -> "dict[str, Path] | ModelsFile":
    from serving.server.models_config import ModelsFile

    if config is not None and target is None and name is None:
        return ModelsFile(config)
    if config is not None or target is None:
        raise InputError("expected PROBLEM|DIR, with or without --name, or --models-config FILE alone")
    base = target if target.is_dir() else _find_serving(target)
    return {name or base.resolve().name: base}


def _find_serving(problem: Path) -> Path:
    from pipeline.problem import load_problem

    return load_problem(problem).workspace.serving


def _print_json_line(content: dict[str, Any]) -> None:
    import orjson

    sys.stdout.write(orjson.dumps(content).decode() + "\n")
    sys.stdout.flush()
