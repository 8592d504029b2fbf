"""Request bodies, from bytes to a JSON object, with RapidJSON's leniency and its error messages.

orjson reads every strict document. What it refuses and TensorFlow Serving takes (bare NaN and Infinity, a byte order
mark, text after the document) is read again by the standard library, which is slower.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, TypeAlias

import orjson

from serving.errors import InvalidArgumentError

JsonObject: TypeAlias = dict[str, Any]

# Larger values are cut in messages: a refused body of 100 MB must not be answered with 100 MB.
_MAX_SHOWN_CHARACTERS = 1000

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK = re.compile(r"[ \t\r\n]*")
_SIGN_OR_SHORT_INFINITY = re.compile(r"-NaN|Inf(?!inity)")
# The first alternative takes whole strings, closed or not, so that bare words are replaced outside strings only.
_STRING_OR_BARE_WORD = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|-?NaN|Inf(?:inity)?', re.DOTALL)
_MAY_OVERFLOW = re.compile(r"[eE]\+?\d{3}|\d{300}")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")

_RAPIDJSON_MESSAGES = {
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting ',' delimiter": "Missing a comma or } or ] after an element.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Invalid control character at": "Invalid encoding in string.",
}


def parse_object(body: bytes) -> JsonObject:
    """The JSON object that `body` holds.

    Raises:
        InvalidArgumentError: not JSON, not UTF-8, nested too deep for the parser, or not an object.
    """
    if not body:
        raise InvalidArgumentError("JSON Parse error: The document is empty")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = _parse_leniently(body)
    if not isinstance(value, dict):
        raise InvalidArgumentError(f"JSON Value: {describe(value)} Is not object")
    return value


def describe(value: object) -> str:
    """A JSON value as text for a message, cut after 1,000 characters."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deep to show)"
    return text if len(text) <= _MAX_SHOWN_CHARACTERS else f"{text[:_MAX_SHOWN_CHARACTERS]}..."


def _parse_leniently(body: bytes) -> Any:
    text = _spell_bare_words(_decode(body.removeprefix(_BYTE_ORDER_MARK)))
    blank = _BLANK.match(text)
    start = blank.end() if blank else 0
    if start == len(text):
        raise _parse_error("The document is empty.", text)
    try:
        value, _ = _choose_decoder(text).raw_decode(text, start)
        _refuse_lone_surrogates(text, value)
    except json.JSONDecodeError as error:
        message = _RAPIDJSON_MESSAGES.get(error.msg, "Invalid value.")
        raise _parse_error(message, text[: error.pos]) from error
    except RecursionError as error:
        raise InvalidArgumentError("JSON Parse error: The document is nested too deep.") from error
    return value


def _decode(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        message = f"JSON Parse error: Invalid encoding in string. at offset: {error.start}"
        raise InvalidArgumentError(message) from error


def _spell_bare_words(text: str) -> str:
    """Write -NaN, Inf and -Inf, which RapidJSON takes, as the standard library spells them."""
    if _SIGN_OR_SHORT_INFINITY.search(text) is None:
        return text
    return _STRING_OR_BARE_WORD.sub(_spell_match, text)


def _spell_match(match: re.Match[str]) -> str:
    word = match.group()
    if word.startswith('"'):
        return word
    return "NaN" if word.endswith("NaN") else "Infinity"


def _choose_decoder(text: str) -> json.JSONDecoder:
    # Python callbacks for each number make parsing slow, so only where some number may overflow.
    if _MAY_OVERFLOW.search(text) is None:
        return json.JSONDecoder()
    return json.JSONDecoder(parse_float=_read_finite, parse_int=_read_integer)


def _read_finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise InvalidArgumentError("JSON Parse error: Number too big to be stored in double.")
    return value


def _read_integer(digits: str) -> int | float:
    # Python refuses to convert integers of thousands of digits; no dtype holds more than twenty.
    return int(digits) if len(digits) <= 20 else _read_finite(digits)


def _refuse_lone_surrogates(text: str, value: object) -> None:
    if _SURROGATE_ESCAPE.search(text) is None:
        return
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise InvalidArgumentError("JSON Parse error: The surrogate pair in string is invalid.") from error


def _parse_error(message: str, text_before: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"JSON Parse error: {message} at offset: {len(text_before.encode())}")
