"""The optimizer and its step sizes."""

from typing import TYPE_CHECKING, Any

from models.spec import Schedule, Training

if TYPE_CHECKING:
    import keras

MOMENTUM = 0.9
ADAMW_DECAY = 0.004
EXPONENTIAL_END = 0.01


def build_optimizer(training: Training, steps: int) -> "keras.optimizers.Optimizer":
    """Return the optimizer for `steps` training steps in all."""
    import keras

    decay = training.weight_decay or (ADAMW_DECAY if training.optimizer == "adamw" else None)
    settings: dict[str, Any] = {
        "learning_rate": step_sizes(training.schedule, training.learning_rate, steps),
        "weight_decay": decay,
        "global_clipnorm": training.clip_norm,
    }
    if training.optimizer == "sgd":
        return keras.optimizers.SGD(momentum=MOMENTUM, nesterov=True, **settings)
    # Adam with a decay is AdamW: both take it from the weights themselves (Loshchilov & Hutter 2019)
    return keras.optimizers.Adam(**settings)


def step_sizes(schedule: Schedule, largest: float, steps: int) -> "keras.optimizers.schedules.LearningRateSchedule":
    """Return the function from a step (0 to `steps` - 1) to its size."""
    import math

    import keras

    warm = int(schedule.warmup * steps)
    end = schedule.end or (EXPONENTIAL_END if schedule.shape == "exponential" else 0.0)
    ops = keras.ops

    class StepSizes(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        def __call__(self, step: Any) -> Any:
            now = ops.cast(step, "float32")
            done = ops.clip((now - warm) / max(steps - warm, 1), 0.0, 1.0)
            factor = {
                "constant": lambda: ops.ones_like(done),
                "cosine": lambda: end + (1 - end) * 0.5 * (1 + ops.cos(math.pi * done)),
                "linear": lambda: 1 - (1 - end) * done,
                "exponential": lambda: ops.exp(math.log(end or 1.0) * done),
            }[schedule.shape]()
            return largest * (ops.where(now < warm, (now + 1) / warm, factor) if warm else factor)

        def get_config(self) -> dict[str, Any]:
            return {"schedule": schedule.model_dump(), "largest": largest, "steps": steps}

    return StepSizes()
