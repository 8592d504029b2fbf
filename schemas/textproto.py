"""A text proto with the place of every field, so that a file can be edited and keep its comments and its order.

protobuf's own `text_format` reads a file but does not say where anything stands, and writes it anew without comments;
the libraries that keep them (txtpbfmt) are Go's. This reads the language's parts that a schema is made of.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from schemas.store import SchemaError

TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<name>\[[A-Za-z_][\w./-]*\])
      | (?P<word>[-+]?[\w.](?:[\w.]|(?<=[eE])[-+])*)
      | (?P<sign>[{}<>\[\]:,;-])""",
    re.VERBOSE,
)
CLOSING = {"{": "}", "<": ">"}


class Token(NamedTuple):
    """A word, a string, a sign, or the end of the text (kind `end`)."""

    kind: str
    text: str
    start: int
    end: int


class Field(NamedTuple):
    """A field and its place.

    Attributes:
        name: the field's name.
        start: offset of the name.
        end: offset behind the value, and behind a `,` or `;` after it.
        value_start: offset of the value: of the brace for a message.
        value_end: offset behind the value.
        fields: what is in a message.
        is_message: whether the value is a message.
    """

    name: str
    start: int
    end: int
    value_start: int
    value_end: int
    fields: tuple["Field", ...] = ()
    is_message: bool = False

    def find(self, name: str) -> "Field | None":
        """Return the message's last field of that name."""
        return next((field for field in reversed(self.fields) if field.name == name), None)

    def all(self, name: str) -> list["Field"]:
        """Return the message's fields of that name."""
        return [field for field in self.fields if field.name == name]

    def raw(self, text: str) -> str:
        """Return the value as it stands in the text."""
        return text[self.value_start : self.value_end]

    def string(self, text: str) -> str:
        """Return a string's value, or the word as it is."""
        from google.protobuf.text_encoding import CUnescape

        raw = self.raw(text)
        if raw[:1] not in {'"', "'"}:
            return raw
        pieces = [match["string"] for match in TOKEN.finditer(raw) if match["string"]]
        return b"".join(CUnescape(piece[1:-1]) for piece in pieces).decode("utf-8", "replace")


def parse(text: str) -> Field:
    """Return the text's fields, as those of one message that has no name.

    Raises:
        SchemaError: text that is no text proto.
    """
    reader = _Reader(text)
    fields = reader.fields(closing="")
    return Field("", 0, len(text), 0, len(text), tuple(fields), is_message=True)


def line_of(text: str, offset: int) -> int:
    """Return the line of an offset, from 1."""
    return text.count("\n", 0, offset) + 1


def quoted(value: str) -> str:
    """Return a string as a text proto has it."""
    from google.protobuf.text_encoding import CEscape

    return f'"{CEscape(value.encode(), as_utf8=True)}"'


def comments(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each comment."""
    for match in TOKEN.finditer(text):
        if match["space"] and match["space"].startswith("#"):
            yield match.span()


class _Reader:
    """Reads fields off the tokens of a text."""

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0
        self.token = self.next()

    def next(self) -> Token:
        """Return the next token that is neither space nor comment, and go past it."""
        while self.place < len(self.text):
            match = TOKEN.match(self.text, self.place)
            if match is None:
                raise self.error(self.place, repr(self.text[self.place]))
            self.place = match.end()
            if match.lastgroup != "space":
                return Token(str(match.lastgroup), match[0], *match.span())
        return Token("end", "", len(self.text), len(self.text))

    def error(self, offset: int, received: str) -> SchemaError:
        """Return what is wrong at an offset."""
        return SchemaError(f"line {line_of(self.text, offset)}: expected a text proto, received {received}")

    def take(self, *texts: str) -> Token:
        """Return the token and go on; refuse it if it is none of `texts`."""
        token = self.token
        if texts and token.text not in texts:
            raise self.error(token.start, f"{token.text!r} instead of {' or '.join(texts)}")
        self.token = self.next()
        return token

    def fields(self, closing: str) -> list[Field]:
        """Return the fields up to the sign `closing`, which stays; up to the end if it is empty."""
        found: list[Field] = []
        while self.token.text != closing:
            if self.token.kind not in {"word", "name"}:
                raise self.error(self.token.start, repr(self.token.text) if self.token.text else "the end")
            found += self.field()
        return found

    def field(self) -> list[Field]:
        """Return one field; of a list one for each of its values, all with the list's own start and end."""
        name = self.take()
        if self.token.text == ":":
            self.take()
        if self.token.text == "[":
            self.take()
            values = [] if self.token.text == "]" else [self.value()]
            while self.token.text == ",":
                self.take()
                values.append(self.value())
            end = self.take("]").end
        else:
            values = [self.value()]
            end = values[0].value_end
        if self.token.text in {",", ";"}:
            end = self.take().end
        return [value._replace(name=name.text, start=name.start, end=end) for value in values]

    def value(self) -> Field:
        """Return a value as a field without a name."""
        first = self.take()
        if first.text in CLOSING:
            inner = self.fields(CLOSING[first.text])
            last = self.take(CLOSING[first.text])
            return Field("", 0, 0, first.start, last.end, tuple(inner), is_message=True)
        last = self.take() if first.text == "-" else first
        while first.kind == "string" and self.token.kind == "string":
            last = self.take()
        if last.kind not in {"string", "word"}:
            raise self.error(first.start, repr(first.text) if first.text else "the end")
        return Field("", 0, 0, first.start, last.end)
