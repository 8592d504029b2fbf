"""What a run shows of its components."""

import io
import logging

import pytest
from rich.console import Console
from rich.status import Status

from pipeline.console import FINISHED, RUNNING, ComponentProgress


@pytest.fixture
def shown():
    """`shown(*messages)`: what a component shows that says these of itself, each a format and its arguments."""

    def show(*messages: tuple[object, ...]) -> str:
        console = Console(file=io.StringIO(), width=200)
        progress = ComponentProgress(console, Status("", console=console))
        root, own = logging.getLogger("absl"), logging.getLogger("penstock.progress")
        records = [(root, RUNNING, "Trainer"), *((own, *each) for each in messages), (root, FINISHED, "Trainer")]
        for logger, text, *arguments in records:
            progress.emit(logger.makeRecord(logger.name, logging.INFO, "", 0, text, tuple(arguments), None))
        return console.file.getvalue()

    return show


def test_the_last_epoch_and_the_device_are_shown(shown):
    line = shown(("on %s", "GPU, mixed_float16, XLA"), ("epoch %d/%d: loss 0.2", 3, 3), ("exporting",))
    assert line.rstrip().endswith("s  epoch 3/3: loss 0.2 · GPU, mixed_float16, XLA")


def test_a_component_that_says_nothing_shows_its_time_alone(shown):
    assert shown(("reading",)).rstrip().endswith("0.0 s")
