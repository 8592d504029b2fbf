"""A roll-out on the caller's side: for a server that splits nothing itself, as TensorFlow Serving."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from serving.bookkeeping import read_standing
from serving.canary.split import first_value, to_key
from serving.client.messages import Columns, Example, Wire
from serving.client.rows import Extra, Row, Rows, first_row, restore
from serving.client.session import Session, Steps
from serving.counts import Array, Counts, Side, read_prediction
from serving.errors import InvalidArgumentError, RowsError, ServingError
from serving.history import FILE
from serving.standing import Rollout

_logger = logging.getLogger(__name__)

T = TypeVar("T")
LOOK_S = 1.0


class Outcome(NamedTuple):
    """What became of a request to one side.

    Attributes:
        seconds: until then, further attempts included.
        answer: if there was one.
        error: if not.
    """

    seconds: float
    answer: Any = None
    error: ServingError | None = None


class Follower:
    """Knows from the history which step there is, and writes what was counted, each second in a thread of its own.

    Attributes:
        rollout: the one that is under way, at its step; None: none is.
        counts: what this caller has seen of both sides.
    """

    def __init__(self, base: Path) -> None:
        if not base.is_dir():
            raise InvalidArgumentError(f"rollout: expected the folder of the model's versions, received {base}")
        self.rollout: Rollout | None = None
        self.counts = Counts()
        self._base, self._seen = base, (0, 0)
        self._is_over = threading.Event()
        self._look()
        self._thread = threading.Thread(target=self._run, name="rollout", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write the rest."""
        self._is_over.set()
        self._thread.join()
        self.counts.flush()

    def _run(self) -> None:
        while not self._is_over.wait(LOOK_S):
            self._look()
            self.counts.flush()
            self.counts.keep({self.find_folder(self.rollout)} if self.rollout else ())

    def find_folder(self, rollout: Rollout) -> Path:
        """Return where it is told what was counted."""
        return rollout.find_counts(self._base)

    def _look(self) -> None:
        file = self._base / FILE
        try:
            found = file.stat() if file.exists() else None
            stamp = (found.st_mtime_ns, found.st_size) if found else (0, 0)
            if stamp != self._seen:
                standing = read_standing(self._base)
                self.rollout, self._seen = standing.rollout if standing.trial else None, stamp
        except (OSError, ServingError) as error:
            _logger.warning("%s cannot be read, so requests are split as before: %s", file, error)


class SplitSession(Session):
    """A session that sends requests to a side, as `penstock serve` would, and counts what becomes of them.

    Stable is who answers for no version (docs/adr/0006), the canary has its label. Where the canary fails, stable
    answers. A shadow copy goes to the canary before the caller gets stable's answer.
    """

    def __init__(self, stable: Wire, canary: Wire, base: Path) -> None:
        """Begin to follow the roll-outs of the versions below `base`.

        Raises:
            InvalidArgumentError: no such folder.
        """
        super().__init__(stable)
        self._canary = Session(canary)
        self._follower = Follower(base)

    def close(self) -> None:
        """Write the rest of what was counted."""
        self._follower.close()

    def predict(self, rows: Rows, signature_name: str, extra: Extra) -> Steps[Any]:
        """Ask one side about the rows."""
        outputs, signature = yield from self._split(
            rows, lambda side: Session.ask(side, rows, signature_name, extra), lambda found: found[0]
        )
        return restore(outputs, rows, signature)

    def classify(self, examples: Sequence[Example], signature_name: str) -> Steps[list[list[tuple[str, float]]]]:
        """Ask one side for the classes of examples."""
        return self._split(examples, lambda side: Session.classify(side, examples, signature_name), _classes_and_scores)

    def regress(self, examples: Sequence[Example], signature_name: str) -> Steps[list[float]]:
        """Ask one side for the values of examples."""
        return self._split(
            examples, lambda side: Session.regress(side, examples, signature_name), lambda found: {"outputs": found}
        )

    def _split(self, rows: Rows, ask: Callable[[Session], Steps[T]], read: Callable[[T], Columns]) -> Steps[T]:
        """Ask the side that the first of the rows belongs to; `read` gives an answer's outputs by name."""
        rollout = self._follower.rollout
        if rollout is None:
            return (yield from ask(self))
        is_shadow, canary = rollout.step.mode == "shadow", None
        if rollout.sends_to_canary(_find_key(first_row(rows), rollout.trial.plan.key)):
            canary = yield from _try(self._canary, ask)
            if canary.error is None and not is_shadow:
                self._count(rollout, "canary", canary, read)
                return cast("T", canary.answer)
        stable = yield from _try(self, ask)
        if isinstance(stable.error, RowsError):
            # the rows are at fault, not who was asked
            raise stable.error
        if canary is not None:
            self._count(rollout, "canary", canary, read)
        if is_shadow == (canary is not None):
            self._count(rollout, "stable", stable, read)
        if stable.error is not None:
            raise stable.error
        if canary is not None and canary.error is None:
            pair = _arrays(read(stable.answer)), _arrays(read(canary.answer))
            self._follower.counts.compare(self._follower.find_folder(rollout), *pair)
        return cast("T", stable.answer)

    def _count(self, rollout: Rollout, side: Side, outcome: Outcome, read: Callable[[Any], Columns]) -> None:
        folder = self._follower.find_folder(rollout)
        if outcome.error is not None:
            self._follower.counts.fail(folder, side)
        else:
            prediction = read_prediction(_arrays(read(outcome.answer), 1), rollout.trial.plan.output)
            self._follower.counts.count(folder, side, outcome.seconds, prediction)


def _try(side: Session, ask: Callable[[Session], Steps[Any]]) -> Steps[Outcome]:
    started = time.perf_counter()
    try:
        answer = yield from ask(side)
    except ServingError as error:
        return Outcome(time.perf_counter() - started, error=error)
    return Outcome(time.perf_counter() - started, answer)


def _find_key(row: Row, column: str | None) -> bytes:
    """Return the key of a request by its first row; of a row without one, all of it."""
    value = first_value(row.get(column)) if column is not None else None
    return json.dumps(row, default=str, sort_keys=True).encode() if value is None else to_key(value)


def _arrays(outputs: Columns, rows: int | None = None) -> Mapping[str, Array]:
    """Return the outputs of the first `rows`, texts as objects (bytes); nothing of rows of several lengths."""
    try:
        arrays = {name: np.asarray(values[:rows]) for name, values in outputs.items()}
    except ValueError:
        return {}
    return {name: _to_bytes(array) if array.dtype.kind in "SU" else array for name, array in arrays.items()}


def _to_bytes(texts: Array) -> Array:
    return (np.char.encode(texts, "utf-8") if texts.dtype.kind == "U" else texts).astype(object)


def _classes_and_scores(found: list[list[tuple[str, float]]]) -> Columns:
    return {
        "classes": [[name for name, _ in pairs] for pairs in found],
        "scores": [[score for _, score in pairs] for pairs in found],
    }
