"""The whole gate, with TFDV: statistics, schema, drift and skew, levels, acceptance, what is kept for the next run."""

import numpy as np
import pytest
from google.protobuf import text_format

from pipeline.convert import convert
from pipeline.examples.load import Label
from pipeline.gate.distances import Pair, too_far
from pipeline.gate.facts import read_facts
from pipeline.gate.judge import Case, GateRequest, judge
from pipeline.gate.statistics import STATISTICS_FILE
from pipeline.gate.verdict import read_verdict
from pipeline.problem import DataGate
from pipeline.statistics import table_statistics
from pipeline.tables import connect, describe

from .conftest import FEATURES, SPLITS, orders, write

pytestmark = pytest.mark.tensorflow

SCHEMA = """
feature { name: "late" type: INT presence { min_count: 1 } value_count { min: 1 max: 1 } bool_domain {} }
feature { name: "price" type: FLOAT presence { min_fraction: 1 min_count: 1 } value_count { min: 1 max: 1 }
  float_domain { min: 0 } drift_comparator { jensen_shannon_divergence { threshold: 0.05 } } }
feature { name: "items" type: INT presence { min_count: 1 } value_count { min: 1 max: 1 } }
feature { name: "shop" type: BYTES presence { min_count: 1 } value_count { min: 1 max: 1 }
  string_domain { value: "Bern" value: "Genf" value: "Zug" }
  drift_comparator { infinity_norm { threshold: 0.05 } } skew_comparator { infinity_norm { threshold: 0.05 } } }
feature { name: "ordered" type: BYTES presence { min_count: 1 } value_count { min: 1 max: 1 } }
default_environment: "TRAINING"
"""


def schema():
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema

    return text_format.Parse(SCHEMA, Schema())


def request(**changes):
    given = {
        "splits": SPLITS,
        "label": Label(column="late", kind="binary"),
        "features": FEATURES,
        "split_by": "time",
        "split_columns": ("ordered",),
    }
    return GateRequest(**(given | changes))


class Runs:
    """Judges tables, one after the other."""

    def __init__(self, folder):
        self.folder, self.number = folder, 0

    def judge(self, table, previous=None, **changes):
        self.number += 1
        out = self.folder / f"verdict{self.number}"
        examples = write(self.folder / f"examples{self.number}", table)
        case = Case(request(**changes), examples, schema(), previous=previous, compared_with="7", named="last week")
        return judge(case, out), out


@pytest.fixture
def runs(tmp_path):
    return Runs(tmp_path)


def named(verdict):
    return {finding.name: finding for finding in verdict.findings}


def test_sound_data_pass_and_are_kept_for_the_next_run(runs):
    first, folder = runs.judge(orders())
    assert (first.findings, first.compared_with, first.named, first.is_blocked) == ((), "7", "", False)
    assert read_verdict(folder) == first
    assert read_facts(folder).rows == {"train": 4200, "eval": 1200, "test": 600}
    second, _ = runs.judge(orders(1), folder)
    assert (second.findings, second.named) == ((), "last week")


def test_what_the_schema_does_not_allow_blocks_and_names_the_edit(runs):
    table = orders()
    table["shop"][::50] = "Chur"
    table["price"][::10] = np.nan
    del table["items"]
    found = named(runs.judge(table, features=("price", "shop", "ordered"))[0])
    assert {name: finding.level for name, finding in found.items()} == dict.fromkeys(
        ("schema:shop", "schema:price", "schema:items"), "block"
    )
    assert found["schema:shop"].message.startswith("unexpected values: Chur")
    assert found["schema:shop"].accept == "penstock schema accept PROBLEM shop:unexpected-values"
    assert "none in 10.00% of the rows; expected a value in every row" in found["schema:price"].message


