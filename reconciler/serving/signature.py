"""Signature Version 4: what is signed of a request, and the signature over it. Pure; checked on AWS's own examples.

string to sign = algorithm, time, scope, SHA-256 of (method, path, query, headers, signed names, SHA-256 of the body)
signing key    = HMAC chain over date, Region, service and "aws4_request", begun with "AWS4" + secret
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

ALGORITHM: Final = "AWS4-HMAC-SHA256"
TERMINATOR: Final = "aws4_request"
_SPACES: Final = re.compile(r" +")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """A request as it came over the wire. ``path`` and ``query`` are undecoded; ``headers`` have lower-case names, and
    the values of a name that came several times are joined with commas, in order; bytes that are no UTF-8 are kept by
    ``surrogateescape``."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signing key is good for: one day (``20150830``), Region and service."""

    date: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/{TERMINATOR}"


def canonical_request(request: SentRequest, signed_headers: Sequence[str]) -> str:
    """The request in the one form that both sides hash. KeyError names a signed header that the request lacks."""
    headers = "".join(f"{name}:{_trimmed(request.headers[name])}\n" for name in signed_headers)
    return "\n".join(
        (
            request.method,
            _canonical_path(request.path),
            _canonical_query(request.query) if request.query else "",
            headers,
            ";".join(signed_headers),
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def string_to_sign(canonical: str, time: str, scope: Scope) -> str:
    """What is signed; ``time`` is that of ``x-amz-date`` (``20150830T123600Z``)."""
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    return "\n".join((ALGORITHM, time, str(scope), digest))


def signing_key(secret: str, scope: Scope) -> bytes:
    """The key of that scope."""
    key = f"AWS4{secret}".encode()
    for part in (scope.date, scope.region, scope.service, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign(key: bytes, text: str) -> str:
    """The signature, in hexadecimal."""
    return hmac.digest(key, text.encode(), "sha256").hex()


def _trimmed(value: str) -> str:
    value = value.strip()
    return _SPACES.sub(" ", value) if "  " in value else value


def _canonical_path(path: str) -> str:
    """Dot segments and doubled slashes resolved, then encoded once more than on the wire (every service but S3)."""
    if path in {"", "/"}:
        return "/"
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    ends_in_slash = path.endswith("/") and bool(kept)
    return quote("/" + "/".join(kept) + ("/" if ends_in_slash else ""), safe="/-_.~")


def _canonical_query(query: str) -> str:
    pairs = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        pairs.append((_encoded(name), _encoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="-_.~")
