"""What the settings add to TensorFlow Serving's API, put together; what they leave out is not there at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from serving.server import documentation, exposition
from serving.server.access import TokenGate, read_token
from serving.server.beside import PROBES
from serving.server.body import Application
from serving.server.contract import Contracts
from serving.server.inference import Observer, Runner
from serving.server.metrics import Metrics
from serving.server.overview import Readiness
from serving.server.registry import Registry
from serving.server.request_log import RequestLog
from serving.server.rollout_counts import RolloutCounts
from serving.server.served_model import Load
from serving.server.settings import ServerSettings
from serving.server.validation import ValidatingRunner

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Extras:
    """Metrics, request log, validation, token, CORS and documentation of one server.

    Attributes:
        observers: who is told of each request, over REST and over gRPC.
        token: what every request must carry, if anything.
    """

    def __init__(self, settings: ServerSettings = ServerSettings()) -> None:  # noqa: B008  frozen
        """Read the token and open the log.

        Raises:
            InvalidArgumentError: there is no token where the settings say.
            StorageError: the folder of the log cannot be created.
        """
        self.settings = settings
        self.readiness = Readiness()
        self.contracts = Contracts()
        self.token = read_token(settings.auth) if settings.auth else None
        self.log = RequestLog(settings.request_log) if settings.request_log else None
        self.metrics = Metrics() if settings.metrics else None
        self.rollouts = RolloutCounts()
        observers = (self.metrics, self.log, self.rollouts)
        self.observers: Sequence[Observer] = [each for each in observers if each is not None]

    def close(self) -> None:
        """Write what the log and the counts of roll-outs still have."""
        self.rollouts.flush()
        if self.log is not None:
            self.log.close()

    def wrap_load(self, load: Load) -> Load:
        """Return `load`, that also reads what is said of the rows, and is counted."""
        load = self.contracts.read_with(load)
        return self.metrics.count_loads(load) if self.metrics else load

    def wrap_runner(self, runner: Runner) -> Runner:
        """Return `runner`, behind validation and counting where these are switched on."""
        if self.metrics:
            runner = self.metrics.meter(runner)
        if self.settings.validation:
            runner = ValidatingRunner(runner, self.contracts)
        self.rollouts.runner = runner
        return runner

    def create_routes(self, registry: Registry) -> list[BaseRoute]:
        """Documentation and metrics."""
        routes = documentation.create_routes(registry, self.contracts, self.token is not None)
        self.rollouts.follow(registry)
        if self.metrics:
            self.metrics.registry = registry
            told = exposition.Exposition(self.metrics, registry, self.log)

            def answer(_: Request) -> Response:
                return Response(told.write(), media_type=_TEXT)

            routes += [Route(path, answer) for path in exposition.PATHS]
        return routes

    def guard(self, application: Application) -> Application:
        """Return `application`, behind the token and CORS where these are switched on."""
        if self.token:
            application = TokenGate(application, self.token, (*PROBES, *documentation.OPEN_PATHS))
        if self.settings.cors:
            cors = self.settings.cors
            # outermost: a browser asks for permission without the token
            application = cast(
                "Application",
                CORSMiddleware(application, cors.origins, ("GET", "POST"), cors.headers),
            )
        return application
