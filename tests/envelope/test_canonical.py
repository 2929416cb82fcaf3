"""No two different lists of fields encode alike, and the encoding is frozen (I7, KM4)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.envelope.canonical import Field, encode

TEXT = st.text(max_size=6)
FIELD: st.SearchStrategy[Any] = (
    st.none()
    | TEXT
    | st.binary(max_size=6)
    | st.integers(min_value=0, max_value=2**64 - 1)
    | st.dictionaries(TEXT, TEXT, max_size=3)
)
FIELDS = st.lists(FIELD, max_size=4)

VECTORS: dict[str, tuple[tuple[Field, ...], str]] = {
    "no fields": ((), ""),
    "one of each": ((None, b"\0", "ä", 258), "4e000000004200000001005300000002c3a449000000080000000000000102"),
    "pairs are sorted": (
        ({"b": "2", "a": "1"},),
        "4d000000140000000161000000013100000001620000000132",
    ),
    "sorted by the bytes of UTF-8": (
        ({"\U0001f511": "", "\uffff": ""},),
        "4d0000001700000003efbfbf0000000000000004f09f949100000000",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(name: str) -> None:
    fields, expected = VECTORS[name]
    assert encode(*fields).hex() == expected


@given(FIELDS, FIELDS)
def test_different_fields_encode_differently(first: list[Any], second: list[Any]) -> None:
    same = [(type(field), field) for field in first] == [(type(field), field) for field in second]
    assert (encode(*first) == encode(*second)) is same


@given(FIELDS)
def test_an_encoding_reads_back_as_one_list_only(fields: list[Any]) -> None:
    """The proof of the promise: a reader that looks only at the bytes finds the fields again."""
    assert read(encode(*fields)) == fields


@given(st.dictionaries(TEXT, TEXT, max_size=5))
def test_the_order_of_pairs_does_not_count(pairs: dict[str, str]) -> None:
    assert encode(pairs) == encode(dict(reversed(pairs.items())))


@pytest.mark.parametrize("out_of_range", [-1, 2**64])
def test_a_number_that_has_no_encoding_is_refused(out_of_range: int) -> None:
    with pytest.raises(struct.error):
        encode(out_of_range)


def read(raw: bytes) -> list[Any]:
    fields: list[Any] = []
    while raw:
        kind, size, rest = raw[:1], int.from_bytes(raw[1:5], "big"), raw[5:]
        body, raw = rest[:size], rest[size:]
        readers: dict[bytes, Callable[[bytes], Any]] = {
            b"N": lambda _: None,
            b"B": bytes,
            b"S": bytes.decode,
            b"I": number,
            b"M": pairs_of,
        }
        fields.append(readers[kind](body))
    return fields


def number(body: bytes) -> int:
    return int.from_bytes(body, "big")


def pairs_of(body: bytes) -> dict[str, str]:
    texts = []
    while body:
        size = int.from_bytes(body[:4], "big")
        texts.append(body[4 : 4 + size].decode())
        body = body[4 + size :]
    return dict(zip(texts[::2], texts[1::2], strict=True))
