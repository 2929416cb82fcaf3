"""What anybody may send as a body, and what is made of it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import SerializationException
from reconciler.serving.bodies import DEEPEST, form, json_object

REFUSED = {
    "no JSON": b"KeyId=1",
    "cut short": b'{"KeyId": "a',
    "something behind it": b"{} {}",
    "a comment": b"{} // x",
    "a trailing comma": b'{"a": 1,}',
    "a list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "not UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "half a surrogate pair as a name": b'{"\\uDFFF": 1}',
    "not a number": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "a number of 5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "a member twice": b'{"KeyId": "a", "KeyId": "b"}',
    "a member twice, further in": b'{"a": [{"b": 1, "b": 1}]}',
    "a member twice, spelled otherwise": b'{"a": 1, "\\u0061": 2}',
    "a line break in a text": b'{"a": "\n"}',
    "too deep": b'{"a":' + b"[" * DEEPEST + b"]" * DEEPEST + b"}",
    "deeper than Python goes": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_is_refused_that_is(name: str) -> None:
    with pytest.raises(SerializationException):
        json_object(REFUSED[name])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", {}),
        (b"{}", {}),
        (b' {"a": {"b": [1, 2.5, true, null]}} ', {"a": {"b": [1, 2.5, True, None]}}),
        ('{"k": "ü€\U0001f511"}'.encode(), {"k": "ü€\U0001f511"}),
        (b'{"k": "\\ud83d\\udd11"}', {"k": "\U0001f511"}),
        (b'{"a":' + b"[" * (DEEPEST - 2) + b"]" * (DEEPEST - 2) + b"}", None),
        (b'{"a": "' + b"[" * 500 + b'"}', {"a": "[" * 500}),
    ],
)
def test_a_body_is_taken_as_it_is(body: bytes, expected: Any) -> None:
    found = json_object(body)
    assert expected is None or found == expected


JSON_OBJECTS = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(JSON_OBJECTS)
def test_every_object_is_read_as_it_was_written(value: dict[str, Any]) -> None:
    assert json_object(json.dumps(value).encode()) == value
    assert json_object(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=60))
def test_whatever_the_bytes_are_they_are_an_object_or_a_refusal(body: bytes) -> None:
    with suppress(SerializationException):
        assert isinstance(json_object(body), dict)


def test_a_form_is_read_and_what_is_none_is_refused() -> None:
    assert form(b"Action=GetCallerIdentity&Version=2011-06-15") == {
        "Action": "GetCallerIdentity",
        "Version": "2011-06-15",
    }
    for bad in (b"Action=a&Action=b", b"\xff=1", b"x", b"&".join(b"a%d=1" % i for i in range(200))):
        with pytest.raises(SerializationException):
            form(bad)
