"""Remaining useful life: a constant, a linear model and gradient-boosted trees on the same columns and engines."""

import numpy as np

from references import Array, Columns, Figure, Found, resample

BAR_CYCLES = 14.5
"""Root mean squared error that is asked; published LSTMs reach 14.9 to 16.1."""
MOST_CYCLES = 125
TREES = 300
END = "cycles_to_failure"


def compare(found: Found) -> list[Figure]:
    """Return the median's errors against capped and true labels, NASA's score, and the share within the interval."""
    test = found.splits["test"]
    capped, true = test[found.spec.inputs.target.column].astype("float64"), test[END].astype("float64")
    answers = found.answers["quantiles"].astype("float64")
    low, middle, high = answers.T
    points = references(found)
    wanted = [
        ("RMSE, labels held at 125 cycles", rmse, capped, f"at most {BAR_CYCLES}", lambda value: value <= BAR_CYCLES),
        ("RMSE, labels as they are", rmse, true, "", lambda _: True),
        ("NASA's score, labels held at 125 cycles", nasa_score, capped, "", lambda _: True),
    ]
    figures = [
        Figure(
            name,
            score(labels, middle),
            resample(lambda rows, score=score, labels=labels: score(labels[rows], middle[rows]), len(labels)),
            {reference: score(labels, point) for reference, point in points.items()},
            bar,
            bool(holds(score(labels, middle))),
        )
        for name, score, labels, bar, holds in wanted
    ]
    inside = ((low <= capped) & (capped <= high)).astype("float64")
    interval = resample(lambda rows: float(inside[rows].mean()), len(inside))
    return [*figures, Figure("share within the 90 % interval", float(inside.mean()), interval, {}, "", True)]


def references(found: Found) -> dict[str, Array]:
    """Return the point answers `[test rows]` of each reference, held within 0 and 125 cycles."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    labels = found.splits["train"][found.spec.inputs.target.column].astype("float64")
    train, test = (stack(found, found.splits[split]) for split in ("train", "test"))
    models = {
        "ridge regression": make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13))),
        "gradient-boosted trees": HistGradientBoostingRegressor(max_iter=TREES, learning_rate=0.05, random_state=0),
    }
    answers = {name: model.fit(train, labels).predict(test) for name, model in models.items()}
    return {"constant": np.full(len(test), labels.mean())} | {
        name: answer.clip(0, MOST_CYCLES) for name, answer in answers.items()
    }


def stack(found: Found, columns: Columns) -> Array:
    """Return the features as one `[rows, features]` matrix; a first cycle has no rise: 0."""
    return np.nan_to_num(np.stack([columns[name] for name in found.spec.inputs.columns], axis=1))


def rmse(labels: Array, points: Array) -> float:
    """Return the root of the mean squared error, in cycles."""
    return float(np.sqrt(((points - labels) ** 2).mean()))


def nasa_score(labels: Array, points: Array) -> float:
    """Return the sum of NASA's asymmetric costs: too late costs more (Saxena et al. 2008, PHM08's challenge)."""
    late = points - labels
    return float(np.where(late < 0, np.expm1(-late / 13), np.expm1(late / 10)).sum())
