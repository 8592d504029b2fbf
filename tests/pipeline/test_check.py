"""The problem against its columns."""

from pathlib import Path

import pytest

from pipeline.check import check
from pipeline.errors import InputError
from pipeline.problem import LoadedProblem, load_problem
from pipeline.resolve import read_columns, resolve
from schemas.store import SchemaColumn

CSV = "sold,price,shop,day,vip\nsold,1.5,a,2024-01-01,true\nkept,NA,b,2024-01-02,false\n"


def load(folder: Path, body: str, csv: str = CSV) -> LoadedProblem:
    (folder / "sales.csv").write_text(csv)
    (folder / "sales.yaml").write_text(f"name: sales\nsource: {{kind: csv, files: sales.csv}}\n{body}\n")
    return load_problem(folder / "sales.yaml")


def refuse(folder: Path, body: str) -> str:
    def look() -> None:
        loaded = load(folder, body)
        check(loaded, read_columns(loaded, whole=True))

    with pytest.raises(InputError) as raised:
        look()
    return str(raised.value)


TARGET = "target: {column: sold, kind: binary, positive: sold}"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "target: {column: sould, kind: binary}",
            "sales.yaml:3: target.column: no column 'sould' in the table; near: sold",
        ),
        ("target: {column: sold, kind: binary}", "sales.yaml:3: target: the label is text, so positive: must say"),
        ("target: {column: sold, kind: regression}", "the label of regression must be a number, 'sold' is text"),
        ("target: {column: price, kind: multiclass}", "'price' is a number with decimals"),
        ("target: {column: vip, kind: binary, positive: 'yes'}", "target.positive: 'vip' is read as a number (yes/no"),
        (f"{TARGET}\nfeatures: {{prize: numeric}}", "sales.yaml:4: features.prize: no column 'prize'"),
        (f"{TARGET}\nfeatures: {{shop: numeric}}", "features.shop.kind: a numeric feature must be a number"),
        (
            f"{TARGET}\nfeatures: {{p: {{kind: numeric, column: prize}}}}",
            "sales.yaml:4: features.p.column: no column 'prize' in the table; near: price",
        ),
        (
            f"{TARGET}\nfeatures: {{p: {{kind: numeric, column: sold}}}}",
            "features.sold: the label can't be a feature",
        ),
        (
            f"{TARGET}\nfeatures: {{p: {{kind: numeric, column: shop}}}}",
            "a numeric feature must be a number, 'shop' is",
        ),
        (f"{TARGET}\nfeatures: {{price: datetime}}", "a datetime feature must be a date"),
        (f"{TARGET}\nfeatures: {{sold: categorical}}", "features.sold: the label can't be a feature"),
        (
            f"{TARGET}\nfeatures: {{price: numeric, shop: {{kind: categorical, tower: item}}}}",
            "features.shop.tower: a tower of items needs family: two_tower or a target of kind: retrieval",
        ),
        (
            "target: {column: shop, kind: retrieval}\nfeatures: {price: {kind: numeric, tower: item}}",
            "features: retrieval: expected a feature that tells of the query (without tower: item), found none",
        ),
        (
            "target: {column: shop, kind: retrieval, repeats: [price]}\nfeatures: {price: numeric}",
            "target.repeats.0: expected a feature of kind: sequence, of: ids; 'price' is none",
        ),
        (
            "target: {column: vip, kind: multi_label}",
            "target.column: several labels must be one text a row, 'vip' is a whole number",
        ),
        (
            f"{TARGET}\nsplit: {{by: time, column: dya}}",
            "sales.yaml:4: split.column: no column 'dya' in the table; near: day",
        ),
        (f"{TARGET}\nevaluation: {{slices: [[shop], [sop]]}}", "evaluation.slices.1: no column 'sop'"),
        (
            f"{TARGET}\nevaluation: {{gates: {{rmse: {{max: 1}}}}}}",
            "evaluation.gates.rmse: expected one of auc, pr_auc",
        ),
        (f"{TARGET}\nevaluation: {{gates: {{cost: {{max: 1}}}}}}", "evaluation.gates.cost: expected one of auc"),
        (
            f"{TARGET}\nevaluation: {{slices: [[{{column: shop, quantiles: 4}}]]}}",
            "evaluation.slices.0: expected one value a row, and for quantiles a number: text",
        ),
        (
            f"{TARGET}\nevaluation: {{gates: {{auc: {{max_gap: {{shap: 0.1}}}}}}}}",
            "evaluation.gates.auc.max_gap.shap: no column 'shap' in the table; near: shop",
        ),
        (
            f"{TARGET}\ntuning: {{objective: rmse}}",
            "sales.yaml:4: tuning.objective: expected one of loss, auc, received 'rmse'",
        ),
        (f"{TARGET}\nfeature_selection: {{}}", "sales.yaml:4: feature_selection: expected keep, min_bits or both"),
        (
            f"{TARGET}\nfeature_selection: {{keep: 1, always: [shop, prize]}}",
            "sales.yaml:4: feature_selection.always.1: no feature 'prize'; near: price",
        ),
        (f"{TARGET}\ntuning: {{space: {{layer: [[8]]}}}}", "sales.yaml:4: tuning.space: layer: expected one of layers"),
        (
            f"{TARGET}\nfeatures: {{day: datetime}}\npush: {{edge: {{}}}}",
            "sales.yaml:4: features.day: LiteRT has no StaticRegexFullMatch: expected 'day' not to be datetime of "
            "text, or no push.edge",
        ),
        (
            f"{TARGET}\npush: {{edge: {{quantize: int8}}}}",
            "sales.yaml:4: push.edge: LiteRT has no StaticRegexFullMatch",
        ),
        (
            f"{TARGET}\nfeatures: {{said: {{kind: text, column: shop}}}}\n"
            "model: {family: transformer}\npush: {edge: {}}",
            "sales.yaml:5: model.family: LiteRT has no Einsum: expected another family, or no push.edge",
        ),
        (
            f"{TARGET}\npush: {{edge: {{quantize: int4}}}}",
            "push.edge.quantize: expected 'none', 'float16' or 'int8', received 'int4'",
        ),
    ],
)
def test_mistake_is_named_with_its_place(tmp_path, body, message):
    assert message in refuse(tmp_path, body)


