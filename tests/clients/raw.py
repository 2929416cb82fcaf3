"""Requests below any SDK: signed as the protocol asks, or wrongly on purpose, and sent as they are."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from tests.clients.server import REGION, key_of


@dataclass
class Answered:
    """What came back."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def error(self) -> str:
        """The public name of a refusal."""
        return str(json.loads(self.body)["__type"])


@dataclass
class Sending:
    """A request to be sent, perhaps twice. ``late`` moves its clock; ``changes`` are made after it was signed."""

    operation: str
    body: bytes = b"{}"
    principal: str = "admin"
    region: str = REGION
    service: str = "kms"
    late: timedelta = timedelta()
    secret: str | None = None
    target: str = "TrentService."
    changes: dict[str, str | None] = field(default_factory=dict)
    changed_body: bytes | None = None

    def signed(self, host: str) -> dict[str, str]:
        """Its headers."""
        moment = datetime.now(UTC) + self.late
        access_key, secret = key_of(self.principal)
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "host": host,
            "x-amz-date": moment.strftime("%Y%m%dT%H%M%SZ"),
            "x-amz-target": self.target + self.operation,
        }
        names = ";".join(headers)
        canonical = "\n".join(
            ["POST", "/", "", *(f"{name}:{value}" for name, value in headers.items()), "", names, _hash(self.body)]
        )
        scope = f"{moment:%Y%m%d}/{self.region}/{self.service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{_hash(canonical.encode())}"
        key = f"AWS4{self.secret or secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        for name, value in self.changes.items():
            if value is None:
                del headers[name]
            else:
                headers[name] = value
        return headers


def send(url: str, sending: Sending, headers: dict[str, str] | None = None) -> Answered:
    """Send it; ``headers`` are those of a request that was signed before."""
    host = urlsplit(url).netloc
    connection = HTTPConnection(host, timeout=30)
    try:
        body = sending.body if sending.changed_body is None else sending.changed_body
        connection.putrequest("POST", "/", skip_host=True, skip_accept_encoding=True)
        for name, value in (headers or sending.signed(host)).items():
            connection.putheader(name, value)
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answered(answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()})
    finally:
        connection.close()


def asked(operation: str, **request: Any) -> Sending:
    """A sound request."""
    return Sending(operation, json.dumps(request).encode())


def _hash(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