def test_drift_beyond_the_schemas_limit_blocks(runs):
    _, folder = runs.judge(orders())
    table = orders(1)
    table["shop"][::8] = "Bern"
    found = named(runs.judge(table, folder)[0])
    drift = found["drift:shop"]
    assert drift.level == "block"
    assert "from last week, the schema's limit is 0.05" in drift.message
    assert drift.accept.startswith("penstock schema accept PROBLEM shop:drift=0.0")


def test_drift_without_a_limit_of_the_schemas_has_a_default_one(runs):
    _, folder = runs.judge(orders())
    table = orders(1)
    table["items"] = table["items"] * 100
    found = named(runs.judge(table, folder)[0])
    assert found["drift:items"].message.endswith("default limit is 0.4")


def test_levels_follow_the_policy(runs):
    table = orders()
    table["shop"][::50] = "Chur"
    table["items"][:] = 1
    warned = named(runs.judge(table, policy=DataGate(warn=("schema",)))[0])
    assert {name: finding.level for name, finding in warned.items()} == {
        "schema:shop": "warn",
        "constant:items": "warn",
    }
    assert not named(runs.judge(table, policy=DataGate(ignore=("schema", "constant")))[0])
    limited = DataGate(limits={"rows": {"train": 5000}})
    assert (
        named(runs.judge(orders(), policy=limited)[0])["rows"].message == "4,200 training rows, expected at least 5,000"
    )


def test_a_finding_that_was_accepted_does_not_block(runs):
    _, folder = runs.judge(orders())
    lost = {name: values[:2000] for name, values in orders(1).items()}
    blocked, _ = runs.judge(lost, folder)
    assert {finding.name for finding in blocked.findings if finding.level == "block"} >= {"rows"}
    names = tuple(finding.name for finding in blocked.findings if finding.level == "block")
    accepted, after = runs.judge(lost, folder, accepted=names)
    assert not accepted.is_blocked
    assert named(accepted)["rows"].level == "accepted"
    # what was accepted is what the next run's data is compared with
    assert "rows" not in named(runs.judge(lost, after)[0])


def test_statistics_and_distances_are_those_of_tfdv(runs, tmp_path):
    from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList

    folders = [runs.judge(orders(seed))[1] for seed in range(2)]
    ours = [DatasetFeatureStatisticsList.FromString((folder / STATISTICS_FILE).read_bytes()) for folder in folders]
    theirs = []
    with connect() as connection:
        for number in (1, 2):
            files = f"'{tmp_path}/examples{number}/Split-*/*.parquet'"
            values = ", ".join(f'"{name}"[1] AS "{name}"' for name in ("price", "items"))
            texts = 'decode("shop"[1]) AS "shop"'
            connection.execute(f"CREATE OR REPLACE VIEW rows AS SELECT {values}, {texts} FROM read_parquet({files})")
            columns = [convert(column, None) for column in describe(connection, "rows").values()]
            theirs.append(table_statistics(connection, columns, "rows"))
    asked = schema()
    for feature in asked.feature:
        feature.ClearField("drift_comparator")
    never = {"infinity_norm": 0.0, "jensen_shannon_divergence": 0.0}
    found = [
        {each.feature: each.value for each in too_far(Pair(now, then), asked, "drift", never, {"late", "ordered"})}
        for then, now in (ours, theirs)
    ]
    assert found[0].keys() == found[1].keys() == {"price", "items", "shop"}
    # a whole number on the border of two bins may be counted in either
    assert found[0] == pytest.approx(found[1], rel=1e-4, abs=5e-5)


def test_skew_from_the_served_rows_blocks(runs, tmp_path):
    _, folder = runs.judge(orders())
    served = tmp_path / "serving.pb"
    served.write_bytes((folder / STATISTICS_FILE).read_bytes())
    assert not runs.judge(orders(1), serving=served)[0].findings
    table = orders(1)
    table["shop"][::8] = "Bern"
    found = named(runs.judge(table, serving=served)[0])
    assert "from the data that was served, the schema's limit is 0.05" in found["skew:shop"].message
    assert found["skew:shop"].accept.startswith("penstock schema accept PROBLEM shop:skew=0.0")
