"""InfraValidator: TFX's component with an executor that needs no Docker and tells why it refuses a model.

TFX's executor loads the model in a container and only tells whether it answers at all. Ours asks a server on this
machine (TensorFlow Serving's binary where there is one on the PATH, else the embedded server) the rows that the network
itself was asked, and compares.
"""

import shutil
from pathlib import Path
from typing import Any

from pydantic import Field
from tfx.components.infra_validator import component
from tfx.dsl.components.base import base_executor, executor_spec
from tfx.types import artifact_utils
from tfx.utils import json_utils, path_utils

from models.settings import Settings
from models.spec import ModelSpec
from pipeline.components.edge import add_edge
from pipeline.infra.server import BINARY
from pipeline.infra.trial import Candidate, judge
from pipeline.infra.verdict import write_verdict
from pipeline.problem import Budget, Edge


class Request(Settings):
    """What the executor needs to know.

    Attributes:
        spec: the model.
        budget: what it may take.
        edge: the file for devices that goes with it; None: none does.
        split: whose rows the Trainer left answers to.
        binary: TensorFlow Serving's, None for the embedded server.
        code: digest of what judges.
    """

    spec: ModelSpec
    budget: Budget
    edge: Edge | None = None
    split: str
    binary: str | None = Field(default_factory=lambda: shutil.which(BINARY))
    code: str


class Executor(base_executor.BaseExecutor):  # type: ignore[misc]
    """Writes the verdict, the parity certificate and the blessing that TFX's Pusher asks for."""

    def Do(  # noqa: N802  TFX calls it so
        self, input_dict: dict[str, list[Any]], output_dict: dict[str, list[Any]], exec_properties: dict[str, Any]
    ) -> None:
        """Judge the model.

        Raises:
            RunError: it could not be tested.
        """
        request = Request.model_validate_json(json_utils.loads(exec_properties["request"]))
        model = artifact_utils.get_single_instance(input_dict["model"])
        examples = Path(artifact_utils.get_split_uri(input_dict["examples"], request.split))
        folder = Path(path_utils.serving_model_path(model.uri))
        candidate = Candidate(folder, request.spec, sorted(examples.iterdir()))
        verdict = judge(candidate, request.budget, request.binary)
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        Path(blessing.uri).mkdir(parents=True, exist_ok=True)
        if request.edge and not verdict.refusals:
            verdict = add_edge(verdict, candidate, request.edge, Path(blessing.uri))
        write_verdict(verdict, Path(blessing.uri))
        Path(blessing.uri, "INFRA_NOT_BLESSED" if verdict.refusals else "INFRA_BLESSED").touch()
        blessing.set_int_custom_property("blessed", int(not verdict.refusals))


class InfraValidator(component.InfraValidator):  # type: ignore[misc]
    """TFX's InfraValidator, with the executor above.

    `request` is one more execution property: the stock component has no custom_config, and its cache key must see it.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, request: Request, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.exec_properties["request"] = json_utils.dumps(request.model_dump_json())
