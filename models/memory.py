"""What becomes of memory that is free again."""

import ctypes
import gc


def give_back() -> None:
    """Let the system have what is no longer used: arrays in cycles of objects, and what glibc keeps for later.

    After a training on millions of rows that is more than a gigabyte, on which the next component would be put.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
