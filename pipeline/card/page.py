"""The card as Markdown and as HTML; everything from the data is escaped."""

import re
from importlib import resources
from pathlib import Path
from typing import Any

from pipeline.card.facts import Card, number, title
from pipeline.evaluation import COUNT

MARKDOWN, HTML = Path("assets.extra", "model_card.md"), Path("assets.extra", "model_card.html")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def write_card(card: Card, folder: Path) -> None:
    """Write both files below `folder`."""
    (folder / MARKDOWN).parent.mkdir(exist_ok=True)
    (folder / MARKDOWN).write_text(render_card(card, "card.md"), "utf-8")
    (folder / HTML).write_text(render_card(card, "card.html"), "utf-8")


def render_card(card: Card, template: str) -> str:
    """Return the card in the form of `card.md` or `card.html`."""
    from jinja2 import Environment, StrictUndefined

    is_html = template.endswith(".html")
    environment = Environment(
        autoescape=is_html,
        # what is shown in Markdown is escaped there
        finalize=None if is_html else escape_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    added: dict[str, Any] = {"number": number, "title": title}
    environment.filters.update(added)
    text = resources.files("pipeline.card").joinpath(template).read_text("utf-8")
    return environment.from_string(text).render(card=card, count=COUNT)


def escape_markdown(value: Any) -> str:
    """Return `value` as text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))
