"""FeatureRanking: what each feature tells of the label, as an artifact of the run whose model was chosen by it."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.types.artifact import Artifact

from pipeline.examples.ranking import RANKING_FILE


class RankedFeatures(Artifact):  # type: ignore[misc]
    """A `pipeline.examples.ranking.Ranking` as JSON."""

    TYPE_NAME = "RankedFeatures"


@component
def FeatureRanking(  # noqa: N802  TFX names components as classes
    ranking: OutputArtifact[RankedFeatures],
    examples: InputArtifact[standard_artifacts.Examples],
    content: Parameter[str],
    code: Parameter[str] = "",
) -> None:
    """Keep `content`, measured on the rows of the examples' train split before the pipeline was built.

    The examples are for lineage, `code` (a digest of what is at work here) is for the cache.
    """
    del examples, code
    folder = Path(ranking.uri)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RANKING_FILE).write_text(content, "utf-8")
