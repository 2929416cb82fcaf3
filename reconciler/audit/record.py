"""What is kept of one request: plain facts, from which ``event`` makes the public form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

READ_ONLY_EVENTS = frozenset(
    {
        *("Decrypt", "DeriveSharedSecret", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair"),
        *("GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "GenerateRandom"),
        *("GetKeyLastUsage", "GetKeyPolicy", "GetKeyRotationStatus", "GetParametersForImport", "GetPublicKey"),
        *("ListAliases", "ListGrants", "ListKeyPolicies", "ListKeyRotations", "ListKeys", "ListResourceTags"),
        *("ListRetirableGrants", "ReEncrypt", "Sign", "Verify", "VerifyMac", "GetAccountAuthorizationDetails"),
    }
)

IDENTITY_EVENTS = frozenset(
    {
        *("PutUserPolicy", "PutRolePolicy", "DeleteUserPolicy", "DeleteRolePolicy"),
        "GetAccountAuthorizationDetails",
    }
)
"""Requests about identity policies, which are the public identity service's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One request. ``principal`` is an ARN, or a service's name when it called on nobody's behalf; ``via_service`` the
    service that called for the principal. ``parameters`` and ``response`` are the event's requestParameters and
    responseElements: names, ids and encryption contexts only, never plaintext, ciphertext or a grant token.

    ``key_arns`` are the keys concerned. ``error_code`` is the public name, None when the request succeeded.
    ``request_id`` and ``event_id`` have 16 bytes. ``by_service_itself`` marks what the key service did of its own
    accord, such as destroying a key whose waiting time is over. ``additional`` is the event's additionalEventData: what
    decided, and whether the request was a trial.
    """

    time: datetime
    name: str
    principal: str
    account: str
    region: str
    owner_account: str
    request_id: bytes
    event_id: bytes
    via_service: str | None = None
    parameters: Mapping[str, Any] | None = None
    response: Mapping[str, Any] | None = None
    key_arns: tuple[str, ...] = field(default=())
    error_code: str | None = None
    error_message: str | None = None
    source_address: str = "127.0.0.1"
    user_agent: str = "reconciler"
    access_key_id: str = ""
    by_service_itself: bool = False
    additional: Mapping[str, Any] | None = None
