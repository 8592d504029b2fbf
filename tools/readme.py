"""Put what a command printed into README.md, or another page, so that no number there is typed by hand.

`python benchmarks/flights.py | python tools/readme.py flights` replaces what stands between
`<!-- flights -->` and `<!-- /flights -->` with standard input (`--code`: as a code block).
"""

import argparse
import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def main() -> None:
    """Replace one section of README.md by standard input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("section", help="the section's name in its markers")
    parser.add_argument("--code", action="store_true", help="as a code block")
    parser.add_argument("--file", type=Path, default=README, help="the page")
    arguments = parser.parse_args()
    printed = "\n".join(line.rstrip() for line in sys.stdin.read().strip("\n").splitlines())
    body = f"```\n{printed}\n```" if arguments.code else printed
    page = arguments.file
    text, count = replace(page.read_text("utf-8"), arguments.section, body)
    if count != 1:
        sys.exit(f"{page}: expected one section <!-- {arguments.section} -->, found {count}")
    page.write_text(text, "utf-8")


def replace(text: str, section: str, body: str) -> tuple[str, int]:
    """Return `text` with the section's body replaced, and how many sections there were."""
    pattern = re.compile(rf"(<!-- {re.escape(section)} -->\n).*?(\n?<!-- /{re.escape(section)} -->)", re.DOTALL)
    return pattern.subn(lambda match: f"{match[1]}{body}\n<!-- /{section} -->", text)


if __name__ == "__main__":
    main()
