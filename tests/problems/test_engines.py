"""Remaining useful life: windows look only back, and the problem runs on files that a generator writes."""

import random
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).parents[2]
QUERY = (ROOT / "problems" / "engines.sql").read_text("utf-8")
SENSORS = 21


def line(engine: int, cycle: int, readings: dict[int, object]) -> str:
    """A line of the files: engine, cycle, three settings and 21 sensors, 0 unless given."""
    sensors = [readings.get(number, 0.0) for number in range(1, SENSORS + 1)]
    return " ".join(map(str, [engine, cycle, 0.001, 0.0002, 100.0, *sensors])) + "  "


def ask(train: list[str], test: list[str], remaining: list[str]) -> list[dict[str, object]]:
    """The query's rows, by file, engine and cycle."""
    connection = duckdb.connect()
    for name, texts in {"train": train, "test": test, "remaining": remaining}.items():
        connection.execute(f"CREATE TABLE {name} (line BIGINT, text VARCHAR)")
        connection.executemany(f"INSERT INTO {name} VALUES (?, ?)", list(enumerate(texts, 1)))
    found = connection.execute(f"SELECT * FROM ({QUERY}) ORDER BY engine, cycles_to_failure DESC")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_windows_by_hand():
    # sensor 2 rises by 2 a cycle; a reading that is no number is the one before
    train = [line(1, cycle, {2: 2 * cycle, 3: "NAN" if cycle == 3 else 10 * cycle}) for cycle in range(1, 151)]
    test = [line(1, cycle, {2: cycle}) for cycle in range(1, 4)]
    asked, *rows = ask(train, test, ["112 "])
    assert (asked["part"], asked["engine"], asked["cycles_to_failure"], asked["cycles_left"]) == (
        "test",
        "test 1",
        112,
        112,
    )
    assert (asked["sensor_2_now"], asked["sensor_2_rise"]) == (2, 1)
    assert {row["part"] for row in rows} == {"train"}
    assert [row["cycles_to_failure"] for row in rows] == list(range(149, -1, -1))
    assert [row["cycles_left"] for row in rows] == [125] * 25 + list(range(124, -1, -1))
    third, last = rows[2], rows[-1]
    assert (third["sensor_2_now"], third["sensor_2_mean"], third["sensor_2_rise"]) == (4, 4, 2)
    assert third["sensor_3_mean"] == pytest.approx((10 + 20 + 20) / 3)
    # the last five, 292 to 300, and the last thirty, 242 to 300
    assert (last["sensor_2_now"], last["sensor_2_mean"]) == (296, 271)
    assert last["sensor_2_rise"] == pytest.approx(2)


def write_engine(engine: int, cycles: int, until: int) -> list[str]:
    """A small physical story: wear grows towards the end, and each sensor follows it with noise of its own."""
    chosen = random.Random(engine)
    lines = []
    for cycle in range(1, until + 1):
        wear = 2.7 ** (4 * (cycle / cycles - 1))
        readings = {
            number: 100 * number + (-1) ** number * wear + chosen.gauss(0, 0.1) for number in range(1, SENSORS + 1)
        }
        lines.append(line(engine, cycle, {number: round(reading, 4) for number, reading in readings.items()}))
    return lines


def fleet(engines: int) -> tuple[list[str], list[str], list[str]]:
    """The three files: engines that run to failure, engines that are cut off, and what is left to those."""
    random.seed(1)
    lives = [random.randint(60, 140) for _ in range(2 * engines)]
    cuts = [random.randint(20, life - 5) for life in lives[engines:]]
    train = [each for number, life in enumerate(lives[:engines], 1) for each in write_engine(number, life, life)]
    others = list(zip(lives[engines:], cuts, strict=True))
    test = [each for number, (life, cut) in enumerate(others, 1) for each in write_engine(number, life, cut)]
    return train, test, [f"{life - cut} " for life, cut in others]


def test_what_comes_later_changes_no_feature():
    train, test, remaining = fleet(3)
    until = [text for text in train if int(text.split()[1]) <= 40]
    features = [
        [
            {name: row[name] for name in row if name.startswith("sensor")}
            for row in sorted(ask(lines, test, remaining), key=lambda row: (row["engine"], -row["cycles_to_failure"]))
            if row["engine"] == "train 1"
        ][1:40]  # a first cycle has no rise: NaN
        for lines in (train, until)
    ]
    assert features[0] == features[1]
    assert len(features[0]) == 39


def test_yaml_of_the_page_is_a_problem(page_problem):
    assert page_problem("engines").split.by == "group"


@pytest.mark.slow
def test_the_problem_runs_and_answers_on_files_of_the_same_format(tmp_path, run_problem):
    (tmp_path / "data").mkdir()
    for name, lines in zip(("train_FD001", "test_FD001", "RUL_FD001"), fleet(20), strict=True):
        (tmp_path / "data" / f"{name}.txt").write_text("\n".join(lines) + "\n")
    result = run_problem("engines", {"coverage: {min: 0.8}": "coverage: {min: 0.1}"})
    assert result["rows"]["test"] == 20
