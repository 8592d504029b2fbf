"""The page in a browser without network: sorting, filtering, and that nothing asks for more."""

import base64
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.examples.load import Label
from pipeline.report.page import write_report
from pipeline.report.sources import ReportSources

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]
DRIVER = """
window.addEventListener("load", () => {
  const names = () => [...document.querySelectorAll("#columns-table tbody tr")].filter((row) => !row.hidden)
    .map((row) => row.querySelector("a").textContent).join(" ");
  const heads = [...document.querySelectorAll("#columns-table thead tr:last-child th")];
  const head = (text) => heads.find((each) => each.textContent.startsWith(text));
  const seen = { start: names() };
  const click = (text, key) => {
    head(text).querySelector("button").click();
    seen[key] = `${names()} ${head(text).getAttribute("aria-sort")}`;
  };
  click("missing", "most");
  click("missing", "least");
  click("column", "name");
  seen.marked = String(heads.filter((each) => each.hasAttribute("aria-sort")).length);
  const input = document.querySelector(".filter input");
  const filter = (text, key) => {
    input.value = text;
    input.dispatchEvent(new Event("input"));
    seen[key] = names();
  };
  filter("WHOLE", "type");
  filter("b_", "filtered");
  filter("", "all");
  seen.plain = String(!head("distribution").querySelector("button"));
  for (const [key, text] of Object.entries(seen)) document.body.dataset[key] = text;
});
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """A page of four columns, with a script that uses it and writes what it sees into the page."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "Split-train").mkdir()
    numbers = pa.large_list(pa.int64())
    table = {
        "y": pa.array([[1], [0], [1], [0]], numbers),
        "c_number": pa.array([[1], [2], None, [4]], numbers),
        "b_text": pa.array([[b"u"], None, None, [b"v"]], pa.large_list(pa.large_binary())),
        "a_number": pa.array([[1], None, None, None], numbers),
    }
    pq.write_table(pa.table(table), folder / "Split-train" / "examples-00000-of-00001.parquet")
    label = Label(column="y", kind="binary")
    out = folder / "page.html"
    write_report(ReportSources(problem="p", run_id="r", examples=folder, splits=("train",), label=label), out)
    html = out.read_text("utf-8")
    # the page's policy allows its own script alone: this one is named beside it
    digest = base64.b64encode(hashlib.sha256(DRIVER.encode()).digest()).decode()
    html = html.replace("script-src ", f"script-src 'sha256-{digest}' ", 1)
    out.write_text(html.replace("</body>", f"<script>{DRIVER}</script></body>"), "utf-8")
    return out


@pytest.fixture(scope="module")
def seen(page, tmp_path_factory) -> dict[str, str]:
    """What the script saw."""
    profile = tmp_path_factory.mktemp("profile")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={profile}",
        "--virtual-time-budget=2000",
        "--dump-dom",
    ]
    done = subprocess.run(
        [str(CHROMIUM), *options, page.as_uri()], capture_output=True, text=True, timeout=90, check=True
    )
    (body,) = re.findall(r"<body([^>]*)>", done.stdout)
    return dict(re.findall(r'data-(\w+)="([^"]*)"', body))


def test_a_click_on_a_heading_sorts(seen):
    assert seen["start"] == "y c_number b_text a_number"
    assert seen["most"] == "a_number b_text c_number y descending"
    assert seen["least"] == "y c_number b_text a_number ascending"
    assert seen["name"] == "a_number b_text c_number y ascending"
    assert seen["marked"] == "1"
    assert seen["plain"] == "true"


def test_the_filter_goes_by_name_and_type(seen):
    assert seen["type"] == "a_number c_number y"
    assert seen["filtered"] == "b_text"
    assert seen["all"] == "a_number b_text c_number y"