@pytest.mark.parametrize(
    "body",
    [
        f"{TARGET}\nmodel: {{family: two_tower}}",
        "target: {column: sold, kind: retrieval}\nmodel: {family: dcn}",
    ],
)
def test_features_of_items_where_there_is_a_tower_for_them(tmp_path, body):
    loaded = load(tmp_path, f"{body}\nfeatures: {{price: numeric, shop: {{kind: categorical, tower: item}}}}")
    columns = read_columns(loaded, whole=True)
    check(loaded, columns)
    asked = ["price"] if loaded.problem.target.kind == "retrieval" else ["price", "shop"]
    assert resolve(loaded.problem, columns).inputs.columns == asked


def test_a_device_can_hold_numbers_and_names(tmp_path):
    features = "features: {price: {kind: numeric, scale: log}, shop: categorical, vip: boolean}"
    loaded = load(tmp_path, f"{TARGET}\n{features}\npush: {{edge: {{quantize: float16}}}}")
    check(loaded, read_columns(loaded, whole=True))
    assert loaded.problem.push.edge is not None
    assert loaded.problem.push.edge.limit == 0.01


def test_all_mistakes_are_reported_at_once(tmp_path):
    text = refuse(tmp_path, "target: {column: sould, kind: binary}\nfeatures: {prize: numeric}")
    assert len(text.splitlines()) == 2


def test_features_left_out_follow_the_types(tmp_path):
    loaded = load(tmp_path, TARGET)
    columns = read_columns(loaded, whole=True)
    check(loaded, columns)
    inputs = resolve(loaded.problem, columns).inputs
    assert {name: params.kind for name, params in inputs.features.items()} == {
        "price": "numeric",
        "shop": "categorical",
        "day": "datetime",
        "vip": "numeric",
    }
    assert inputs.types == {"price": "float", "shop": "bytes", "day": "bytes", "vip": "int", "sold": "bytes"}


def test_column_that_splits_by_time_is_no_feature_by_itself(tmp_path):
    loaded = load(tmp_path, f"{TARGET}\nsplit: {{by: time, column: day}}")
    assert "day" not in resolve(loaded.problem, read_columns(loaded, whole=True)).inputs.features


def test_empty_table_is_one_message(tmp_path):
    loaded = load(tmp_path, TARGET, "")
    with pytest.raises(InputError, match="expected a table, received an empty file"):
        read_columns(loaded, whole=True)


def test_missing_file_is_named(tmp_path):
    loaded = load(tmp_path, TARGET)
    (tmp_path / "sales.csv").unlink()
    with pytest.raises(InputError, match=r"source.files: .*sales.csv: no such file"):
        read_columns(loaded, whole=True)


def test_several_tables_need_a_query(tmp_path):
    (tmp_path / "two.yaml").write_text(
        f"name: two\nsource: {{kind: csv, files: {{a: sales.csv, b: sales.csv}}}}\n{TARGET}\n"
    )
    (tmp_path / "sales.csv").write_text(CSV)
    with pytest.raises(InputError, match=r"source.query: required to join the tables a, b"):
        read_columns(load_problem(tmp_path / "two.yaml"), whole=True)


def test_broken_query_is_one_message(tmp_path):
    (tmp_path / "q.sql").write_text("SELECT nothing FROM data")
    (tmp_path / "sales.csv").write_text(CSV)
    (tmp_path / "q.yaml").write_text(f"name: q\nsource: {{kind: csv, files: sales.csv, query: q.sql}}\n{TARGET}\n")
    with pytest.raises(InputError, match='"nothing" not found'):
        read_columns(load_problem(tmp_path / "q.yaml"), whole=True)


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        ("{block: [shcema]}", "data_gate.block.0: expected one of constant, "),
        ("{warn: [rows], ignore: [rows]}", "data_gate: 'rows' is told twice what to do"),
        ("{limits: {row: {train: 3}}}", "data_gate.limits.row: expected one of constant, "),
        ("{limits: {rows: {least: 3}}}", "data_gate.limits.rows.least: expected one of train, share, received 'least'"),
        ("{limits: {empty: {share: 3}}}", "data_gate.limits.empty.share: expected no limit, received 'share'"),
    ],
)
def test_names_of_the_data_gate_are_checked(tmp_path, gate, says):
    assert says in refuse(tmp_path, f"target: {{column: sold, kind: binary, positive: sold}}\ndata_gate: {gate}")


