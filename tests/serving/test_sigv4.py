"""Whom a request is believed to come from: nobody, unless every part of its signature is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ServiceError
from reconciler.serving.credentials import DeclaredCredentials
from reconciler.serving.signature import SentRequest
from reconciler.serving.sigv4 import verify
from tests.serving.signing import ADMIN, NOW, credential, sent

MINUTES = timedelta(minutes=1)
TEMPORARY = credential("ASIATEMPORARY", expires=NOW + 60 * MINUTES, token="a+token==")
OVER = credential("ASIAOVER", expires=NOW, token="a+token==")
KNOWN = DeclaredCredentials([credential(), TEMPORARY, OVER])


class Case(NamedTuple):
    request: Callable[[], SentRequest]
    code: str
    words: str


def changed(**headers: str | None) -> SentRequest:
    """A right request of which somebody on the way changed or took away headers."""
    request = sent()
    found = dict(request.headers)
    for word, value in headers.items():
        name = word.replace("_", "-")
        if value is None:
            found.pop(name, None)
        else:
            found[name] = value
    return replace(request, headers=found)


def authorization(old: str, new: str) -> SentRequest:
    """One whose Authorization header is written otherwise."""
    header = sent().headers["authorization"]
    assert old in header
    return changed(authorization=header.replace(old, new))


INVALID, INCOMPLETE = "InvalidSignatureException", "IncompleteSignatureException"
UNKNOWN, MISSING = "UnrecognizedClientException", "MissingAuthenticationTokenException"
MISMATCH = "does not match the signature you provided"
CASES = {
    "nobody signed it": Case(lambda: changed(authorization=None), MISSING, "Missing Authentication Token"),
    "another scheme": Case(lambda: changed(authorization="Basic eDp5"), INCOMPLETE, "AWS4-HMAC-SHA256"),
    "an older algorithm": Case(lambda: authorization("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), INCOMPLETE, "AWS4-HMAC"),
    "an empty header": Case(lambda: changed(authorization=""), INCOMPLETE, "AWS4-HMAC-SHA256"),
    "no signature in it": Case(lambda: authorization(", Signature=", ", Sig="), INCOMPLETE, "'Signature'"),
    "no credential in it": Case(lambda: authorization("Credential=", "Cred="), INCOMPLETE, "'Credential'"),
    "no signed headers in it": Case(lambda: authorization("SignedHeaders=", "S="), INCOMPLETE, "'SignedHeaders'"),
    "a part without a value": Case(lambda: authorization(", Signature=", ", x, Signature="), INCOMPLETE, "name=value"),
    "two credentials": Case(
        lambda: authorization("Credential=", "Credential=a/b/c/d/e, Credential="), INCOMPLETE, "name=value"
    ),
    "a scope of four parts": Case(lambda: authorization("/kms/", "/"), INCOMPLETE, "5 slash-delimited"),
    "a scope that ends otherwise": Case(lambda: authorization("aws4_request", "aws5_request"), INVALID, "terminator"),
    "another service's scope": Case(lambda: sent(service="s3"), INVALID, "correct service: 'kms'"),
    "a Region that is a path": Case(lambda: authorization("eu-west-1", ".."), INVALID, "valid Region"),
    "a Region of capital letters": Case(lambda: sent(region="EU-WEST-1"), INVALID, "valid Region"),
    "another Region than was signed": Case(lambda: authorization("eu-west-1", "eu-west-2"), INVALID, MISMATCH),
    "a scope of another day": Case(
        lambda: authorization("20260105/", "20260106/"), INVALID, "Date in Credential scope"
    ),
    "no time": Case(lambda: changed(x_amz_date=None), INCOMPLETE, "'X-Amz-Date'"),
    "a time of another form": Case(lambda: changed(x_amz_date="2026-01-05T09:00:00Z"), INCOMPLETE, "ISO-8601"),
    "a day that is none": Case(lambda: changed(x_amz_date="20260199T090000Z"), INCOMPLETE, "ISO-8601"),
    "another time than was signed": Case(lambda: changed(x_amz_date="20260105T090001Z"), INVALID, MISMATCH),
    "six minutes old": Case(lambda: sent(now=NOW - 6 * MINUTES), INVALID, "Signature expired: 20260105T085400Z is now"),
    "six minutes early": Case(lambda: sent(now=NOW + 6 * MINUTES), INVALID, "Signature not yet current"),
    "an access key that is not known": Case(lambda: sent(key=("nobody", "x")), UNKNOWN, "token included"),
    "a secret that is not the key's": Case(lambda: sent(key=("testing", "x")), INVALID, MISMATCH),
    "another operation than was signed": Case(
        lambda: changed(x_amz_target="TrentService.DeleteAlias"), INVALID, MISMATCH
    ),
    "another host than was signed": Case(lambda: changed(host="elsewhere:1"), INVALID, MISMATCH),
    "another body than was signed": Case(lambda: replace(sent(), body=b'{"Limit":1}'), INVALID, MISMATCH),
    "another path than was signed": Case(lambda: replace(sent(), path="/x"), INVALID, MISMATCH),
    "another method than was signed": Case(lambda: replace(sent(), method="PUT"), INVALID, MISMATCH),
    "a query that was not signed": Case(lambda: replace(sent(), query="a=b"), INVALID, MISMATCH),
    "a signed header taken away": Case(lambda: changed(content_type=None), INVALID, "is not in the request"),
    "an unsigned x-amz header put in": Case(lambda: changed(x_amz_new="1"), INVALID, "'x-amz-new' must be"),
    "a target that is not signed": Case(
        lambda: authorization(";x-amz-target", ""), INVALID, "'x-amz-target' must be a 'SignedHeader'"
    ),
    "a host that is not signed": Case(lambda: authorization("host;", ""), INVALID, "'Host' or ':authority' must be"),
    "signed headers out of order": Case(
        lambda: authorization("content-type;host", "host;content-type"), INCOMPLETE, "sorted"
    ),
    "signed headers in capitals": Case(
        lambda: authorization("content-type;host", "Content-Type;host"), INCOMPLETE, "lower"
    ),
    "a signature in the query": Case(
        lambda: replace(changed(authorization=None), query="X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00"),
        INCOMPLETE,
        "query string is not accepted",
    ),
    "a signature cut short": Case(
        lambda: changed(authorization=sent().headers["authorization"][:-1]), INVALID, MISMATCH
    ),
    "a signature that is no ASCII": Case(
        lambda: changed(authorization=sent().headers["authorization"][:-1] + "\udcff"), INVALID, MISMATCH
    ),
    "a temporary key without its token": Case(
        lambda: sent(key=("ASIATEMPORARY", "testing-secret")), UNKNOWN, "invalid"
    ),
    "a temporary key with another token": Case(
        lambda: sent(key=("ASIATEMPORARY", "testing-secret"), token="another"), UNKNOWN, "invalid"
    ),
    "a lasting key with a token": Case(lambda: sent(token="a+token=="), UNKNOWN, "invalid"),
    "a temporary key that is over": Case(
        lambda: sent(key=("ASIAOVER", "testing-secret"), token="a+token=="), "ExpiredTokenException", "expired"
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_request_is_refused_with(name: str) -> None:
    case = CASES[name]
    with pytest.raises(ServiceError) as refused:
        verify(case.request(), KNOWN, NOW, {"kms"})
    assert refused.value.code == case.code
    assert case.words in refused.value.summary


@pytest.mark.parametrize("minutes", [-5, -1, 0, 1, 5])
def test_a_right_request_is_believed_up_to_five_minutes_off(minutes: int) -> None:
    found = verify(sent(now=NOW + minutes * MINUTES), KNOWN, NOW, {"kms"})
    assert (found.credential.principal, found.scope.region) == (ADMIN, "eu-west-1")
    assert NOW < found.expires <= NOW + 11 * MINUTES


def test_a_temporary_key_is_believed_with_its_token() -> None:
    request = sent(key=("ASIATEMPORARY", "testing-secret"), token="a+token==")
    assert verify(request, KNOWN, NOW, {"kms"}).credential is KNOWN.find("ASIATEMPORARY")


def test_headers_that_proxies_add_or_change_need_not_be_signed() -> None:
    request = changed(user_agent="another", x_forwarded_for="10.0.0.1", x_amzn_trace_id="Root=1", via="1.1 x")
    assert verify(request, KNOWN, NOW, {"kms"}).credential.principal == ADMIN


@given(header=st.text(max_size=120))
def test_whatever_stands_in_the_header_is_a_public_refusal(header: str) -> None:
    for written in (header, f"AWS4-HMAC-SHA256 {header}", f"AWS4-HMAC-SHA256 Credential={header}, SignedHeaders=host"):
        with pytest.raises(ServiceError):
            verify(changed(authorization=written), KNOWN, NOW, {"kms"})


@given(data=st.data())
def test_no_byte_of_what_is_signed_can_be_another(data: st.DataObject) -> None:
    request = sent(body=b'{"Limit": 10}')
    name = data.draw(st.sampled_from(sorted(set(request.headers) - {"authorization"})))
    value = request.headers[name]
    place = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda one: one != value[place]))
    with pytest.raises(ServiceError):
        verify(
            replace(request, headers={**request.headers, name: value[:place] + other + value[place + 1 :]}),
            KNOWN,
            NOW,
            {"kms"},
        )
