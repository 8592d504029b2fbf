"""What a network is trained on: processors, precision, compiler."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

from models.spec import Training

if TYPE_CHECKING:
    import tensorflow as tf


class Device(NamedTuple):
    """Where and how steps are computed.

    Attributes:
        strategy: that spreads each batch over several devices; None: there is one.
        precision: Keras's dtype policy.
        jit: whether steps are compiled with XLA.
        name: of the processors.
    """

    strategy: "tf.distribute.Strategy | None"
    precision: str
    jit: bool
    name: str

    def __str__(self) -> str:
        """Return what is used, in a few words: 32 bits and no compiler go without saying."""
        precision = [self.precision] if self.precision != "float32" else []
        return ", ".join([self.name, *precision, *(["XLA"] if self.jit else [])])


def choose_device(training: Training) -> Device:
    """Return what the machine has and the settings allow."""
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    devices = gpus or tf.config.list_logical_devices("CPU")
    kind = "GPU" if gpus else "CPU"
    mirrored = len(devices) > 1 and (training.distribute == "mirrored" or (training.distribute == "auto" and gpus))
    precision = ("mixed_float16" if gpus else "mixed_bfloat16") if training.mixed_precision else "float32"
    return Device(
        strategy=tf.distribute.MirroredStrategy([device.name for device in devices]) if mirrored else None,
        precision=precision,
        jit=bool(gpus) if training.jit == "auto" else training.jit,
        name=(f"{len(devices)} {kind}s" if mirrored else kind) + ("" if gpus else f", {_cores()}"),
    )


def _cores() -> str:
    """Return how many processor cores this process may use, in words."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{count} core{'' if count == 1 else 's'}"


@contextmanager
def on(device: Device) -> Iterator[None]:
    """Make what is built inside belong to the device."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(device.precision)
    try:
        with device.strategy.scope() if device.strategy else nullcontext():
            yield
    finally:
        keras.config.set_dtype_policy(before)
