"""Ways to run a pipeline: one file each."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline


class Runner(Protocol):
    """The part of a runner."""

    def run(self, pipeline: "Pipeline") -> None:
        """Run the pipeline to its end; raises what the failing component raised."""
