"""`penstock validate` as a step of a check: several files, formats, exit codes."""

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ruamel.yaml import YAML

from pipeline.cli import main
from pipeline.scaffold import scaffold

pytestmark = pytest.mark.tensorflow
HEADER = "label,city,length\n"
GOOD = HEADER + "".join(f"{('up', 'down')[row % 2]},{('Bern', 'Zug')[row % 3 % 2]},{row % 13}.5\n" for row in range(60))
ROOT = Path(__file__).parents[2]


@pytest.fixture
def penstock(tmp_path, monkeypatch, capfd):
    """Run `penstock validate --problem ... WORDS` in the folder of the problem; return exit code, output, errors."""
    (tmp_path / "table.csv").write_text(GOOD)
    scaffold(tmp_path / "table.csv", "label", None, tmp_path)
    (tmp_path / "bad.csv").write_text(GOOD.replace("up,Bern,0.5", "up,Rom,0.5", 1))
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["penstock", "validate", "--problem", "problems/table.yaml", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return ended.value.code, out, err

    return run


def test_files_that_are_as_the_schema_says(penstock):
    code, out, err = penstock("table.csv")
    assert (code or 0, out, err) == (0, "table.csv: no anomalies in 60 rows, 3 columns, environment TRAINING\n", "")


def test_a_table_names_file_and_line(penstock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    code, out, _ = penstock("bad.csv")
    assert code == 1
    assert out.startswith("bad.csv: 1 error in 60 rows, 3 columns, environment TRAINING\n")
    cells = [cell.strip() for cell in out.split("\n")[4].split("  ") if cell.strip()]
    assert cells == ["error", "city", "one of 'Bern', 'Zug'", "'Rom' in 1 row"]
    assert out.split("\n")[5].strip() == "bad.csv:2"


def test_several_files_each_have_a_result_and_the_worst_one_counts(penstock):
    code, out, _ = penstock("table.csv", "bad.csv", "--json")
    assert code == 1
    assert [(each["data"], len(each["anomalies"])) for each in json.loads(out)] == [("table.csv", 0), ("bad.csv", 1)]
    code, out, err = penstock("gone.csv", "bad.csv", "--format", "github")
    assert code == 2
    assert err == "gone.csv: no such file\n"
    assert [line.partition("::")[2].partition(",")[0] for line in out.splitlines()[:2]] == [
        "error file=gone.csv",
        "error file=bad.csv",
    ]
    code, out, _ = penstock("table.csv", "bad.csv", "--format", "junit")
    assert (code, len(ElementTree.fromstring(out))) == (1, 2)


def test_rows_are_written_or_it_is_said_that_there_are_none(penstock, tmp_path):
    assert penstock("bad.csv", "--rows", "rows.csv", "--json")[2] == "wrote 1 offending row to rows.csv\n"
    assert (tmp_path / "rows.csv").read_text().splitlines()[1].startswith("city: unexpected values,")
    code, _, err = penstock("table.csv", "--rows", "none.csv")
    assert (code or 0, err) == (0, "no row is offending: none.csv was not written\n")
    assert not (tmp_path / "none.csv").exists()
    code, _, err = penstock("table.csv", "bad.csv", "--rows", "rows.csv")
    assert (code, err) == (2, "--rows rows.csv: expected one DATA, received 2\n")


def test_help_leaves_tensorflow_alone():
    code = (
        "import sys, atexit, pipeline.cli\n"
        "atexit.register(lambda: print('HEAVY', {'tensorflow', 'duckdb', 'pyarrow'} & set(sys.modules)))\n"
        "sys.argv = ['penstock', 'validate', '--help']\n"
        "pipeline.cli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY set()"


def test_the_hook_is_one_that_pre_commit_takes():
    from pre_commit.clientlib import load_manifest

    (hook,) = load_manifest(ROOT / ".pre-commit-hooks.yaml")
    assert (hook["id"], hook["entry"], hook["language"]) == ("penstock-validate", "penstock validate", "python")
    names = {
        "data/a.csv": True,
        "a.csv.gz": True,
        "a.jsonl": True,
        "a.parquet": True,
        "a.tfrecord": True,
        "a.py": False,
    }
    assert {name: bool(re.search(hook["files"], name)) for name in names} == names
    assert YAML(typ="safe").load(ROOT / ".pre-commit-hooks.yaml")[0]["require_serial"] is True
