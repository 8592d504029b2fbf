"""Spans and versions of a source as TFX has them: pieces of the data that arrive one by one, told by their paths."""

import fnmatch
import glob
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import InputError
from pipeline.sources import Spans

PLACEHOLDER = r"\{[A-Z]+(?::[^{}]*)?\}"
WIDTHS = {"YYYY": 4, "MM": 2, "DD": 2}
KINDS = (("SPAN",), ("YYYY",), ("YYYY", "MM"), ("YYYY", "MM", "DD"))


class Span(NamedTuple):
    """A span that is there.

    Attributes:
        name: as a person writes it: `7`, `2013-07`, `2013-07-01`.
        number: TFX's: the one in the path, or the days from 1970-01-01 to the (first) day.
        version: the highest one, None where no path holds `{VERSION}`.
        paths: by table its pattern without placeholders.
    """

    name: str
    number: int
    version: int | None
    paths: dict[str, str]


class _Field(NamedTuple):
    """A placeholder; `width` is None for any number of digits."""

    name: str
    width: int | None


class _Pattern(NamedTuple):
    """A table's pattern: `texts` lie before, between and behind its placeholders, the `fields`."""

    table: str
    text: str
    texts: tuple[str, ...]
    fields: tuple[_Field, ...] = ()

    @property
    def kind(self) -> tuple[str, ...]:
        """What tells the span: SPAN, or the parts of a date."""
        return tuple(name for name in ("SPAN", *WIDTHS) if name in {field.name for field in self.fields})

    def fill(self, digits: Iterable[str]) -> str:
        return self.texts[0] + "".join(map(str.__add__, digits, self.texts[1:]))

    def complain(self, message: str) -> InputError:
        return InputError(f"source.files: table '{self.table}': {self.text}: {message}")


class _Found(NamedTuple):
    """A table's span; `digits` are those of each placeholder."""

    name: str
    number: int
    version: int | None
    digits: tuple[str, ...]


def has_spans(files: Mapping[str, str]) -> bool:
    """Return whether any table's pattern holds a placeholder such as `{SPAN}`; other braces are a name's own."""
    return any(re.search(PLACEHOLDER, pattern) for pattern in files.values())


def find_spans(files: Mapping[str, str], root: Path) -> list[Span]:
    """Return the spans that are there in their order, each in its highest version.

    `files` are patterns by table, relative to `root`; one without placeholders is part of every span.

    Raises:
        InputError: placeholders that can't be understood, a path whose digits do not fit them, a table without any
            span, or without a span or version that another one has.
    """
    patterns = [_parse(table, pattern) for table, pattern in files.items() if has_spans({table: pattern})]
    if len({pattern.kind for pattern in patterns}) > 1:
        told = ", ".join(f"'{pattern.table}' by {_spell(pattern.kind)}" for pattern in patterns)
        raise InputError(f"source.files: every table's spans must be told alike, received {told}")
    found = {pattern.table: _find(pattern, root) for pattern in patterns}
    names = dict(sorted((number, span.name) for spans in found.values() for number, span in spans.items()))
    lacking = [
        f"source.files: table '{table}': no span {name}, which another table has"
        for number, name in names.items()
        for table in found
        if number not in found[table]
    ]
    if lacking:
        raise InputError(lacking[:10])
    return [_join([found[pattern.table][number] for pattern in patterns], files, patterns) for number in names]


def choose(spans: Sequence[Span], settings: Spans, latest: str | None) -> list[Span]:
    """Return the spans to read, in their order: a fixed range if `settings` have one, else a rolling range.

    A rolling range that reaches back before the first span starts there. A date may be shorter than the spans': of
    daily spans, `2013-07` is the whole month.

    Args:
        spans: all of them, in their order.
        settings: the range.
        latest: the range ends with this span (and `skip` does not count), whatever spans there are behind it.

    Raises:
        InputError: no such span, or none left.
    """
    end = latest or settings.until
    start = _place(spans, settings.first, "source.spans.first")[0] if settings.first else 0
    stop = _place(spans, end, "--span" if latest else "source.spans.until")[1] if end else len(spans)
    if settings.first is None and settings.until is None:
        stop -= 0 if latest else settings.skip
        start = max(stop - settings.last, 0)
    elif settings.last != 1 or settings.skip:
        raise InputError("source.spans: expected last and skip, or first and until, received both")
    if start >= stop:
        asked = f"first {settings.first}, until {end}" if settings.first else f"skip {settings.skip}"
        raise InputError(f"source.spans: no span is left of {asked}; there are {_list(spans)}")
    return list(spans[start:stop])


def _place(spans: Sequence[Span], text: str, key: str) -> tuple[int, int]:
    """Return where the spans called `text` begin and end, as written by a person or as in a path: `201307`, `007`."""
    wanted = re.sub(r"[^0-9]", "", text)
    if all(span.name == str(span.number) for span in spans):
        places = [place for place, span in enumerate(spans) if wanted and int(wanted) == span.number]
    else:
        whole = len(wanted) in {4, 6, 8}
        places = [place for place, span in enumerate(spans) if whole and span.name.replace("-", "").startswith(wanted)]
    if not places:
        raise InputError(f"{key}: no span {text}; there are {_list(spans)}")
    return places[0], places[-1] + 1


def _list(spans: Sequence[Span]) -> str:
    names = [span.name for span in spans]
    return ", ".join([*names[:3], "...", names[-1]] if len(names) > 5 else names) or "none"


