"""Metrics of classes: labels `[rows]` are class ids, -1 an unseen one, predictions `[rows, classes]`."""

from typing import Any

import numpy as np

from pipeline.formulas import Array, Formula, averaged, share


def class_accuracy() -> Formula:
    """Share of rows whose likeliest class is theirs."""
    return averaged(lambda labels, predictions: predictions.argmax(axis=1) == labels)


def class_log_loss() -> Formula:
    """Mean negative logarithm of the probability given to the row's class; an unseen class is given none."""

    def cost(labels: Array, predictions: Array) -> Any:
        given = np.where(labels >= 0, predictions[np.arange(len(labels)), labels], 0.0)
        return -np.log(given.clip(1e-7))

    return averaged(cost)


def macro_f1() -> Formula:
    """Mean of the classes' F1, of those that are there or told."""

    def rows(labels: Array, predictions: Array) -> Array:
        classes = np.arange(predictions.shape[1])
        there, told = labels[:, None] == classes, predictions.argmax(axis=1)[:, None] == classes
        return np.concatenate([there & told, there, told], axis=1).astype("float64")

    def finish(totals: Array) -> Array:
        both, there, told = np.moveaxis(totals.reshape(*totals.shape[:-1], 3, -1), -2, 0)
        each = share(2 * both, there + told)
        defined = ~np.isnan(each)
        return share(np.where(defined, each, 0).sum(axis=-1), defined.sum(axis=-1))

    return Formula(rows, finish)
