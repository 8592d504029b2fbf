"""A table with every kind of column: lists, free text, places, flags and sensors, from Parquet to answers over REST."""

import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow

ROWS = 20_000


def shopping() -> Iterator[dict[str, Any]]:
    """Rows in which each column tells something of the label that no other does."""
    chance = random.Random(0)
    for index in range(ROWS):
        sales = [100 * chance.random() for _ in range(chance.randint(0, 12))]
        viewed = chance.choices(["shoe", "hat", "coat", "sock"], k=chance.randint(0, 9))
        mood = chance.choice(["good", "bad", "average"])
        shop, channel = chance.choice(["north", "south"]), chance.choice(["web", "store"])
        member = chance.choice(["yes", "no", None])
        image = [4 * chance.random() for _ in range(3)]
        heat = chance.uniform(-1, 1)
        score = (
            (1 if viewed[-8:].count("shoe") > 1 else -0.4)
            + (sum(sales[-8:]) / max(len(sales[-8:]), 1) - 45) / 10
            + 1.5 * {"good": 1, "bad": -1, "average": 0}[mood]
            + (1.2 if (shop == "north") == (channel == "web") else -1.2)
            + (1 if member == "yes" else -0.5)
            + 0.5 * (image[0] - image[2])
            + 2 * heat
        )
        yield {
            "sales": sales or None,
            "viewed": viewed,
            "said": f"{chance.choice(['I think', 'We say:'])} this is {mood.upper()}, number {index}!",
            "shop": shop,
            "channel": channel,
            "member": member,
            "gift": chance.random() < 0.3,
            "image": image if chance.random() < 0.9 else None,
            "user_id": index % 300,
            "t1": heat + chance.gauss(0, 0.1),
            "t2": 3 * heat + chance.gauss(0, 0.3),
            "t3": None if chance.random() < 0.1 else 7 - heat + chance.gauss(0, 0.1),
            "bought": chance.random() < 1 / (1 + math.exp(-score)),
        }


PROBLEM = """
name: shopping
source: {kind: parquet, files: shopping.parquet}
split: {by: hash, eval: 0.1, test: 0.1}
target: {column: bought, kind: binary}
features:
  sales: {kind: sequence, length: 8}
  viewed: {kind: sequence, of: ids, length: 8}
  said: {kind: text, max_tokens: 12, ngrams: 2, min_count: 50}
  shop: categorical
  channel: {kind: categorical, hash_buckets: 10}
  shop and channel: {kind: crossed, columns: [shop, channel], hash_buckets: 50}
  member: boolean
  gift: boolean
  image: {kind: vector, length: 3}
  user_id: {kind: embedding, units: 4, l2: 0.001}
  sensors: {kind: pca, columns: [t1, t2, t3], components: 1}
model: {family: mlp, layers: [32, 16]}
training: {epochs: 4, batch_size: 256}
evaluation:
  slices: [[shop]]
  gates: {auc: {min: 0.8}}
"""


def test_every_kind_of_column_from_parquet_to_answers(tmp_path):
    pq.write_table(pa.Table.from_pylist(list(shopping())), tmp_path / "shopping.parquet")
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems" / "shopping.yaml").write_text(PROBLEM, "utf-8")
    result = json.loads(penstock(tmp_path, "run", "problems/shopping.yaml", "--ask", "3", "--json"))
    assert result["metrics"][0]["values"]["auc"] > 0.8
    assert len(result["asked"]["answers"]) == 3
    assert {"sales", "viewed", "t1"} & set(result["asked"]["rows"][0])


def penstock(folder: Path, *arguments: str) -> str:
    """Run the command line in `folder` and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PENSTOCK_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
    return done.stdout
