"""What is odd in a schema itself, with its line: nothing else is read, neither data nor a problem."""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from schemas.edit import read_text
from schemas.store import read_schema
from schemas.textproto import Field, line_of, parse

DOMAINS = {
    "string_domain": {"BYTES"},
    "int_domain": {"INT", "BYTES"},
    "float_domain": {"FLOAT", "BYTES"},
    "bool_domain": {"INT", "BYTES", "FLOAT"},
}
"""Types of the columns that may have a domain."""
SHARED = ("string_domain", "int_domain", "float_domain")
Severity = Literal["error", "warning"]
COMPARATORS = ("drift_comparator", "skew_comparator")
MEASURES = ("infinity_norm", "jensen_shannon_divergence")


class Fault(NamedTuple):
    """Something odd.

    Attributes:
        line: in the file, from 1.
        feature: the column; empty for the schema as a whole.
        severity: `error` for what can't be meant, `warning` for what has no effect.
        words: what it is.
    """

    line: int
    feature: str
    severity: Severity
    words: str


class _Schema(NamedTuple):
    """The text and what it names."""

    text: str
    domains: Mapping[str, str]
    environments: Collection[str]

    def string(self, field: Field | None) -> str:
        return field.string(self.text) if field else ""

    def number(self, field: Field | None) -> float | None:
        if field is None:
            return None
        text = self.string(field).lower()
        # a text proto has hexadecimal numbers, and 1.5f
        return float(int(text, 16)) if "0x" in text else float(text.removesuffix("f") if text[-2:] != "nf" else text)


def audit(path: Path) -> list[Fault]:
    """Return what is odd, in the order of lines.

    Raises:
        SchemaError: the file can't be read, or is no schema.
    """
    read_schema(path)
    text = read_text(path)
    root = parse(text)
    domains = {field.string(text): kind for kind in SHARED for each in root.all(kind) if (field := each.find("name"))}
    schema = _Schema(text, domains, [field.string(text) for field in root.all("default_environment")])
    faults = [*_twice(schema, root), *_shared(schema, root)]
    for feature in root.all("feature"):
        faults += _feature(schema, feature)
    if not schema.environments and any(feature.all("not_in_environment") for feature in root.all("feature")):
        first = next(feature for feature in root.all("feature") if feature.all("not_in_environment"))
        faults.append(_fault(schema, first, "error", "expected default_environment for not_in_environment"))
    return sorted(set(faults))


def _fault(schema: _Schema, field: Field, severity: Severity, words: str, feature: str = "") -> Fault:
    return Fault(line_of(schema.text, field.start), feature, severity, words)


def _twice(schema: _Schema, root: Field) -> Iterator[Fault]:
    for kind in ("feature", *SHARED, "default_environment"):
        seen: dict[str, int] = {}
        for field in root.all(kind):
            name = schema.string(field.find("name") if field.is_message else field)
            line = line_of(schema.text, field.start)
            if name in seen:
                words = f"{kind} '{name}' is there twice, first in line {seen[name]}"
                yield Fault(line, name if kind == "feature" else "", "error", words)
            seen.setdefault(name, line)
            if kind == "feature" and not name:
                yield Fault(line, "", "error", "a feature needs a name, received none")


def _shared(schema: _Schema, root: Field) -> Iterator[Fault]:
    """Yield what is odd in the domains that several columns may name."""
    used = {schema.string(feature.find("domain")) for feature in root.all("feature")}
    for kind in SHARED:
        for domain in root.all(kind):
            name = schema.string(domain.find("name"))
            if name not in used:
                yield _fault(schema, domain, "warning", f"no feature names the {kind} '{name}'")
            yield from _domain(schema, domain, kind, "")


def _domain(schema: _Schema, domain: Field, kind: str, feature: str) -> Iterator[Fault]:
    def fault(field: Field, words: str) -> Fault:
        return _fault(schema, field, "error", words, feature)

    if kind == "string_domain":
        texts = domain.all("value")
        if not texts:
            yield fault(domain, "expected values in string_domain, received none")
        seen: set[str] = set()
        for field in texts:
            text = field.string(schema.text)
            if text in seen:
                yield _fault(schema, field, "warning", f"value {text!r} is there twice", feature)
            seen.add(text)
    low, high = (schema.number(domain.find(name)) for name in ("min", "max"))
    if low is not None and high is not None and low > high:
        yield fault(domain, f"{kind}: expected min <= max, received {low:g} and {high:g}")


def _feature(schema: _Schema, feature: Field) -> Iterator[Fault]:
    name, raw_type = schema.string(feature.find("name")), schema.string(feature.find("type"))

    def fault(field: Field, words: str) -> Fault:
        return _fault(schema, field, "error", words, name)

    if raw_type not in {"BYTES", "INT", "FLOAT", "1", "2", "3"}:
        yield fault(
            feature.find("type") or feature, f"expected type BYTES, INT or FLOAT, received {raw_type or 'none'}"
        )
    named = feature.find("domain")
    if named and schema.string(named) not in schema.domains:
        yield fault(named, f"no domain '{schema.string(named)}' in the schema")
    kinds = {kind: feature.find(kind) for kind in DOMAINS}
    if named and schema.string(named) in schema.domains:
        kinds[schema.domains[schema.string(named)]] = named
    for kind, field in kinds.items():
        if field and raw_type in {"BYTES", "INT", "FLOAT"} and raw_type not in DOMAINS[kind]:
            yield fault(field, f"a column of type {raw_type} can't have a {kind}")
    for kind in DOMAINS:
        field = feature.find(kind)
        if field:
            yield from _domain(schema, field, kind, name)
    yield from _environments(schema, feature, name)
    yield from _numbers(schema, feature, fault)


def _environments(schema: _Schema, feature: Field, name: str) -> Iterator[Fault]:
    known = ", ".join(schema.environments) or "none"
    for field in (*feature.all("in_environment"), *feature.all("not_in_environment")):
        environment = field.string(schema.text)
        if environment not in schema.environments:
            words = f"unknown environment '{environment}'; default_environment has {known}"
            yield _fault(schema, field, "error", words, name)


def _numbers(schema: _Schema, feature: Field, fault: Callable[[Field, str], Fault]) -> Iterator[Fault]:
    """Yield shares that are none, counts and limits that nothing can meet."""
    for block, part in (("presence", "min_fraction"), ("distribution_constraints", "min_domain_mass")):
        field = (feature.find(block) or feature).find(part)
        share = schema.number(field)
        if field and share is not None and not 0 <= share <= 1:
            yield fault(field, f"{part}: expected a share from 0 to 1, received {share:g}")
    counts = feature.find("value_count")
    if counts:
        least, most = (schema.number(counts.find(name)) for name in ("min", "max"))
        if least is not None and most is not None and least > most:
            yield fault(counts, f"value_count: expected min <= max, received {least:g} and {most:g}")
    if feature.find("distribution_constraints") and not feature.find("string_domain") and not feature.find("domain"):
        field = feature.find("distribution_constraints")
        if field and not feature.find("int_domain") and not feature.find("float_domain"):
            yield fault(field, "distribution_constraints: expected a domain that they are about, received none")
    for comparator in COMPARATORS:
        for measure in MEASURES:
            field = ((feature.find(comparator) or feature).find(measure) or feature).find("threshold")
            limit = schema.number(field)
            if field and limit is not None and not 0 < limit < 1:
                yield fault(field, f"{comparator}.{measure}: expected a limit between 0 and 1, received {limit:g}")
