"""Pusher: TFX's component with an executor whose versions appear complete or not at all, with what is known of them.

Examples, schema and evaluation are inputs of it, so that ML Metadata knows what a pushed model was made of.
"""

from pathlib import Path
from typing import Any

from tfx.components.pusher import executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import artifact_utils, standard_artifacts, standard_component_specs
from tfx.types.channel import Channel
from tfx.types.component_spec import ChannelParameter
from tfx.utils import json_utils

from pipeline.pushing import HELD, Judged, PushRequest, explain, push_model


class Executor(executor.Executor):  # type: ignore[misc]
    """Pushes a blessed model; TFX's executor checks the blessing and records the result."""

    def Do(  # noqa: N802  TFX calls it so
        self, input_dict: dict[str, list[Any]], output_dict: dict[str, list[Any]], exec_properties: dict[str, Any]
    ) -> None:
        """Push as `custom_config` (a JSON PushRequest) says; a model already there is only recorded."""
        artifact = artifact_utils.get_single_instance(output_dict["pushed_model"])
        Path(artifact.uri).mkdir(parents=True, exist_ok=True)
        request = PushRequest.model_validate(json_utils.loads(exec_properties["custom_config"]))
        blessed = self.CheckBlessing(input_dict)
        if not blessed or request.hold:
            self._MarkNotPushed(artifact)
            artifact.set_string_custom_property("withheld", HELD if blessed else "")
            return
        pushed = push_model(
            Judged(
                model=Path(self.GetModelPath(input_dict)),
                examples=artifact_utils.get_single_instance(input_dict["examples"]).mlmd_artifact,
                schema=_folder(input_dict, "schema"),
                evaluation=_folder(input_dict, "evaluation"),
                infra=_folder(input_dict, "infra_blessing"),
            ),
            request,
        )
        if pushed.withdrawn:
            self._MarkNotPushed(artifact)
            artifact.set_string_custom_property("withheld", explain(pushed.withdrawn))
            return
        self._MarkPushed(artifact, str(pushed.path), str(pushed.version))
        artifact.set_int_custom_property("fresh", int(pushed.fresh))


def _folder(inputs: dict[str, list[Any]], key: str) -> Path:
    return Path(artifact_utils.get_single_uri(inputs[key]))


class PusherSpec(standard_component_specs.PusherSpec):  # type: ignore[misc]
    """TFX's inputs, and what the manifest tells of."""

    INPUTS = {  # noqa: RUF012  TFX's way to declare
        **standard_component_specs.PusherSpec.INPUTS,
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "schema": ChannelParameter(type=standard_artifacts.Schema),
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
    }


class Pusher(base_component.BaseComponent):  # type: ignore[misc]
    """TFX's Pusher with the executor and the inputs above; `channels` by their names in PusherSpec."""

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, request: PushRequest, **channels: Any) -> None:
        config = json_utils.dumps(request.model_dump(mode="json"))
        pushed = Channel(type=standard_artifacts.PushedModel)
        super().__init__(spec=PusherSpec(**channels, custom_config=config, pushed_model=pushed))
