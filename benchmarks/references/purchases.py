"""Purchases: the products that most people bought, and those that lie on invoices beside what a customer had bought."""

from collections.abc import Callable

import numpy as np
import scipy.sparse as sparse
from _measure import ROOT

from references import Array, Columns, Figure, Found, resample

DAYS = (14, 30, 60, 90)
"""How far back most-popular looks; the eval split says which one is taken, or all time."""
TIMES_POPULAR = 1.5
"""Of most-popular's recall that is asked of the network."""
BEST = 100
ROWS = 2000
"""Rows that are scored at once."""
TABLE = ROOT / "data" / "online_retail.csv"
Matrix = sparse.csr_matrix


def compare(found: Found) -> list[Figure]:
    """Return recall and NDCG of the row's product on the test split, resampled by customer."""
    test = found.splits["test"]
    answers = {
        "network": found.answers["items"].astype(object),
        "most popular": popular(found),
        "item-item": neighbours(found),
    }
    ranks = {name: places(test["stock_code"], items) for name, items in answers.items()}
    model = ranks.pop("network")
    beside = {name: recall(rank, BEST) for name, rank in ranks.items()}
    asked = max(TIMES_POPULAR * beside["most popular"], beside["item-item"])
    wanted: dict[str, tuple[Callable[[Array], float], str, bool]] = {
        f"recall@{BEST}": (
            lambda rank: recall(rank, BEST),
            f"at least {TIMES_POPULAR} times most popular's, and item-item's: {asked:.4f}",
            recall(model, BEST) >= asked,
        ),
        "recall@10": (lambda rank: recall(rank, 10), "", True),
        f"NDCG@{BEST}": (gain, "", True),
    }
    return [
        Figure(
            name,
            score(model),
            resample(lambda rows, score=score: score(model[rows]), len(model), test["customer"]),
            {each: score(rank) for each, rank in ranks.items()},
            bar,
            holds,
        )
        for name, (score, bar, holds) in wanted.items()
    ]


def places(labels: Array, items: Array) -> Array:
    """Return the place `[rows]` of each row's product among `items` `[rows, any]`, from 0; BEST if it is not there."""
    hits = items[:, :BEST] == labels[:, None]
    return np.where(hits.any(axis=1), hits.argmax(axis=1), BEST)


def recall(rank: Array, most: int) -> float:
    """Return the share of rows whose product is among the first `most`."""
    return float((rank < most).mean())


def gain(rank: Array) -> float:
    """Return the mean of 1 / log2(1 + place), 0 for a product that is not there."""
    return float(np.where(rank < BEST, 1 / np.log2(rank + 2.0), 0).mean())


def popular(found: Found) -> Array:
    """Return the most frequent products before the test split `[test rows, BEST]`.

    How far back is chosen on the eval split. It knows the eval split's rows, which the network did not learn from.
    """
    train, held, test = (found.splits[split] for split in ("train", "eval", "test"))
    known = {name: np.concatenate([train[name], held[name]]) for name in ("invoice_date", "stock_code")}
    counted = {days: most_frequent(train, days) for days in (*DAYS, None)}
    best = max(counted, key=lambda days: recall(places(held["stock_code"], counted[days][None]), BEST))
    return np.tile(most_frequent(known, best), (len(test["stock_code"]), 1))


def most_frequent(columns: Columns, days: int | None) -> Array:
    """Return the BEST most frequent products of the last `days`, None: of all."""
    moments = np.array([text.decode().removesuffix("Z") for text in columns["invoice_date"]], "datetime64[s]")
    since = moments.min() if days is None else moments.max() - np.timedelta64(days, "D")
    names, counts = np.unique(columns["stock_code"][moments >= since], return_counts=True)
    return np.asarray(names[np.argsort(-counts, kind="stable")][:BEST])


def neighbours(found: Found) -> Array:
    """Return, per test row, the products with the largest sum of cosines with those of its history.

    Two products' cosine is that of the invoices that they lie on. Whether a product is its own neighbour (so that what
    was bought before comes first) and whether one that was bought twice counts twice is chosen on the eval split.
    """
    held = found.splits["eval"]
    names = np.unique(found.splits["train"]["stock_code"])
    together = cosines(names, min(held["invoice_date"]).decode())
    alone = together.copy()
    np.fill_diagonal(alone, 0)
    ways = [(nearness, once) for nearness in (together, alone) for once in (True, False)]
    reached = [recall(places(held["stock_code"], nearest(held, names, *way)), BEST) for way in ways]
    return nearest(found.splits["test"], names, *ways[int(np.argmax(reached))])


def cosines(names: Array, until: str) -> Array:
    """Return the cosine of each two products over the whole invoices before a moment `[products, products]`."""
    import duckdb

    lines = duckdb.read_csv(str(TABLE), all_varchar=True)  # noqa: F841  the query names it
    bought = duckdb.sql(
        "SELECT Invoice AS invoice, StockCode AS stock_code FROM lines WHERE CAST(Quantity AS BIGINT) > 0 "
        f"AND strptime(InvoiceDate, '%m/%d/%Y %H:%M') < TIMESTAMP '{until.removesuffix('Z')}' GROUP BY ALL"
    ).fetchnumpy()
    ids = {name.decode(): index for index, name in enumerate(names)}
    products = np.array([ids.get(code, -1) for code in bought["stock_code"]])
    _, invoices = np.unique(bought["invoice"].astype(str), return_inverse=True)
    known = products >= 0
    found = Matrix((np.ones(known.sum(), "float32"), (invoices[known], products[known])))
    counts = (found.T @ found).toarray()
    length = np.sqrt(np.diag(counts))
    return np.asarray(counts / length / length[:, None])


def nearest(columns: Columns, names: Array, nearness: Array, once: bool) -> Array:
    """Return the BEST products of each row `[rows, BEST]`."""
    history, answers = columns["history"], []
    products = np.searchsorted(names, history).clip(0, len(names) - 1)
    known = names[products] == history
    rows = np.repeat(np.arange(len(history)), known.sum(axis=1))
    had = Matrix((np.ones(len(rows), "float32"), (rows, products[known])), (len(history), len(names)))
    if once:
        had.data[:] = 1
    for start in range(0, len(history), ROWS):
        order = np.argsort(-(had[start : start + ROWS] @ nearness), axis=1, kind="stable")
        answers.append(names[order[:, :BEST]])
    return np.concatenate(answers)