def _spell(names: Iterable[str]) -> str:
    return "".join(f"{{{name}}}" for name in names)


def _parse(table: str, text: str) -> _Pattern:
    pattern = _Pattern(table, text, tuple(re.split(PLACEHOLDER, text)))
    pattern = pattern._replace(fields=tuple(_field(pattern, found) for found in re.findall(PLACEHOLDER, text)))
    if pattern.kind not in KINDS:
        told = _spell(field.name for field in pattern.fields)
        raise pattern.complain(
            f"expected {', '.join(map(_spell, KINDS))}, each with {{VERSION}} or not, received {told}"
        )
    return pattern


def _field(pattern: _Pattern, placeholder: str) -> _Field:
    name, colon, width = placeholder[1:-1].partition(":")
    if name in WIDTHS and not colon:
        return _Field(name, WIDTHS[name])
    if name not in {"SPAN", "VERSION"}:
        known = "{SPAN}, {SPAN:4}, {VERSION}, {VERSION:2}, {YYYY}, {MM} and {DD}"
        raise pattern.complain(f"expected {known}, received {placeholder}; a file's own brace is written [{{]")
    if colon and not re.fullmatch(r"[1-9][0-9]?", width):
        raise pattern.complain(f"expected a number of digits from 1 to 99, received {placeholder}")
    return _Field(name, int(width) if colon else None)


def _regex(pattern: _Pattern, *, exact: bool) -> str:
    """Return a regular expression of the paths, with a group per placeholder; not `exact`, widths may be wrong."""
    parts = [_translate(pattern.texts[0])]
    for field, before, after in zip(pattern.fields, pattern.texts, pattern.texts[1:], strict=False):
        many = f"{{{field.width}}}" if exact and field.width else "+" if exact or before or len(parts) == 1 else "*"
        # a star takes no digits of the number beside it
        start, end = "(?<![0-9])" * before.endswith("*"), "(?![0-9])" * after.startswith("*")
        parts.append(f"{start}([0-9]{many}){end}{_translate(after)}")
    return "".join(parts)


def _translate(text: str) -> str:
    """Return glob's wildcards as a regular expression."""
    wildcards = {"*": "[^/]*", "?": "[^/]"}
    return "".join(
        # fnmatch knows glob's sets; its last two characters mean the end of the text
        wildcards.get(token) or (fnmatch.translate(token)[:-2] if len(token) > 1 else re.escape(token))
        for token in re.findall(r"\[!?\]?[^\]]*\]|.", text, re.DOTALL)
    )


def _find(pattern: _Pattern, root: Path) -> dict[int, _Found]:
    """Return the highest version of each span of a table by the span's number."""
    found: dict[int, _Found] = {}
    paths = glob.glob(re.sub(f"(?:{PLACEHOLDER})+", "[0-9]*", pattern.text), root_dir=root)
    for path, digits in _match(pattern, sorted(paths)):
        new = _read(pattern, path, digits)
        old = found.setdefault(new.number, new)
        if new.version == old.version and new.digits != old.digits:
            both = " and ".join(pattern.fill(each.digits) for each in (old, new))
            raise pattern.complain(f"{both} are the same span {new.name}")
        found[new.number] = max(old, new, key=lambda span: span.version or 0)
    if not found:
        raise pattern.complain("no such path")
    return found


def _match(pattern: _Pattern, paths: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each path with its placeholders' digits; a path with other things than digits there is none of ours."""
    exact, loose = (re.compile(_regex(pattern, exact=exact), re.DOTALL) for exact in (True, False))
    for path in paths:
        match = exact.fullmatch(path)
        if match:
            yield path, match.groups()
        elif loose.fullmatch(path):
            told = ", ".join(f"{field.width} for {{{field.name}}}" for field in pattern.fields if field.width)
            raise pattern.complain(f"expected as many digits as it says ({told}), received {path}")


def _read(pattern: _Pattern, path: str, digits: tuple[str, ...]) -> _Found:
    """Return the span that a path's digits tell."""
    values: dict[str, int] = {}
    for field, text in zip(pattern.fields, digits, strict=True):
        if values.setdefault(field.name, int(text)) != int(text):
            raise pattern.complain(f"expected one {{{field.name}}}, received {values[field.name]} and {text} in {path}")
    version = values.get("VERSION")
    if "SPAN" in values:
        return _Found(str(values["SPAN"]), values["SPAN"], version, digits)
    parts = [values[name] for name in pattern.kind]
    try:
        first = date(*parts, *[1] * (3 - len(parts)))
    except ValueError as error:
        raise pattern.complain(f"expected a date, received {path}") from error
    name = first.isoformat()[: 3 * len(parts) + 1]
    return _Found(name, (first - date(1970, 1, 1)).days, version, digits)


def _join(found: Sequence[_Found], files: Mapping[str, str], patterns: Sequence[_Pattern]) -> Span:
    """Return the span of all tables."""
    name, number, version, _ = max(found, key=lambda span: -1 if span.version is None else span.version)
    versions = {span.version: pattern.table for span, pattern in zip(found, patterns, strict=True)}
    if len(versions.keys() - {None}) > 1:
        told = ", ".join(f"{version} of '{table}'" for version, table in versions.items() if version is not None)
        raise InputError(f"source.files: span {name}: expected every table in the same version, received {told}")
    filled = {pattern.table: pattern.fill(span.digits) for span, pattern in zip(found, patterns, strict=True)}
    return Span(name, number, version, {**files, **filled})
