"""Signature Version 4 against AWS's published examples (test suite and documentation), and botocore's signer."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import NamedTuple
from unittest import mock

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from reconciler.serving.signature import (
    Scope,
    SentRequest,
    canonical_request,
    sign,
    signing_key,
    string_to_sign,
)

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # noqa: S105  # AWS's example
TIME = "20150830T123600Z"
SUITE = Scope("20150830", "us-east-1", "service")
HOST = {"host": "example.amazonaws.com", "x-amz-date": TIME}
OF_A_SESSION = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7m"
    "SEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo"
    "0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)


class Example(NamedTuple):
    """A request of the suite, and its signature as published."""

    signature: str
    method: str = "GET"
    path: str = "/"
    query: str = ""
    headers: dict[str, str] = {}  # noqa: RUF012  # read only
    body: bytes = b""


FORM = {"content-type": "application/x-www-form-urlencoded"}
SUITE_EXAMPLES = {
    "get-vanilla": Example("5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "post-vanilla": Example("5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", "POST"),
    "get-relative": Example("5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", path="/example/.."),
    "get-slashes": Example("9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84", path="//example//"),
    "get-utf8": Example("8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85", path="/ሴ"),
    "get-vanilla-query-order-key-case": Example(
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500", query="Param2=value2&Param1=value1"
    ),
    "get-header-value-trim": Example(
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        headers={"my-header1": " value1", "my-header2": ' "a   b   c"'},
    ),
    "get-header-key-duplicate": Example(
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        headers={"my-header1": "value2,value2,value1"},
    ),
    "post-x-www-form-urlencoded": Example(
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        "POST",
        headers=FORM,
        body=b"Param1=value1",
    ),
    "post-sts-header-before": Example(
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        "POST",
        headers={"x-amz-security-token": OF_A_SESSION},
    ),
}


def signature_of(request: SentRequest, scope: Scope, secret: str = SECRET) -> str:
    names = tuple(sorted(request.headers))
    text = string_to_sign(canonical_request(request, names), request.headers["x-amz-date"], scope)
    return sign(signing_key(secret, scope), text)


@pytest.mark.parametrize("name", SUITE_EXAMPLES)
def test_an_example_of_the_suite_has_the_published_signature(name: str) -> None:
    found = SUITE_EXAMPLES[name]
    request = SentRequest(
        method=found.method, path=found.path, query=found.query, headers=HOST | found.headers, body=found.body
    )
    assert signature_of(request, SUITE) == found.signature


def test_the_example_of_the_documentation_in_every_stage() -> None:
    scope = Scope("20150830", "us-east-1", "iam")
    headers = {
        "host": "iam.amazonaws.com",
        "x-amz-date": TIME,
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
    }
    request = SentRequest(
        method="GET", path="/", query="Action=ListUsers&Version=2010-05-08", headers=headers, body=b""
    )
    canonical = canonical_request(request, tuple(sorted(headers)))
    assert (
        hashlib.sha256(canonical.encode()).hexdigest()
        == "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
    )
    assert signing_key(SECRET, scope).hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    assert signature_of(request, scope) == "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"


TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
QUERY = st.lists(
    st.tuples(
        st.from_regex(r"[A-Za-z0-9._~-]{1,8}", fullmatch=True), st.from_regex(r"[A-Za-z0-9._~-]{0,8}", fullmatch=True)
    ),
    max_size=3,
)


@given(
    body=st.binary(max_size=64),
    path=st.lists(st.sampled_from(["a", "b.c", "..", ".", "", "~x", "%20", "%2F"]), max_size=5).map("/".join),
    query=QUERY,
    headers=st.dictionaries(st.from_regex(r"x-amz-[a-z]{1,6}q", fullmatch=True), TEXT, max_size=3),
    secret=TEXT,
    method=st.sampled_from(["GET", "POST", "PUT"]),
)
def test_botocore_signs_whatever_it_is_as_we_do(  # noqa: PLR0917  # hypothesis hands them over by name
    body: bytes, path: str, query: list[tuple[str, str]], headers: dict[str, str], secret: str, method: str
) -> None:
    written = "&".join(f"{name}={value}" for name, value in query)
    url = f"http://localhost:8700/{path}" + (f"?{written}" if written else "")
    theirs = AWSRequest(method, url, headers, body)
    moment = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    with mock.patch("botocore.auth.get_current_datetime", return_value=moment):
        SigV4Auth(Credentials("AKIDEXAMPLE", secret), "kms", "eu-west-1").add_auth(theirs)

    signed = {name.lower(): value for name, value in theirs.headers.items() if name != "Authorization"}
    ours = SentRequest(
        method=method, path=f"/{path}", query=written, headers=signed | {"host": "localhost:8700"}, body=body
    )
    assert theirs.headers["Authorization"].endswith(
        f"Signature={signature_of(ours, Scope('20260105', 'eu-west-1', 'kms'), secret)}"
    )
