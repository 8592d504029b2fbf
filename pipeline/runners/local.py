"""In this process, one component after the other, by TFX's LocalDagRunner."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline


def run(pipeline: "Pipeline") -> None:
    """Run `pipeline`; it returns normally even when inputs can't be resolved, so look at the states afterwards."""
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner

    LocalDagRunner().run(pipeline)
