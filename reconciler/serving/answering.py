"""One request taken through, in a worker's thread: signature, key service, operation, answer or refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from reconciler.access.caller import Caller, Origin
from reconciler.errors import (
    AccessDeniedException,
    KMSInternalException,
    ReconcilerError,
    ServiceError,
    UnknownOperationException,
)
from reconciler.model.ports import Clock
from reconciler.serving import sts
from reconciler.serving.bodies import form, json_object
from reconciler.serving.credentials import Credential, Credentials
from reconciler.serving.key_services import KeyServices
from reconciler.serving.replays import Replays
from reconciler.serving.signature import SentRequest
from reconciler.serving.sigv4 import Signed, verify

TARGET: Final = "TrentService."
JSON: Final = "application/x-amz-json-1.1"
OTHER: Final = "other"
# Sent again, these change nothing: whoever may copy a request may have copied its answer, too.
_CHANGES_NOTHING: Final = (
    *("Describe", "List", "Get", "Encrypt", "Decrypt", "ReEncrypt", "Generate", "Sign", "Verify", "Derive"),
)
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_TELL_EVERY: Final = timedelta(seconds=10)
_MOST_TOLD: Final = 256
_STATUS: Final = {
    "DependencyTimeoutException": 500,
    "KMSInternalException": 500,
    "KeyUnavailableException": 500,
    "RequestEntityTooLargeException": 413,
    "RequestTimeoutException": 408,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``operation`` and ``error`` are what the metrics count it as."""

    status: int
    content_type: str
    body: bytes
    operation: str = OTHER
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who is at the other end of the connection."""

    address: str
    is_encrypted: bool


class Answering:
    """Shared by all threads. ``report`` is told, in one line, what an operator must know of and no client may."""

    def __init__(
        self,
        services: KeyServices,
        credentials: Credentials,
        replays: Replays,
        clock: Clock,
        report: Callable[[str], None],
    ) -> None:
        self._services, self._credentials, self._replays = services, credentials, replays
        self._clock, self._report = clock, report
        self._told: dict[str, datetime] = {}

    def answer(self, sent: SentRequest, peer: Peer, request_id: bytes) -> Answer:
        """The answer, whatever happens: an error that nobody foresaw is an internal one, told without details."""
        operation = OTHER
        is_query = is_of_query_protocol(sent)
        try:
            if is_query:
                signed = verify(sent, self._credentials, self._clock.now(), {"sts"})
                text = sts.answer(signed.credential, form(sent.body), as_uuid(request_id))
                return Answer(
                    status=200, content_type=sts.CONTENT_TYPE, body=text.encode(), operation="GetCallerIdentity"
                )
            signed = verify(sent, self._credentials, self._clock.now(), {"kms"})
            name = _operation(sent)
            service = self._services.at(signed.credential, signed.scope.region)
            if name not in service.operations:
                raise UnknownOperationException(f"There is no operation {name[:128]}")
            operation = name
            request = json_object(sent.body)
            if not name.startswith(_CHANGES_NOTHING):
                self._replays.claim(signed, _attempt(sent), self._clock.now())
            found = service.answer(_caller(signed, sent, peer, request_id), name, request)
            body = _ENCODER.encode(found).encode()
            return Answer(status=200, content_type=JSON, body=body if found else b"", operation=name)
        except ServiceError as error:
            return refused(error, request_id, operation, is_query=is_query)
        except ReconcilerError as error:
            self._tell(f"{operation}: {error.code}: {error.summary}", request_id)
        except Exception as error:  # whatever it is, the client is answered, and the server goes on
            # The class alone: the text of an unforeseen error might carry what must not be shown (I19).
            self._tell(f"{operation}: unforeseen {type(error).__name__}", request_id)
        return refused(_INTERNAL, request_id, operation, is_query=is_query)

    def _tell(self, what: str, request_id: bytes) -> None:
        """Once in a while for each: a store that cannot be opened fails every request."""
        now = self._clock.now()
        last = self._told.get(what)
        if last is None or now - last >= _TELL_EVERY:
            if len(self._told) >= _MOST_TOLD:
                self._told.clear()
            self._told[what] = now
            self._report(f"serve: {what} (request {as_uuid(request_id)})")


_WORDLESS: Final = {
    *("InvalidCiphertextException", "KMSInvalidMacException", "KMSInvalidSignatureException", "NotAuthorizedException"),
}
"""The public service answers these without a message, and suites of its users compare that."""

_INTERNAL: Final = KMSInternalException("The request was rejected because of an internal error. It can be sent again.")


def refused(error: ServiceError, request_id: bytes, operation: str = OTHER, *, is_query: bool = False) -> Answer:
    """A refusal in the protocol's words."""
    if is_query:
        status, text = sts.refusal(error, as_uuid(request_id))
        content_type, body = sts.CONTENT_TYPE, text.encode("utf-8", "replace")
    else:
        status, content_type = _STATUS.get(error.code, 400), JSON
        words = error.publicly if isinstance(error, AccessDeniedException) else None
        told = {} if error.code in _WORDLESS else {"message": words or error.summary}
        body = json.dumps({"__type": error.code, **told}).encode()
    return Answer(status=status, content_type=content_type, body=body, operation=operation, error=error.code)


def is_of_query_protocol(sent: SentRequest) -> bool:
    """Whether it is a form that is posted (STS), and not JSON."""
    kind = sent.headers.get("content-type", "")
    is_post = sent.method == "POST" and "x-amz-target" not in sent.headers
    return is_post and kind.startswith("application/x-www-form-urlencoded")


def as_uuid(request_id: bytes) -> str:
    """As clients and audit records show it: a UUID of version 4."""
    return str(UUID(bytes=request_id, version=4))


def _attempt(sent: SentRequest) -> str:
    """What SDKs tell each of their requests apart with."""
    return " ".join(sent.headers.get(name, "")[:128] for name in ("amz-sdk-invocation-id", "amz-sdk-request"))


def _operation(sent: SentRequest) -> str:
    target = sent.headers.get("x-amz-target", "")
    if sent.method != "POST" or sent.path not in {"", "/"} or sent.query or not target.startswith(TARGET):
        raise UnknownOperationException(f"A request is a POST to / with X-Amz-Target: {TARGET}OPERATION")
    return target.removeprefix(TARGET)


def _caller(signed: Signed, sent: SentRequest, peer: Peer, request_id: bytes) -> Caller:
    credential: Credential = signed.credential
    return Caller(
        principal=credential.principal,
        account=credential.account,
        tags=credential.tags,
        origin=Origin(
            address=peer.address,
            user_agent=_printable(sent.headers.get("user-agent", "")),
            access_key_id=credential.access_key_id,
            is_encrypted=peer.is_encrypted,
            request_id=request_id,
        ),
    )


def _printable(text: str) -> str:
    """What a stranger wrote, fit to be kept and shown."""
    text = text[:256]
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)
