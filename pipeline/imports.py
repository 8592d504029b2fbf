"""What a run imports, seconds of TensorFlow, TFX and Beam, while its source is read."""

import gc
import os
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

NAME = "imports"
MODULES = ("pipeline.graph", "tfx.orchestration.local.local_dag_runner")


def import_shared() -> None:
    """Import what a thread that imports ahead and the others both need: waited for crosswise, it is seen half made."""
    import duckdb  # noqa: F401
    import numpy as np  # noqa: F401
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401


def import_ahead(modules: Sequence[str] = MODULES) -> None:
    """Import `modules`, left out what a pipeline is made of, in a thread; who imports it meanwhile waits for that.

    Nothing is collected until it is done, and what it has made never: the collector would look through millions of
    objects that stay, again and again, which takes a quarter of the import and a tenth of the components.
    """
    gc.disable()
    threading.Thread(target=_import, args=[modules], name=NAME, daemon=True).start()


def _import(modules: Sequence[str]) -> None:
    try:
        for module in modules:
            import_module(module)
    except Exception:  # noqa: BLE001  the run imports it too, and tells
        return
    finally:
        gc.freeze()
        gc.enable()


def leave(code: int) -> NoReturn:
    """End the process with `code`; at once if there is TensorFlow in it, which Python takes seconds to take apart."""
    is_importing = any(thread.name == NAME for thread in threading.enumerate())
    if "tensorflow" not in sys.modules and not is_importing:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
