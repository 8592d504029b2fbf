"""What a run imports, seconds of TensorFlow, TFX and Beam, while its source is read."""

import gc
import os
import sys
import threading
from importlib import import_module
from typing import NoReturn

NAME = "imports"
MODULES = ("pipeline.graph", "tfx.orchestration.local.local_dag_runner")


def import_ahead() -> None:
    """Import what a pipeline is made of in a thread; who imports it meanwhile waits for that.

    Nothing is collected until it is done, and what it has made never: the collector would look through millions of
    objects that stay, again and again, which takes a quarter of the import and a tenth of the components.
    """
    gc.disable()
    threading.Thread(target=_import, name=NAME, daemon=True).start()


def _import() -> None:
    try:
        for module in MODULES:
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
