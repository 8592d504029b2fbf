"""Which model the candidate has to beat."""

from typing import Any

from tfx.dsl.components.common import resolver


class LatestOtherBlessedModel(resolver.ResolverStrategy):  # type: ignore[misc]
    """The latest blessed model that is not the candidate itself, or none.

    TFX's own LatestBlessedModelStrategy would compare a cached candidate with itself in the next run, and so
    re-evaluate in each of them.
    """

    def resolve_artifacts(self, store: Any, input_dict: dict[str, list[Any]]) -> dict[str, list[Any]] | None:
        """Choose among `model` by `model_blessing`, leaving out `candidate`."""
        candidates = {artifact.uri for artifact in input_dict["candidate"]}
        blessed = {
            artifact.get_int_custom_property("current_model_id")
            for artifact in input_dict["model_blessing"]
            if artifact.get_int_custom_property("blessed") == 1
        }
        others = [
            artifact for artifact in input_dict["model"] if artifact.id in blessed and artifact.uri not in candidates
        ]
        latest = sorted(others, key=lambda artifact: artifact.id)[-1:]
        return {"candidate": [], "model_blessing": [], "model": latest}
