"""Which model the candidate has to beat."""

from pathlib import Path
from typing import Any

from tfx.dsl.components.common import resolver
from tfx.utils import path_utils

from serving.manifest import digest_files, digest_model


class ServedModel(resolver.ResolverStrategy):  # type: ignore[misc]
    """The model that is served, or none.

    If that is the candidate itself, in a run that pushes nothing new, it is the blessed model before it: the one that
    it was judged beside, so that it is not judged again.
    """

    def __init__(self, served: str) -> None:
        """Look for the model with the digest `served`; empty: nothing is served."""
        self._served = served

    def resolve_artifacts(self, store: Any, input_dict: dict[str, list[Any]]) -> dict[str, list[Any]] | None:
        """Choose among `model`: by its digest, else among the blessed ones by `model_blessing`."""
        models = sorted(input_dict["model"], key=lambda artifact: -artifact.id)
        chosen = [model for model in models if self._served and _digest(model.uri) == self._served][:1]
        if chosen and chosen[0].uri in {candidate.uri for candidate in input_dict["candidate"]}:
            chosen = _before(chosen[0], models, input_dict["model_blessing"])
        return {"candidate": [], "model_blessing": [], "model": chosen}


def _before(served: Any, models: list[Any], blessings: list[Any]) -> list[Any]:
    blessed = {
        artifact.get_int_custom_property("current_model_id")
        for artifact in blessings
        if artifact.get_int_custom_property("blessed") == 1
    }
    return [model for model in models if model.id in blessed and model.id < served.id][:1]


def _digest(uri: str) -> str:
    folder = Path(path_utils.serving_model_path(uri))
    return digest_model(digest_files(folder)) if folder.is_dir() else ""
