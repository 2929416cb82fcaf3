"""Who sent a request: its Signature Version 4 checked, header by header, before anything in it is believed.

Signed must be the host, the time and every ``x-amz-`` header that is there: the target among them, or somebody on the
way could ask for another operation. A time more than five minutes off is refused in either direction.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.errors import (
    ExpiredTokenException,
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    UnrecognizedClientException,
)
from reconciler.serving.credentials import Credential, Credentials
from reconciler.serving.signature import (
    ALGORITHM,
    TERMINATOR,
    Scope,
    SentRequest,
    canonical_request,
    sign,
    string_to_sign,
)

SKEW: Final = timedelta(minutes=5)
_TIME: Final = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]+){1,3}-\d{1,2}", re.ASCII)
_UNKNOWN: Final = "The security token included in the request is invalid."


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A request whose signature is right. ``expires`` is when a copy of it is refused for its age."""

    credential: Credential
    scope: Scope
    signature: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class _Authorization:
    access_key_id: str
    scope: Scope
    signed_headers: tuple[str, ...]
    signature: str


def verify(request: SentRequest, credentials: Credentials, now: datetime, services: Collection[str]) -> Signed:
    """Who signed the request, for one of ``services``. MissingAuthenticationTokenException,
    IncompleteSignatureException, UnrecognizedClientException, ExpiredTokenException, InvalidSignatureException."""
    authorization = _authorization(request)
    scope = authorization.scope
    if scope.service not in services:
        raise InvalidSignatureException(
            f"Credential should be scoped to correct service: {' or '.join(map(repr, sorted(services)))}."
        )
    if not is_region(scope.region):
        raise InvalidSignatureException("Credential should be scoped to a valid Region, such as 'eu-west-1'.")
    time = _time(request, scope)
    _refuse_unsigned(request, authorization.signed_headers)
    credential = credentials.find(authorization.access_key_id)
    if credential is None:
        raise UnrecognizedClientException(_UNKNOWN)
    _check_age(time, now)
    try:
        canonical = canonical_request(request, authorization.signed_headers)
    except KeyError as error:
        raise InvalidSignatureException(f"The signed header {error.args[0]!r} is not in the request.") from None
    text = string_to_sign(canonical, request.headers["x-amz-date"], scope)
    right = sign(credential.signing_key(scope), text)
    if not hmac.compare_digest(right.encode(), authorization.signature.encode("utf-8", "surrogateescape")):
        raise InvalidSignatureException(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details."
        )
    _check_token(request, credential, now)
    return Signed(
        credential=credential,
        scope=scope,
        signature=authorization.signature,
        expires=time + SKEW + timedelta(seconds=1),
    )


def is_region(name: str) -> bool:
    """Whether ``name`` has the form of a Region: it also becomes the name of a folder."""
    return _REGION.fullmatch(name) is not None


def _authorization(request: SentRequest) -> _Authorization:
    header = request.headers.get("authorization")
    if header is None:
        if "X-Amz-Signature=" in request.query or "X-Amz-Algorithm=" in request.query:
            raise IncompleteSignatureException(
                "A signature in the query string is not accepted here: sign with the Authorization header."
            )
        raise MissingAuthenticationTokenException("Missing Authentication Token")
    algorithm, _, rest = header.strip().partition(" ")
    if algorithm != ALGORITHM:
        raise IncompleteSignatureException(f"Unsupported AWS 'algorithm': only {ALGORITHM} is accepted.")
    parts: dict[str, str] = {}
    for part in rest.split(","):
        name, is_there, value = part.strip().partition("=")
        if not is_there or name in parts:
            raise IncompleteSignatureException("Authorization header has a part that is not one 'name=value'.")
        parts[name] = value
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not parts.get(name)]
    if missing:
        told = " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
        raise IncompleteSignatureException(told)
    scoped = parts["Credential"].split("/")
    if len(scoped) != 5:
        raise IncompleteSignatureException(
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            f"keyid/date/region/service/term, got {len(scoped)}."
        )
    access_key_id, date, region, service, terminator = scoped
    if terminator != TERMINATOR:
        raise InvalidSignatureException(f"Credential should be scoped with a valid terminator: '{TERMINATOR}'.")
    names = tuple(parts["SignedHeaders"].split(";"))
    if list(names) != sorted(set(names)) or any(name != name.lower() for name in names):
        raise IncompleteSignatureException("SignedHeaders must be lower-case names, sorted, each once.")
    return _Authorization(access_key_id, Scope(date, region, service), names, parts["Signature"])


def _time(request: SentRequest, scope: Scope) -> datetime:
    written = request.headers.get("x-amz-date")
    if written is None:
        raise IncompleteSignatureException("Authorization header requires existence of an 'X-Amz-Date' header.")
    try:
        if _TIME.fullmatch(written) is None:
            raise ValueError
        time = datetime.fromisoformat(written)
    except ValueError:
        raise IncompleteSignatureException(
            "Date must be in ISO-8601 'basic format', such as 20150830T123600Z."
        ) from None
    if written[:8] != scope.date:
        raise InvalidSignatureException(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{scope.date}' != '{written[:8]}'."
        )
    return time


def _refuse_unsigned(request: SentRequest, signed: Collection[str]) -> None:
    for name in request.headers:
        if (name == "host" or name.startswith("x-amz-")) and name not in signed:
            shown = "Host' or ':authority" if name == "host" else name
            raise InvalidSignatureException(f"'{shown}' must be a 'SignedHeader' in the AWS Authorization.")
    if "host" not in signed:
        raise InvalidSignatureException("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")


def _check_age(time: datetime, now: datetime) -> None:
    first, last = now - SKEW, now + SKEW
    if time < first:
        raise InvalidSignatureException(
            f"Signature expired: {_basic(time)} is now earlier than {_basic(first)} ({_basic(now)} - 5 min.)"
        )
    if time > last:
        raise InvalidSignatureException(
            f"Signature not yet current: {_basic(time)} is still later than {_basic(last)} ({_basic(now)} + 5 min.)"
        )


def _check_token(request: SentRequest, credential: Credential, now: datetime) -> None:
    """The token is among the signed headers; a credential without one takes none."""
    given = request.headers.get("x-amz-security-token", "")
    if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), (credential.token or "").encode()):
        raise UnrecognizedClientException(_UNKNOWN)
    if credential.expires is not None and credential.expires <= now:
        raise ExpiredTokenException("The security token included in the request is expired")


def _basic(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%SZ")
