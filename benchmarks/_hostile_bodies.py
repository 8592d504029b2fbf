"""What hostile clients put into the body of a predict request. Strategies of hypothesis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st


@dataclass(frozen=True)
class Target:
    """The model that is asked: its name, the DataType numbers of its inputs, a body that it answers.

    With its names some requests come close to being right.
    """

    model: str
    inputs: Mapping[str, int]
    body: Mapping[str, Any]

    @property
    def path(self) -> str:
        return f"/v1/models/{self.model}:predict"


_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["", "nan", "1", "true", "\u0000", "\U0010ffff", "a" * 5000]),
    st.builds(lambda text: {"b64": text}, st.text(max_size=10) | st.sampled_from(["AA==", "A", "====", "é", "AA\n=="])),
)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)


def bodies(target: Target) -> st.SearchStrategy[bytes]:
    """Return bodies of a predict request."""
    valid = json.dumps(target.body).encode()
    return st.one_of(
        _near_right(target).map(lambda body: json.dumps(body).encode()),
        _deep(),
        _words(target),
        _encodings(),
        _shapes(target),
        _mutations(valid),
        st.binary(max_size=200),
        st.sampled_from([b"", b"{}", b"[]", b"null", b"0", b'""', b"\xef\xbb\xbf" + valid, valid + b"}", valid * 2]),
    )


def _near_right(target: Target) -> st.SearchStrategy[Any]:
    """Return documents of the right form with wrong things in them."""
    names = st.sampled_from([*target.inputs, "", "nobody"])
    row = st.dictionaries(names, _values, max_size=len(target.inputs) + 1) | st.fixed_dictionaries(
        dict.fromkeys(target.inputs, _values)
    )
    signature = st.sampled_from(["serving_default", "scalar", "anything", "__saved_model_init_op", ""]) | _values
    return st.fixed_dictionaries(
        {},
        optional={
            "signature_name": signature,
            "instances": st.lists(row | _values, max_size=4) | _values,
            "inputs": st.dictionaries(names, _values, max_size=6) | _values,
            "context": _values,
        },
    )


def _deep() -> st.SearchStrategy[bytes]:
    """Return lists and objects inside each other, closed or not."""
    pairs = st.sampled_from([(b"[", b"]"), (b'{"a":', b"}"), (b'[{"b64":', b"}]"), (b"[0,", b"]")])
    return st.builds(
        lambda key, pair, depth, closed: b'{"%s":' % key + pair[0] * depth + b"1" + pair[1] * (depth * closed) + b"}",
        st.sampled_from([b"instances", b"inputs", b"signature_name"]),
        pairs,
        st.sampled_from([2, 31, 32, 33, 60, 200, 900, 1000, 1100, 5000, 30_000, 100_000]),
        st.booleans(),
    )


def _words(target: Target) -> st.SearchStrategy[bytes]:
    """Return numbers and words that JSON does not have, or that no type holds."""
    words = st.sampled_from(
        [
            "NaN",
            "-NaN",
            "Infinity",
            "-Infinity",
            "Inf",
            "-Inf",
            "nan",
            "+1",
            ".5",
            "5.",
            "0x10",
            "1_000",
            "01",
            "-",
            "1e400",
            "-1e400",
            "1e-400",
            "1e999999999",
            "1E+400",
            "True",
            "None",
            "undefined",
            "'a'",
            "1n",
            "--1",
            "9" * 19,
            "9" * 20,
            "9" * 5000,
            "-" + "9" * 5000,
            "1." + "0" * 5000,
            "0" * 5000,
            "1e" + "9" * 5000,
        ]
    )
    name = st.sampled_from(list(target.inputs))
    documents = st.sampled_from(
        [
            '{"instances": [%s]}',
            '{"instances": [{"NAME": %s}]}',
            '{"inputs": {"NAME": [%s, 1]}}',
            '{"inputs": %s}',
            "%s",
            '{"signature_name": %s, "instances": [1]}',
            '{"signature_name": "anything", "inputs": [[%s]]}',
        ]
    )
    return st.builds(lambda form, key, word: (form.replace("NAME", key) % word).encode(), documents, name, words)


def _encodings() -> st.SearchStrategy[bytes]:
    """Return texts that are no texts: lone surrogates, bytes that are no UTF-8, other encodings, escapes."""
    inside = st.sampled_from(
        [
            rb"\ud800",
            rb"\udc00\ud800",
            rb"\ud83d\ude00",
            rb"\u0000",
            rb"\x41",
            rb"\u12",
            b"\\",
            b"\x00",
            b"\x1f",
            b"\xff\xfe",
            b"\xc0\x80",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xf0\x9f",
            b"\x80" * 1000,
        ]
    ) | st.binary(max_size=30)
    forms = st.sampled_from(
        [b'{"instances": ["%s"]}', b'{"%s": [1]}', b'{"signature_name": "%s", "inputs": 1}', b'"%s"']
    )
    wide = st.sampled_from(["utf-16", "utf-16-be", "utf-32", "utf-7", "cp500"])
    return st.builds(lambda form, text: form.replace(b"%s", text), forms, inside) | wide.map(
        lambda encoding: '{"instances": [1]}'.encode(encoding)
    )


def _shapes(target: Target) -> st.SearchStrategy[bytes]:
    """Return tensors that are ragged, empty or large."""
    lists = st.sampled_from(
        [
            "[[1,2],[3]]",
            "[[[]],[[1]]]",
            "[[],[]]",
            "[[1],2]",
            "[1,[2]]",
            "[null]",
            "[[[[[[[[1]]]]]]]]",
            f"[{','.join(['[]'] * 100000)}]",
            f"[{','.join(['1'] * 300000)}]",
            "[" + '{"b64":"AA=="},' * 50000 + "1]",
            f"[{','.join(['[1,2]'] * 50000)},[1]]",
            f'["{"a" * 1000000}"]',
            "[" + "{}," * 100000 + "{}]",
        ]
    )
    names = st.sampled_from(list(target.inputs))
    forms = st.sampled_from(
        [
            '{"instances": %s}',
            '{"inputs": {"NAME": %s}}',
            '{"instances": [{"NAME": %s}]}',
            '{"signature_name": "anything", "inputs": %s}',
            '{"signature_name": "scalar", "inputs": {"x": %s}}',
        ]
    )
    return st.builds(lambda form, key, value: (form.replace("NAME", key) % value).encode(), forms, names, lists)


def _mutations(valid: bytes) -> st.SearchStrategy[bytes]:
    """Return a right body with some bytes cut out and others put in."""

    def change(start: int, length: int, put: bytes) -> bytes:
        return valid[:start] + put + valid[start + length :]

    return st.builds(change, st.integers(0, len(valid)), st.integers(0, 20), st.binary(max_size=5))
