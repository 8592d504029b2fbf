"""Three tables that no linear model gets right, and one training of a family on one of them.

Shared by benchmarks/families.py and tests/models/test_families_learn.py.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from models.discovery import discover
from models.encoded import Encoded, embed, embed_steps, sequence

Array = np.ndarray[Any, Any]


class Table(NamedTuple):
    """A table, encoded.

    Attributes:
        numbers: `[rows, columns] float32`, about standardized.
        ids: `[rows, columns] int64`, below `sizes`.
        sizes: ids of each category.
        words: `[rows, length] int64`, 0 is padding, or no text.
        labels: class ids, or float32.
        classes: how many; 0 of a number.
        train: so many first rows to learn from; the others to measure.
        epochs: enough to learn it.
        batch_size: rows a step.
    """

    numbers: Array
    ids: Array
    sizes: tuple[int, ...]
    words: Array | None
    labels: Array
    classes: int
    train: int
    epochs: int
    batch_size: int


class Trained(NamedTuple):
    """How a training went: the error on the rows left aside, and the seconds from building the network to its end."""

    error: float
    seconds: float


def penguins() -> Table:
    """344 penguins as palmerpenguins describes them, in figures made up, and 4,000 more to measure.

    One species is the one whose bill is of middling length and depth; flippers and mass tell the other two apart.
    """
    random = np.random.default_rng(0)
    rows = 4344
    island, sex = random.integers(0, 3, rows), random.integers(0, 3, rows)
    bill = random.normal(size=(rows, 2))
    mass = random.normal(size=rows) + 0.5 * (sex - 1)
    flipper = 0.8 * mass + 0.6 * random.normal(size=rows)
    middling = (bill**2).sum(axis=1) < 0.5
    species = np.where(middling, 1, np.where(mass - 0.5 * (sex - 1) + 0.3 * (island == 2) > 0.1, 2, 0))
    numbers = np.column_stack([bill, flipper, mass]).astype("float32")
    return Table(numbers, np.column_stack([island, sex]), (3, 3), None, species, 3, 344, epochs=40, batch_size=16)


def regression() -> Table:
    """50,000 rows of Friedman's first function (1991, https://doi.org/10.1214/aos/1176347963), 40,000 to learn from.

    Of seven numbers five count; one term's sign is turned by a category. The noise's deviation is 1.
    """
    random = np.random.default_rng(0)
    rows = 50_000
    x, kind = random.uniform(size=(rows, 7)), random.integers(0, 8, rows)
    smooth = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 5 * x[:, 4]
    labels = smooth + np.where(kind % 2, 10, -10) * x[:, 3] + random.normal(size=rows)
    numbers = ((x - 0.5) * np.sqrt(12)).astype("float32")
    return Table(numbers, kind[:, None], (8,), None, labels.astype("float32"), 0, 40_000, epochs=5, batch_size=256)


WORDS, NEGATIONS, IRONY, KIND, UNKIND = 100, range(2, 4), 6, range(10, 20), range(20, 30)


def text() -> Table:
    """20,000 sentences of 6 to 16 words, 16,000 to learn from: is the sentence kind?

    Kind words and unkind ones count; a negation turns the next word, one word of irony the whole sentence.
    """
    random = np.random.default_rng(0)
    rows, length = 20_000, 16
    words = random.integers(30, WORDS, (rows, length))
    telling = random.uniform(size=words.shape) < 0.25
    words[telling] = random.integers(KIND.start, UNKIND.stop, telling.sum())
    negated = np.zeros_like(telling)
    negated[:, 1:] = telling[:, 1:] & ~telling[:, :-1] & (random.uniform(size=(rows, length - 1)) < 0.3)
    words[:, :-1][negated[:, 1:]] = random.integers(NEGATIONS.start, NEGATIONS.stop, negated.sum())
    ironic = random.uniform(size=rows) < 0.25
    words[ironic, 0] = IRONY
    negated[ironic, 1] = np.isin(words[ironic, 0], NEGATIONS) & negated[ironic, 1]
    words[np.arange(length) >= random.integers(6, length + 1, rows)[:, None]] = 0
    mood = np.select(
        [(words >= KIND.start) & (words < KIND.stop), (words >= UNKIND.start) & (words < UNKIND.stop)], [1, -1]
    )
    total = np.where(negated, -mood, mood).sum(axis=1)
    total = np.where(total == 0, random.choice([-1, 1], rows), total)
    labels = (np.where(ironic, -total, total) > 0).astype("int64")
    nothing = np.zeros((rows, 0))
    return Table(nothing.astype("float32"), nothing.astype("int64"), (), words, labels, 2, 16_000, 6, 256)


TABLES: dict[str, Callable[[], Table]] = {"penguins": penguins, "regression": regression, "text": text}
PAIRS = 8192
"""Ids of pairs of words, by hash."""


def grams(words: Array) -> Array:
    """Return the words, then each pair of neighbours: `[rows, 2 * length - 1]`, 0 is padding."""
    pairs = 1 + (words[:, :-1] * 31 + words[:, 1:] * 7919) % (PAIRS - 1) + WORDS
    return np.concatenate([words, np.where(words[:, 1:] > 0, pairs, 0)], axis=1)


def encode(table: Table, steps: bool) -> tuple[dict[str, Any], list[Encoded], dict[str, Array]]:
    """Return Keras inputs, the encoded features and the arrays for the inputs.

    A family that needs `steps` gets a text's words in their order, and a table's numbers as one list; others get the
    mean of a text's words and pairs, and the numbers one by one.
    """
    import keras

    columns: dict[str, Array] = {f"id_{index}": table.ids[:, index] for index in range(len(table.sizes))}
    if table.words is not None:
        columns["words"] = table.words if steps else grams(table.words)
    elif steps:
        columns["list"] = table.numbers[..., None]
    else:
        columns |= {f"number_{index}": column[:, None] for index, column in enumerate(table.numbers.T)}
    inputs = {
        name: keras.Input(column.shape[1:], dtype=column.dtype.name, name=name) for name, column in columns.items()
    }
    features = [embed(inputs[f"id_{index}"], size, None, f"id_{index}") for index, size in enumerate(table.sizes)]
    for name, given in inputs.items():
        if name == "words":
            features.append(embed_steps(given, WORDS if steps else WORDS + PAIRS, None, name))
        elif name == "list":
            features.append(sequence(given, keras.ops.ones_like(given[:, :, 0], dtype="bool")))
        elif name.startswith("number"):
            features.append(Encoded(given))
    return inputs, features, columns


def train(family: str, table: Table, **settings: Any) -> Trained:
    """Train a family on a table with Adam, the step size falling to 0 along a cosine."""
    import keras

    began = time.perf_counter()
    keras.utils.set_random_seed(1)
    module = discover("models.families")[family]
    inputs, features, columns = encode(table, module.NEEDS_STEPS)
    outputs = module.build(features, module.Params(**settings), table.classes or 1)
    network = keras.Model(inputs, outputs)
    steps = table.epochs * -(-table.train // table.batch_size)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if table.classes else "mse"
    schedule = keras.optimizers.schedules.CosineDecay(0.003, steps)
    network.compile(keras.optimizers.Adam(schedule), loss, jit_compile=False)
    known = table.labels[: table.train]
    offset, spread = (0, 1) if table.classes else (known.mean(), known.std())
    seen = {name: column[: table.train] for name, column in columns.items()}
    network.fit(seen, (known - offset) / spread, table.batch_size, table.epochs, verbose=0)
    found = network.predict({name: column[table.train :] for name, column in columns.items()}, 1024, verbose=0)
    answers = found.argmax(axis=1) if table.classes else found[:, 0] * spread + offset
    return Trained(error(table, answers), time.perf_counter() - began)


def error(table: Table, answers: Array) -> float:
    """Return the share of wrong classes, or the root of the mean squared error, over the rows left aside."""
    labels = table.labels[table.train :]
    return float((answers != labels).mean() if table.classes else np.sqrt(np.mean((answers - labels) ** 2)))


def constant(table: Table) -> float:
    """Return the error of the most frequent class, or of the mean."""
    known = table.labels[: table.train]
    answer = np.bincount(known).argmax() if table.classes else known.mean()
    return error(table, np.full(len(table.labels) - table.train, answer))


def linear(table: Table) -> float:
    """Return the error of a linear model over numbers, ids one-hot and counts of words and pairs of words."""
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression, Ridge

    parts = [sparse.csr_matrix(table.numbers)]
    parts += [one_hot(table.ids[:, [index]], size) for index, size in enumerate(table.sizes)]
    if table.words is not None:
        parts.append(one_hot(grams(table.words), WORDS + PAIRS)[:, 1:])
    columns = sparse.hstack(parts).tocsr()
    model = LogisticRegression(solver="newton-cg") if table.classes else Ridge()
    model.fit(columns[: table.train], table.labels[: table.train])
    return error(table, model.predict(columns[table.train :]))


def one_hot(ids: Array, size: int) -> Any:
    """Return `[rows, size]` counts of the ids of each row, sparse."""
    from scipy import sparse

    rows = np.repeat(np.arange(len(ids)), ids.shape[1])
    return sparse.csr_matrix((np.ones(ids.size, "float32"), (rows, ids.reshape(-1))), (len(ids), size))
