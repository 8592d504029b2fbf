"""Opening a page in the browser of the person who asked for it, and of nobody else."""

import os
import sys
import webbrowser
from pathlib import Path


def open_page(page: Path, wanted: bool | None) -> bool:
    """Open `page` and return whether a browser took it; `wanted` None: only where somebody is likely to look."""
    if wanted is False or (wanted is None and not (sys.stdout.isatty() and _has_display())):
        return False
    return webbrowser.open(page.resolve().as_uri())


def _has_display() -> bool:
    """Return whether windows can be shown: without, `webbrowser` starts a browser in the terminal."""
    return sys.platform in {"darwin", "win32"} or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
