"""Requests signed by botocore, and sent as they are: what a client library would mend or hide stays to be seen."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from unittest import mock

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from reconciler.serving.credentials import Credential
from reconciler.serving.signature import SentRequest

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
ADMIN = "arn:aws:iam::111122223333:user/admin"
KEY_ID, SECRET = "testing", "testing-secret"  # of throw-away servers
HOST = "127.0.0.1:8700"


def credential(
    access_key_id: str = KEY_ID, principal: str = ADMIN, *, expires: datetime | None = None, token: str | None = None
) -> Credential:
    return Credential(
        access_key_id=access_key_id, secret=SECRET, principal=principal, created=NOW, expires=expires, token=token
    )


def signed_headers(
    body: bytes,
    headers: Mapping[str, str],
    *,
    service: str = "kms",
    region: str = "eu-west-1",
    host: str = HOST,
    key: tuple[str, str] = (KEY_ID, SECRET),
    token: str | None = None,
    now: datetime = NOW,
    path: str = "/",
    method: str = "POST",
) -> dict[str, str]:
    """The headers that botocore would send."""
    request = AWSRequest(method, f"http://{host}{path}", {**headers, "Host": host}, body)
    with mock.patch("botocore.auth.get_current_datetime", return_value=now):
        SigV4Auth(Credentials(*key, token), service, region).add_auth(request)
    return dict(request.headers)


def target(operation: str) -> dict[str, str]:
    return {"X-Amz-Target": f"TrentService.{operation}", "Content-Type": "application/x-amz-json-1.1"}


def sent(operation: str = "ListKeys", body: bytes = b"{}", **signing: Any) -> SentRequest:
    """A signed request as the server sees it."""
    return as_sent(signed_headers(body, target(operation), **signing), body)


def as_sent(headers: Mapping[str, str], body: bytes) -> SentRequest:
    lower = {name.lower(): value for name, value in headers.items()}
    return SentRequest(method="POST", path="/", query="", headers=lower, body=body)


class Answered(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"{}")


def send(
    host: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST", path: str = "/", seconds: float = 20
) -> Answered:
    """Send exactly that."""
    connection = http.client.HTTPConnection(host, timeout=seconds)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return Answered(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def call(host: str, operation: str, request: Any, **signing: Any) -> Answered:
    """A request of the present moment."""
    body = json.dumps(request).encode()
    with_time: dict[str, Any] = {"host": host, "now": datetime.now(UTC)} | signing
    return send(host, body, signed_headers(body, target(operation), **with_time))
