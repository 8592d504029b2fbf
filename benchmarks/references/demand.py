"""Demand: seasonal naive and exponential smoothing, product by product, on the same days."""

import warnings

import numpy as np

from references import Array, Figure, Found, resample

BETTER = 0.9
"""Of seasonal naive's errors: at most so much."""
COVERED = (0.88, 0.92)
WEEK = 7
SEASON_DAYS = 28


def compare(found: Found) -> list[Figure]:
    """Return the median's mean absolute error, the quantiles' pinball loss and the share within the interval."""
    test = found.splits["test"]
    labels, levels = test["units"].astype("float64"), np.asarray(found.spec.inputs.target.quantiles)
    answers = found.answers["quantiles"].astype("float64")
    others = {
        "seasonal naive": seasonal_naive(found, levels),
        "exponential smoothing": exponential_smoothing(found, levels),
    }
    figures = []
    for name, score in (("MAE", mae), ("pinball loss", pinball)):
        reached = score(labels, answers, levels)
        named = {reference: score(labels, quantiles, levels) for reference, quantiles in others.items()}
        naive, smoothing = named.values()
        interval = resample(
            lambda rows, score=score: score(labels[rows], answers[rows], levels), len(labels), test["product"], 50
        )
        bar = f"at most {BETTER * naive:.2f} (10 % below seasonal naive) and {smoothing:.2f}"
        figures.append(Figure(name, reached, interval, named, bar, reached <= min(BETTER * naive, smoothing)))
    covered = share_within(labels, answers)
    bounds = resample(lambda rows: share_within(labels[rows], answers[rows]), len(labels), test["product"], 50)
    named = {reference: share_within(labels, quantiles) for reference, quantiles in others.items()}
    bar = f"{COVERED[0]} to {COVERED[1]}"
    return [
        *figures,
        Figure("share within the 90 % interval", covered, bounds, named, bar, COVERED[0] <= covered <= COVERED[1]),
    ]


def seasonal_naive(found: Found, levels: Array) -> Array:
    """Return `[test rows, levels]`: units four weeks before, the ends by the product's own errors in train."""
    train, test = found.splits["train"], found.splits["test"]
    errors = train["units"].astype("float64") - train["four_weeks_before"]
    point = test["four_weeks_before"].astype("float64")
    quantiles = np.empty((len(point), len(levels)))
    for product in np.unique(test["product"]):
        rows = test["product"] == product
        own = errors[train["product"] == product]
        ends = np.quantile(own, levels) if len(own) else np.zeros(len(levels))
        quantiles[rows] = point[rows, None] + ends
    quantiles[:, len(levels) // 2] = point
    return np.sort(quantiles.clip(0), axis=1)


def exponential_smoothing(found: Found, levels: Array) -> Array:
    """Return `[test rows, levels]` of Holt-Winters' additive method with a week's season, over all days to an origin.

    How fast it forgets is fitted once a product, before the first origin. The ends are quantiles of the errors of one
    step, a step being as uncertain as any other.
    """
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    test = found.splits["test"]
    origins, daily = days(test["origin"]), rebuild(found)
    quantiles = np.empty((len(origins), len(levels)))
    for product in np.unique(test["product"]):
        first, units = daily[product]
        of_product, fixed = test["product"] == product, {}
        for origin in np.unique(origins[of_product]):
            rows, past = of_product & (origins == origin), units[: origin - first + 1]
            model = ExponentialSmoothing(past, seasonal="add", seasonal_periods=WEEK)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of products that were hardly ever sold
                fitted = model.fit(**fixed, optimized=not fixed)
            fixed = {name: fitted.params[name] for name in ("smoothing_level", "smoothing_seasonal")}
            point = np.asarray(fitted.forecast(SEASON_DAYS))[test["days_ahead"][rows].astype(int) - 1]
            quantiles[rows] = point[:, None] + np.quantile(past - fitted.fittedvalues, levels)
            quantiles[rows, len(levels) // 2] = point
    return np.sort(quantiles.clip(0), axis=1)


def rebuild(found: Found) -> dict[bytes, tuple[int, Array]]:
    """Return each product's first day and its units by day, out of the lists that all rows hold of their past."""
    series: dict[bytes, tuple[int, Array]] = {}
    parts = [(split["product"], days(split["origin"]), split["last_56"]) for split in found.splits.values()]
    products, origins, pasts = (np.concatenate(column) for column in zip(*parts, strict=True))
    for product in np.unique(products):
        rows = products == product
        length = pasts.shape[1]
        first, last = origins[rows].min() - length + 1, origins[rows].max()
        units = np.zeros(last - first + 1)
        for origin, past in zip(origins[rows], pasts[rows], strict=True):
            units[origin - first - length + 1 : origin - first + 1] = past
        series[product] = (int(first), units)
    return series


def days(texts: Array) -> Array:
    """Return days since 1970 of `2011-10-13`."""
    return np.array([text.decode() for text in texts], "datetime64[D]").astype("int64")


def mae(labels: Array, quantiles: Array, levels: Array) -> float:
    """Return the mean absolute error of the median."""
    return float(np.abs(labels - quantiles[:, len(levels) // 2]).mean())


def pinball(labels: Array, quantiles: Array, levels: Array) -> float:
    """Return the mean pinball loss of all quantiles."""
    above = labels[:, None] - quantiles
    return float(np.maximum(levels * above, (levels - 1) * above).mean())


def share_within(labels: Array, quantiles: Array) -> float:
    """Return the share of labels from the first to the last quantile."""
    return float(((quantiles[:, 0] <= labels) & (labels <= quantiles[:, -1])).mean())
