"""Requests as the tests of access write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reconciler.access.caller import Caller
from reconciler.access.decision import Decision, decide
from reconciler.access.grants import Grant
from reconciler.access.parsing import parse_policy
from reconciler.access.policy import Policy
from reconciler.access.request import AccessRequest, KeyFacts

ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
REGION = "eu-west-1"
KEY_ID = "0f0f0f0f-1111-4222-8333-444455556666"
KEY = KeyFacts(arn=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}", account=ACCOUNT, region=REGION)
NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
EVERYTHING = parse_policy(
    {"Statement": {"Sid": "all", "Effect": "Allow", "Action": "*", "Resource": "*"}}, identity=True
)


def sample_document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((Path(__file__).parent / "samples" / name).read_text())
    return document


def caller(who: str = "user/ana", account: str = ACCOUNT, via: str | None = None) -> Caller:
    """``user/ana``, ``role/x``, ``root``, a session ``sts:role/session``, or a service's name."""
    if who.endswith(".amazonaws.com"):
        return Caller(principal=who, account=account)
    if who.startswith("sts:"):
        return Caller(principal=f"arn:aws:sts::{account}:assumed-role/{who[4:]}", account=account, via_service=via)
    return Caller(principal=f"arn:aws:iam::{account}:{who}", account=account, via_service=via)


def request(who: Caller, action: str, **facts: Any) -> AccessRequest:
    return AccessRequest(**{"caller": who, "action": f"kms:{action}", "now": NOON, "key": KEY, **facts})


def decided(
    policy: Policy | Mapping[str, Any],
    who: Caller,
    action: str,
    *,
    identity: Sequence[Policy] = (),
    grants: Sequence[Grant] = (),
    **facts: Any,
) -> Decision:
    parsed = policy if isinstance(policy, Policy) else parse_policy(policy)
    return decide(request(who, action, **facts), parsed, identity, grants)


def allow(**parts: Any) -> dict[str, Any]:
    """One Allow for anybody, with ``parts`` changed."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*", **parts}],
    }
