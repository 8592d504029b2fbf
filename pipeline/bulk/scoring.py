"""A problem's rows, or others of its form, scored by a version that was pushed, into one file."""

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from models.export import read_spec
from pipeline.bulk.pieces import Piece, Staged, read_rows
from pipeline.errors import InputError, RunError, name_full_disk
from pipeline.problem import LoadedProblem
from pipeline.rows.formats import assemble
from pipeline.rows.parts import SUFFIX, Job, Parts, open_parts, remove_parts
from serving.artifact import DEFAULT_SIGNATURE, read_signatures

STAGES = "rows"
"""Folder of the rows as they were read, beside their parts."""


Watch = Callable[[Parts, Staged], AbstractContextManager[None]]


class Order(NamedTuple):
    """What is to be scored, and how.

    Attributes:
        data: in place of the problem's first table; None: the problem's own.
        out: the file to write.
        version: folder of the version that scores.
        keys: columns beside the answers; empty: all of them.
        prefix: of the answers' names.
        beam: arguments of the Beam pipeline.
        restart: forget what an earlier, stopped run has scored.
    """

    data: Path | None
    out: Path
    version: Path
    keys: tuple[str, ...]
    prefix: str
    beam: tuple[str, ...]
    restart: bool = False


class Scored(NamedTuple):
    """What was done.

    Attributes:
        out: the file.
        rows: in it.
        scored_before: of these, by an earlier run.
        rejected: rows that could not be read.
        version: that scored.
        read_s: seconds until the rows were there.
        seconds: of everything.
    """

    out: str
    rows: int
    scored_before: int
    rejected: int
    version: int
    read_s: float
    seconds: float


def score(loaded: LoadedProblem, order: Order, watch: Watch) -> Scored:
    """Score the rows that have no part yet, then make one file of all parts; a run that was killed goes on here.

    Args:
        loaded: the problem.
        order: what to do.
        watch: entered while the pieces are scored, to tell how far it is.

    Raises:
        InputError: the rows can't be read, do not fit the model, or were begun as another job.
        RunError: the disk is full, or a runner has lost a row.
    """
    began = time.monotonic()
    stages = order.out.with_name(order.out.name + SUFFIX) / STAGES
    if order.restart:
        shutil.rmtree(stages, ignore_errors=True)
    with name_full_disk(order.out.absolute().parent):
        staged = read_rows(loaded, order.data, order.version, stages)
        read_s = time.monotonic() - began
        keys = _choose_keys(staged, order)
        with open_parts(order.out, _job(loaded, staged, order), restart=order.restart) as parts:
            waiting = [piece for piece in staged.pieces if parts.find(piece.number) is None]
            if waiting:
                with watch(parts, staged):
                    _run(waiting, parts, order, keys)
            _refuse_loss(staged.pieces, parts)
            _keep_refused(staged, parts)
            assemble(parts, order.out)
            remove_parts(parts)
    return Scored(
        out=str(order.out),
        rows=staged.rows,
        scored_before=staged.rows - sum(piece.rows for piece in waiting),
        rejected=staged.rejected,
        version=int(order.version.name),
        read_s=round(read_s, 3),
        seconds=round(time.monotonic() - began, 3),
    )


def _choose_keys(staged: Staged, order: Order) -> tuple[str, ...]:
    """Return the columns that stand beside the answers.

    Raises:
        InputError: a column that the rows lack, or that an answer has the name of.
    """
    absent = [name for name in order.keys if name not in staged.columns]
    if absent:
        raise InputError(f"--key: expected columns of {', '.join(staged.columns)}; received {', '.join(absent)}")
    keys = order.keys or tuple(staged.columns)
    answers = {f"{order.prefix}{name}" for name in read_signatures(order.version)[DEFAULT_SIGNATURE].outputs}
    taken = [name for name in keys if name in answers]
    if taken:
        raise InputError(f"the rows have a column {', '.join(taken)} already; --prefix gives the answers other names")
    return keys


def _job(loaded: LoadedProblem, staged: Staged, order: Order) -> Job:
    rows = max((piece.rows for piece in staged.pieces), default=0)
    version, keys = int(order.version.name), " ".join(order.keys)
    return Job(staged.digest, loaded.problem.name, version, DEFAULT_SIGNATURE, "fail", order.prefix, rows, keys)


def _run(pieces: Sequence[Piece], parts: Parts, order: Order, keys: tuple[str, ...]) -> None:
    from pipeline.bulk.inference import Task
    from pipeline.bulk.inference import score as score_pieces

    inputs = read_spec(order.version).inputs
    score_pieces(pieces, Task(str(order.version), inputs, keys, order.prefix, str(parts.folder)), order.beam)


def _refuse_loss(pieces: Sequence[Piece], parts: Parts) -> None:
    """Refuse parts that have not just the rows of their pieces.

    Raises:
        RunError: names the first of them.
    """
    for piece in pieces:
        found = parts.count(piece.number)
        if found != piece.rows:
            raise RunError(f"part {piece.number}: expected {piece.rows:,} rows, found {found:,}; --restart begins anew")


def _keep_refused(staged: Staged, parts: Parts) -> None:
    """Let the rows that could not be read come beside the output, with file, line, column and reason."""
    import pyarrow.parquet as pq

    for number, file in enumerate(staged.refused):
        parts.refuse(number, pq.read_table(file).to_pylist())