LISTS = {
    "sold": "int", "price": "float", "shop": "bytes", "day": "bytes", "count": "int",
    "steps": "float[]", "tags": "bytes[]", "ids": "int[]",
}  # fmt: skip


def refuse_lists(folder: Path, features: str) -> str:
    loaded = load(folder, f"target: {{column: sold, kind: binary}}\nfeatures: {features}")
    columns = {name: SchemaColumn(name, kind[:-2], is_list=True) for name, kind in LISTS.items() if kind[-1] == "]"}
    columns |= {name: SchemaColumn(name, kind) for name, kind in LISTS.items() if kind[-1] != "]"}
    try:
        check(loaded, columns)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("{steps: numeric}", "features.steps.kind: a numeric feature must be one value a row, 'steps' is a list"),
        ("{price: sequence}", "a sequence feature must be a list, 'price' is one value a row"),
        (
            "{tags: sequence}",
            "a sequence feature must be a list of numbers (of text: `of: ids`), 'tags' is a list, each value is text",
        ),
        (
            "{steps: {kind: sequence, of: ids}}",
            "must be a list of text or whole numbers, 'steps' is a list, each value is a number with decimals",
        ),
        ("{tags: {kind: vector, length: 3}}", "a vector feature must be a list of numbers, 'tags' is a list"),
        ("{count: text}", "a text feature must be text, 'count' is a whole number"),
        (
            "{price: embedding}",
            "an embedding feature must be text or a whole number, 'price' is a number with decimals",
        ),
        ("{shop: bucketized}", "a bucketized feature must be a number, 'shop' is text"),
        ("{x: {kind: crossed, columns: [shop, price]}}", "features.x.kind: a crossed feature must be text or a whole"),
        ("{x: {kind: crossed, columns: [shop, dya]}}", "features.x.columns: no column 'dya' in the table; near: day"),
        ("{x: {kind: pca, columns: [price, shop]}}", "a pca feature must be a number, 'shop' is text"),
        ("{x: {kind: pca, columns: [price, sold]}}", "the label can't be a feature"),
        (
            "{shop: {kind: categorical, shared: place}, day: {kind: categorical, shared: place, top_k: 5}}",
            "features.day.shared: expected the top_k, min_count and oov_buckets of 'shop', with which it is shared",
        ),
    ],
)
def test_what_a_kind_takes(tmp_path, features, message):
    assert message in refuse_lists(tmp_path, features)


def test_kinds_on_what_they_take(tmp_path):
    features = (
        "{steps: sequence, tags: {kind: sequence, of: ids}, ids: {kind: vector, length: 2}, price: boolean, "
        "shop: {kind: categorical, shared: x}, day: {kind: categorical, shared: x, embedding: 3}, "
        "both: {kind: crossed, columns: [shop, count]}, few: {kind: pca, columns: [price, count]}}"
    )
    assert refuse_lists(tmp_path, features) == ""


def test_lists_that_nobody_described_are_sequences(tmp_path):
    loaded = load(tmp_path, "target: {column: sold, kind: binary}")
    columns = {name: SchemaColumn(name, kind[:5].rstrip("[]"), is_list="[" in kind) for name, kind in LISTS.items()}
    inputs = resolve(loaded.problem, columns).inputs
    found = {name: (params.kind, params.of) for name, params in inputs.features.items() if name in inputs.lengths}
    assert found == {"steps": ("sequence", "numbers"), "tags": ("sequence", "ids"), "ids": ("sequence", "numbers")}
    assert inputs.lengths == {"steps": 32, "tags": 32, "ids": 32}


def test_a_family_of_steps_needs_a_sequence_or_a_text(tmp_path):
    body = "target: {column: sold, kind: binary, positive: sold}\nfeatures: {price: numeric}\nmodel: {family: lstm}"
    assert "sales.yaml:5: model.family: lstm reads sequences and texts: expected such a feature" in refuse(
        tmp_path, body
    )


@pytest.mark.parametrize("evaluation", ["{slices: [[tags]]}", "{gates: {auc: {max_gap: {tags: 0.1}}}}"])
def test_a_list_is_no_slice(tmp_path, evaluation):
    (tmp_path / "sales.jsonl").write_text('{"sold": 1, "tags": ["a", "b"]}\n{"sold": 0, "tags": []}\n')
    (tmp_path / "sales.yaml").write_text(
        "name: sales\nsource: {kind: jsonl, files: sales.jsonl}\n"
        f"target: {{column: sold, kind: binary}}\nevaluation: {evaluation}\n"
    )
    loaded = load_problem(tmp_path / "sales.yaml")
    with pytest.raises(InputError, match="expected one value a row"):
        check(loaded, read_columns(loaded, whole=True))
