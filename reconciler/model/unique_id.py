"""Ids of principals, where the public service would have given one out."""

from __future__ import annotations

import hashlib
from base64 import b32encode


def unique_id(prefix: str, arn: str) -> str:
    """``AIDA…`` of a user or ``AROA…`` of a role. Identities are declared here, not registered: the id is made from the
    ARN, so that it is the same each time and everywhere."""
    return prefix + b32encode(hashlib.sha256(arn.encode()).digest()).decode()[:17]
