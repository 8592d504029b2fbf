"""What a run imports while its source is read, and how a process with TensorFlow in it ends."""

import gc
import sys
import threading

import pytest

from pipeline import imports
from pipeline.imports import import_ahead, leave


def join():
    for thread in threading.enumerate():
        if thread.name == imports.NAME:
            thread.join(10)


def test_modules_are_imported_while_nothing_is_collected(monkeypatch):
    told = []
    for name in ("disable", "freeze", "enable"):
        monkeypatch.setattr(gc, name, lambda name=name: told.append(name))
    monkeypatch.delitem(sys.modules, "this", raising=False)
    import_ahead(("this", "no.such.module"))
    join()
    assert "this" in sys.modules
    assert told == ["disable", "freeze", "enable"]


def test_with_tensorflow_the_process_ends_at_once(monkeypatch, capfd):
    left = []
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    monkeypatch.setattr(imports.os, "_exit", left.append)
    print("said before", end="")
    leave(3)
    assert left == [3]
    assert capfd.readouterr().out == "said before"


def test_without_it_as_ever(monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    with pytest.raises(SystemExit) as ended:
        leave(2)
    assert ended.value.code == 2
