"""How well a sentiment model reads texts of a domain that it has not seen: each domain in turn is the test split."""

import argparse
import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from _measure import PENSTOCK, ROOT, render_table, report, run_fresh

PROBLEM = ROOT / "problems" / "sentiment.yaml"
DOMAINS = ("movies", "news", "products", "tweets")
EVAL = 6
"""Every sixth document of the other domains is in the eval split."""


def main() -> None:
    """Run, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domains", nargs="*", metavar="DOMAIN", help=f"of {', '.join(DOMAINS)}; left out: all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    options = parser.parse_args()
    run_fresh([PENSTOCK, "fetch", PROBLEM])
    runs = {}
    for domain in options.domains or DOMAINS:
        print(domain, file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            runs[domain] = measure(domain, Path(folder))
    report(runs, render(runs), as_json=options.json)


def measure(domain: str, folder: Path) -> dict[str, Any]:
    """Return Pearson's r on a domain of the model that all others trained, and of its references."""
    problem = leave_out(domain, folder)
    run = json.loads(run_fresh([PENSTOCK, "run", problem, "--json"], folder / "home").output)
    from references.sentiment import pearson, ridge, texts, vader

    # benchmarks/problems.py: there is a folder of that name, too
    found = importlib.import_module("problems").read("sentiment", folder / "home", Path(run["pushed"]["path"]))
    ratings = found.splits["test"]["rating"]
    answers = {
        "model": found.answers["value"].ravel(),
        "ridge": ridge(found),
        "VADER": vader(texts(found.splits["test"])),
    }
    return {"rows": len(ratings)} | {name: pearson(ratings, each) for name, each in answers.items()}


def leave_out(domain: str, folder: Path) -> Path:
    """Write the problem with the domain as its test split; return its YAML."""
    from ruamel.yaml import YAML

    content = YAML(typ="safe").load(PROBLEM.read_text("utf-8"))
    files = content["source"]["files"]
    query = (ROOT / content["source"]["query"]).read_text("utf-8")
    (folder / "unseen.sql").write_text(
        f"SELECT *, CASE WHEN domain = '{domain}' THEN 'test' "
        f"WHEN md5_number_lower(document) % {EVAL} = 0 THEN 'eval' ELSE 'train' END AS part FROM ({query})",
        "utf-8",
    )
    content["source"] |= {"files": {name: str(ROOT / file) for name, file in files.items()}, "query": "unseen.sql"}
    content["split"] = {"by": "column", "column": "part"}
    del content["schema"], content["evaluation"]
    copy = folder / PROBLEM.name
    with copy.open("w", encoding="utf-8") as file:
        YAML().dump(content, file)
    return copy


def render(runs: dict[str, dict[str, Any]]) -> str:
    """Return the domains as Markdown."""
    rows = [
        [domain, f"{run['rows']:,}", *(f"{run[name]:.3f}" for name in ("model", "ridge", "VADER"))]
        for domain, run in runs.items()
    ]
    return render_table(["Pearson's r on all of", "texts", "a model of the others", "ridge", "VADER"], rows)


if __name__ == "__main__":
    main()
