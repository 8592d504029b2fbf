"""What a run imports, seconds of TensorFlow, TFX and Beam, while its source is read."""

import gc
import os
import sys
from importlib import import_module
from threading import Thread
from typing import NoReturn

MODULES = ("pipeline.graph", "tfx.orchestration.local.local_dag_runner")


def import_ahead() -> None:
    """Import what a pipeline is made of in a thread; who imports it meanwhile waits for that.

    Nothing is collected until it is done, and what it has made never: the collector would look through millions of
    objects that stay, again and again, which takes a quarter of the import and a tenth of the components.
    """
    gc.disable()
    Thread(target=_import, name="imports", daemon=True).start()


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
    if "tensorflow" not in sys.modules:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
