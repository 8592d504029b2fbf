"""Imported before any package of the repository: one of them, `serving`, has the name of a benchmark."""

import sys
from pathlib import Path

_HERE = str(Path(__file__).resolve().parent)

sys.path.sort(key=lambda place: place == _HERE)
