"""What a check says."""

from typing import Literal

from models.settings import Settings

Level = Literal["ok", "warning", "error"]


class Finding(Settings):
    """One line.

    Attributes:
        check: what was looked at.
        level: `error` if a run or the server can't work like this.
        says: what was found.
        advice: what to do; empty if nothing.
    """

    check: str
    level: Level
    says: str
    advice: str = ""
