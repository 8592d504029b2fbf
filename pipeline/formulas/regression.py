"""Metrics of a number: labels `[rows]`, predictions `[rows, 1]`, in the label's unit."""

import numpy as np

from pipeline.formulas import Array, Formula, averaged, counted, mean, share


def mse() -> Formula:
    """Mean squared error."""
    return averaged(_squares)


def rmse() -> Formula:
    """Root of the mean squared error."""
    return Formula(
        lambda labels, predictions: counted(_squares(labels, predictions)), lambda totals: mean(totals) ** 0.5
    )


def mae() -> Formula:
    """Mean absolute error."""
    return averaged(lambda labels, predictions: np.abs(_errors(labels, predictions)))


def mape() -> Formula:
    """Mean absolute error as a share of the label, of rows whose label is not 0."""

    def rows(labels: Array, predictions: Array) -> Array:
        defined = labels != 0
        shares = np.abs(_errors(labels, predictions)) / np.where(defined, np.abs(labels.astype("float64")), 1.0)
        return np.stack([np.where(defined, shares, 0.0), defined], axis=1)

    return Formula(rows, mean)


def r2() -> Formula:
    """Share of the label's variance that the prediction explains; NaN for a constant label."""

    def rows(labels: Array, predictions: Array) -> Array:
        exact = labels.astype("float64")
        return np.stack([_squares(labels, predictions), exact, exact**2, np.ones(len(exact))], axis=1)

    def finish(totals: Array) -> Array:
        error, total, squares, count = np.moveaxis(totals, -1, 0)
        deviation = squares - share(total**2, count)
        # rounding leaves a little of nothing
        return 1 - share(error, np.where(deviation > 1e-12 * squares, deviation, 0))

    return Formula(rows, finish)


def _errors(labels: Array, predictions: Array) -> Array:
    return labels.astype("float64") - predictions[:, 0]


def _squares(labels: Array, predictions: Array) -> Array:
    return _errors(labels, predictions) ** 2
