"""The one base of every configuration object."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Quantize = Literal["none", "float16", "int8"]
"""What the weights of a file for devices are held in: 32 bits each, 16, or matrices in 8 (models/edge.py)."""


class Settings(BaseModel):
    """Frozen settings that refuse unknown keys, so that a typing error in the YAML is never silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)
