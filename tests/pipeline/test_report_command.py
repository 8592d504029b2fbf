"""`penstock report`: what it takes, what it prints, and when it opens a browser."""

import json
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import lineage
from pipeline.cli import main
from pipeline.report import runs
from pipeline.report.browser import open_page


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """The addresses that a browser was asked for."""
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: not asked.append(address))
    return asked


@pytest.fixture
def report(tmp_path, monkeypatch, capfd) -> Callable[..., tuple[int, str, str]]:
    """`report(...)`: exit code, output and complaints of `penstock report` on a problem with a run `2024-01-01`."""
    (tmp_path / "p.yaml").write_text("name: p\nsource: {kind: csv, files: p.csv}\ntarget: {column: y, kind: binary}\n")
    run = lineage.Run("2024-01-01", [])
    monkeypatch.setattr(runs, "choose_run", lambda _, wanted: run if wanted in {None, "-1"} else pytest.fail(wanted))
    monkeypatch.setattr(runs, "write_run_report", lambda *given: given[2] or tmp_path / f"{given[1].run_id}.html")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["penstock", "report", str(tmp_path / "p.yaml"), *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capfd.readouterr()

    return call


@pytest.mark.parametrize("arguments", [(), ("-1",), ("-1", "--no-open")])
def test_a_run_by_number_is_no_option(report, opened, tmp_path, arguments):
    code, out, _ = report(*arguments)
    assert code == 0
    assert str(tmp_path / "2024-01-01.html") in out
    assert opened == []


def test_json_names_the_run_and_the_file(report, opened, tmp_path):
    code, out, _ = report("-1", "--out", tmp_path / "here.html", "--json")
    assert (code, json.loads(out)) == (0, {"report": str(tmp_path / "here.html"), "run_id": "2024-01-01"})
    assert opened == []


def test_open_opens_wherever_it_is(report, opened, tmp_path):
    assert report("--open")[0] == 0
    assert opened == [(tmp_path / "2024-01-01.html").as_uri()]


@pytest.mark.parametrize(
    ("is_terminal", "display", "wanted", "is_opened"),
    [
        (True, ":0", None, True),
        (True, "", None, False),
        (False, ":0", None, False),
        (True, ":0", False, False),
        (False, "", True, True),
    ],
)
def test_a_browser_opens_where_somebody_looks(monkeypatch, opened, is_terminal, display, wanted, is_opened):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    page = Path("/reports/2024-01-01T10:00.html")
    assert open_page(page, wanted) is is_opened
    assert opened == (["file:///reports/2024-01-01T10%3A00.html"] if is_opened else [])
