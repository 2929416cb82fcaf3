"""sts:GetCallerIdentity: what clients ask first. The Query protocol: a form in, XML out."""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape

from reconciler.errors import ServiceError, UnknownOperationException
from reconciler.serving.credentials import Credential

CONTENT_TYPE: Final = "text/xml"
_NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
# The Query services say some things in other words than the JSON ones.
_CODES: Final = {
    "ExpiredTokenException": ("ExpiredToken", 403),
    "IncompleteSignatureException": ("IncompleteSignature", 400),
    "InvalidSignatureException": ("SignatureDoesNotMatch", 403),
    "KMSInternalException": ("InternalFailure", 500),
    "MissingAuthenticationTokenException": ("MissingAuthenticationToken", 403),
    "RequestEntityTooLargeException": ("RequestEntityTooLarge", 413),
    "SerializationException": ("MalformedInput", 400),
    "UnknownOperationException": ("InvalidAction", 400),
    "UnrecognizedClientException": ("InvalidClientTokenId", 403),
}


def answer(credential: Credential, fields: Mapping[str, str], request_id: str) -> str:
    """The XML of the answer. UnknownOperationException for any other action."""
    action = fields.get("Action", "")
    if action != "GetCallerIdentity":
        raise UnknownOperationException(f"Could not find operation {action[:128]} for version 2011-06-15")
    return (
        f'<GetCallerIdentityResponse xmlns="{_NAMESPACE}"><GetCallerIdentityResult>'
        f"<Arn>{escape(credential.principal)}</Arn><UserId>{escape(user_id(credential.principal))}</UserId>"
        f"<Account>{credential.account}</Account></GetCallerIdentityResult>"
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    )


def refusal(error: ServiceError, request_id: str) -> tuple[int, str]:
    """Status and XML of a refusal."""
    code, status = _CODES.get(error.code, (error.code, 400))
    side = "Receiver" if status >= 500 else "Sender"
    return status, (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>{side}</Type><Code>{escape(code)}</Code>'
        f"<Message>{escape(error.summary)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )


def user_id(principal: str) -> str:
    """A principal's unique id, made from its ARN, so that it is the same each time: ``AIDA…`` for a user, ``AROA…`` for
    a role, with the session's name behind it; the account for its root."""
    _, _, service, _, account, resource = principal.split(":", 5)
    if resource == "root":
        return account
    if service == "sts":
        _, role, session = resource.split("/", 2)
        return f"{_unique('AROA', f'arn:aws:iam::{account}:role/{role}')}:{session}"
    return _unique("AIDA" if resource.startswith("user/") else "AROA", principal)


def _unique(prefix: str, arn: str) -> str:
    return prefix + b32encode(hashlib.sha256(arn.encode()).digest()).decode()[:17]
