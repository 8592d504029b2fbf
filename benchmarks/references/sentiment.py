"""Sentiment: ridge on a bag of words and pairs of words (scikit-learn), and VADER's own score of each text."""

import importlib.util
import tempfile
from pathlib import Path

import numpy as np

from pipeline.fetch import Fetch, fetch_files
from references import Array, Figure, Found, resample

VADER = Fetch(
    package="vaderSentiment==3.3.2", sha256="3bf1d243b98b1afad575b9f22bc2cb1e212b94ff89ca74f8a23a588d024ea311"
)
VADER_FILES = ("vaderSentiment.py", "vader_lexicon.txt", "emoji_utf8_lexicon.txt")
ALPHAS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Penalties of the ridge that are tried; the eval split says which one is taken."""
JUDGED = "movies"
"""The domain with the bar."""


def compare(found: Found) -> list[Figure]:
    """Return correlation and F1 by domain, on the test split."""
    test = found.splits["test"]
    ratings, domains = test["rating"].astype("float64"), test["domain"].astype(str)
    network = found.answers["value"].ravel().astype("float64")
    others = {"ridge": ridge(found), "VADER": vader(texts(test))}
    figures = []
    for domain in (JUDGED, *sorted(set(domains) - {JUDGED, "words"})):
        rows = np.flatnonzero(domains == domain)
        label, model = ratings[rows], network[rows]
        beside = {name: each[rows] for name, each in others.items()}
        figures.append(correlation(domain, label, model, beside))
        figures.append(
            Figure(
                f"F1, {domain}",
                f1(label, model),
                resample(lambda drawn, label=label, model=model: f1(label[drawn], model[drawn]), len(rows)),
                {name: f1(label, each) for name, each in beside.items()},
                "",
                holds=True,
            )
        )
    return figures


def correlation(domain: str, label: Array, model: Array, beside: dict[str, Array]) -> Figure:
    """Return Pearson's r of a domain; the bar is that all of a reference's paired interval lies below."""

    def gain(drawn: Array, other: Array) -> float:
        return pearson(label[drawn], model[drawn]) - pearson(label[drawn], other[drawn])

    is_judged = domain == JUDGED
    lowest = [resample(lambda drawn, other=other: gain(drawn, other), len(label))[0] for other in beside.values()]
    return Figure(
        f"Pearson's r, {domain}",
        pearson(label, model),
        resample(lambda drawn: pearson(label[drawn], model[drawn]), len(label)),
        {name: pearson(label, other) for name, other in beside.items()},
        f"above both (the paired gain is at least {min(lowest):.3f})" if is_judged else "",
        holds=min(lowest) > 0 or not is_judged,
    )


def pearson(label: Array, prediction: Array) -> float:
    """Return the correlation."""
    return float(np.corrcoef(label, prediction)[0, 1])


def f1(label: Array, prediction: Array) -> float:
    """Return the mean of both signs' F1, of the texts that people found positive or negative."""
    from sklearn.metrics import f1_score

    told = label != 0
    return float(f1_score(label[told] > 0, prediction[told] > 0, average="macro"))


def ridge(found: Found) -> Array:
    """Return the ridge's predictions `[test rows]`; it learns from the train split."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    train = words.fit_transform(texts(found.splits["train"]))
    held, test = (words.transform(texts(found.splits[split])) for split in ("eval", "test"))
    fitted = [Ridge(alpha=alpha).fit(train, found.splits["train"]["rating"]) for alpha in ALPHAS]
    best = max(fitted, key=lambda model: pearson(found.splits["eval"]["rating"], model.predict(held)))
    return np.asarray(best.predict(test))


def vader(said: list[str]) -> Array:
    """Return VADER's compound score of each text."""
    with tempfile.TemporaryDirectory() as folder:
        fetch_files(VADER, [Path(folder, name) for name in VADER_FILES])
        spec = importlib.util.spec_from_file_location("vader", Path(folder, VADER_FILES[0]))
        if spec is None or spec.loader is None:
            raise ImportError(VADER_FILES[0])
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        analyzer = module.SentimentIntensityAnalyzer()
    return np.array([analyzer.polarity_scores(text)["compound"] for text in said])


def texts(columns: dict[str, Array]) -> list[str]:
    """Return the texts of a split."""
    return [text.decode() for text in columns["text"]]
