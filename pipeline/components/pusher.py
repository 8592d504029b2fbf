"""Pusher: TFX's component with an executor whose versions appear complete or not at all."""

from pathlib import Path
from typing import Any

from tfx.components.pusher import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils
from tfx.utils import json_utils

from pipeline.publish import publish


class Executor(executor.Executor):  # type: ignore[misc]
    """Pushes a blessed model; TFX's executor checks the blessing and records the result."""

    def Do(  # noqa: N802  TFX calls it so
        self, input_dict: dict[str, list[Any]], output_dict: dict[str, list[Any]], exec_properties: dict[str, Any]
    ) -> None:
        """Push to `custom_config["base"]`, keeping `["keep"]` versions; a model already there is only recorded."""
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        Path(pushed.uri).mkdir(parents=True, exist_ok=True)
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        settings = json_utils.loads(exec_properties["custom_config"])
        published = publish(Path(self.GetModelPath(input_dict)), Path(settings["base"]), settings["keep"])
        self._MarkPushed(pushed, str(published.path), str(published.version))
        pushed.set_int_custom_property("fresh", int(published.fresh))


class Pusher(component.Pusher):  # type: ignore[misc]
    """TFX's Pusher, with the executor above."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
