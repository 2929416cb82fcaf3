"""An audit record as the public event (AU1): names, order and values that CloudTrail's readers expect."""

from __future__ import annotations

import hashlib
import re
import uuid
from base64 import b32encode
from typing import Any, Final

from reconciler.audit.record import IDENTITY_EVENTS, READ_ONLY_EVENTS, AuditRecord

INTERNAL: Final = "AWS Internal"  # what stands for an address and an agent when a service makes the call
# The trail's own spelling of the one error whose public name it does not use.
_ERROR_CODES: Final = {"AccessDeniedException": "AccessDenied"}
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:(iam|sts)::(\d{12}):(root|user|role|assumed-role)(?:/(.+))?")


def event(record: AuditRecord) -> dict[str, Any]:
    """``record`` as one CloudTrail event of version 1.08, ready for ``json.dumps``."""
    is_service = not record.principal.startswith("arn:")
    internal = is_service or record.via_service is not None
    out: dict[str, Any] = {
        "eventVersion": "1.08",
        "userIdentity": _service_identity() if is_service else _user_identity(record),
        "eventTime": _instant(record),
        "eventSource": "iam.amazonaws.com" if record.name in IDENTITY_EVENTS else "kms.amazonaws.com",
        "eventName": record.name,
        "awsRegion": record.region,
        "sourceIPAddress": INTERNAL if internal else record.source_address,
        "userAgent": INTERNAL if internal else record.user_agent,
    }
    if record.error_code is not None:
        out["errorCode"] = _ERROR_CODES.get(record.error_code, record.error_code)
        out["errorMessage"] = record.error_message
    out |= {
        "requestParameters": None if record.parameters is None else dict(record.parameters),
        "responseElements": None if record.response is None else dict(record.response),
    }
    if record.additional is not None:
        out["additionalEventData"] = dict(record.additional)
    out |= {
        "requestID": _uuid(record.request_id),
        "eventID": _uuid(record.event_id),
        "readOnly": record.name in READ_ONLY_EVENTS,
        "resources": [{"accountId": arn.split(":")[4], "type": "AWS::KMS::Key", "ARN": arn} for arn in record.key_arns],
        "eventType": "AwsServiceEvent" if record.by_service_itself else "AwsApiCall",
        "managementEvent": True,
        "eventCategory": "Management",
        "recipientAccountId": record.owner_account,
    }
    if is_service:
        out["sharedEventID"] = _uuid(hashlib.sha256(b"shared" + record.event_id).digest()[:16])
    return out


def _service_identity() -> dict[str, Any]:
    """AU3: GenerateDataKey and Decrypt of a table name the service."""
    return {"type": "AWSService", "invokedBy": INTERNAL}


def _user_identity(record: AuditRecord) -> dict[str, Any]:
    """AU3: DescribeKey and CreateGrant name the user, and ``invokedBy`` says that a service called for them."""
    parts = _PRINCIPAL.fullmatch(record.principal)
    shape, path = (parts[3], parts[4] or "") if parts else ("unknown", "")
    issuer: dict[str, Any] = {}
    identity: dict[str, Any] = {}
    if shape in ("role", "assumed-role"):
        role = path.split("/")[0] if shape == "assumed-role" else path.rsplit("/", 1)[-1]
        role_arn = f"arn:aws:iam::{record.account}:role/{role}" if shape == "assumed-role" else record.principal
        issuer = {
            "type": "Role",
            "principalId": _unique_id("AROA", role_arn),
            "arn": role_arn,
            "accountId": record.account,
            "userName": role,
        }
        session = path.rsplit("/", 1)[-1]
        identity = {"type": "AssumedRole", "principalId": f"{issuer['principalId']}:{session}"}
    elif shape == "root":
        identity = {"type": "Root", "principalId": record.account}
    else:
        kind = "IAMUser" if shape == "user" else "Unknown"
        identity = {"type": kind, "principalId": _unique_id("AIDA", record.principal)}
    identity |= {"arn": record.principal, "accountId": record.account, "accessKeyId": record.access_key_id}
    if shape == "user":
        identity["userName"] = path.rsplit("/", 1)[-1]
    identity["sessionContext"] = {
        "sessionIssuer": issuer,
        "webIdFederationData": {},
        "attributes": {"mfaAuthenticated": "false", "creationDate": _instant(record)},
    }
    if record.via_service is not None:
        identity["invokedBy"] = INTERNAL
    return identity


def _unique_id(prefix: str, arn: str) -> str:
    # Identities are declared here, not registered: the id is made from the ARN, so that it is the same each time.
    return prefix + b32encode(hashlib.sha256(arn.encode()).digest()).decode()[:17]


def _instant(record: AuditRecord) -> str:
    return record.time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _uuid(raw: bytes) -> str:
    return str(uuid.UUID(bytes=raw, version=4))
