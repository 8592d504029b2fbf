"""What becomes of memory that is free again."""

from __future__ import annotations

import ctypes
import gc
import os

# https://man7.org/linux/man-pages/man3/mallopt.3.html
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BYTES = 1024 * 1024


def settle_memory() -> None:
    """To be called once all is loaded: keep the process as small as it is now.

    What is there now is left out of the collector's rounds, so that these are short, and often enough for what large
    requests leave. And glibc gives large blocks back to the system as soon as they are free: left alone it raises the
    size that counts as large with each such block, up to 32 MB, and a few large requests at once would cost their
    memory for good. Where the environment says what glibc shall do, or with another C library, nothing is changed.
    """
    gc.collect()
    gc.freeze()
    if "MALLOC_MMAP_THRESHOLD_" in os.environ:
        return
    change = getattr(ctypes.CDLL(None), "mallopt", None)
    if change is not None:
        change(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        change(_M_TRIM_THRESHOLD, _LARGE_BYTES)
