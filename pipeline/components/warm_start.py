"""Which model the candidate starts from."""

import math
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.common import resolver


class LatestModelOfOtherData(resolver.ResolverStrategy):  # type: ignore[misc]
    """The latest blessed model that was trained on other rows than `examples`, before any that was trained on them.

    So a run on the same rows starts from the same model as the first one did: what comes of it can be cached.
    """

    def resolve_artifacts(self, store: Any, input_dict: dict[str, list[Any]]) -> dict[str, list[Any]] | None:
        """Choose among `model` by `model_blessing`."""
        (examples,) = input_dict["examples"]
        blessed = {
            artifact.get_int_custom_property("current_model_id")
            for artifact in input_dict["model_blessing"]
            if artifact.get_int_custom_property("blessed") == 1
        }
        models = {artifact.id: artifact for artifact in input_dict["model"]}
        rows, these = trained_on(store, list(models)), content(examples.mlmd_artifact)
        first = min((number for number in models if rows.get(number) == these), default=math.inf)
        others = [number for number in models if number in blessed and number < first]
        return {"examples": [], "model_blessing": [], "model": [models[number] for number in sorted(others)[-1:]]}


def trained_on(store: Any, models: list[int]) -> dict[int, str]:
    """Return the digest of the rows that each model was trained on, by the model's id."""
    event = metadata_store_pb2.Event
    makers = {
        each.execution_id: each.artifact_id
        for each in store.get_events_by_artifact_ids(models)
        if each.type == event.OUTPUT
    }
    read = [each for each in store.get_events_by_execution_ids(list(makers)) if each.type == event.INPUT]
    digests = {each.id: content(each) for each in store.get_artifacts_by_id([each.artifact_id for each in read])}
    return {makers[each.execution_id]: digests[each.artifact_id] for each in read if digests.get(each.artifact_id)}


def content(artifact: Any) -> str:
    """Return the digest of the rows of Examples, by split; empty for any other artifact."""
    names = sorted(name for name in artifact.custom_properties if name.startswith("digest_"))
    return " ".join(artifact.custom_properties[name].string_value for name in names)
