"""The drift classes of CONTRACT 6 and how grave each is."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """What a finding costs: security weakens protection (exit 3), functional breaks use, benign neither."""

    SECURITY = "security"
    FUNCTIONAL = "functional"
    BENIGN = "benign"


SEVERITY: Final[dict[str, Severity]] = {
    "encryption-lost": Severity.SECURITY,
    "warehouse-inaccessible": Severity.SECURITY,
    "plaintext-snapshot": Severity.SECURITY,
    "key-replaced-by-owned": Severity.SECURITY,
    "key-disabled": Severity.SECURITY,
    "key-pending-deletion": Severity.SECURITY,
    "key-missing": Severity.SECURITY,
    "rotation-off": Severity.SECURITY,
    "rotation-overdue": Severity.SECURITY,
    "stale-key-version": Severity.SECURITY,
    "policy-widened": Severity.SECURITY,
    "policy-changed": Severity.SECURITY,
    "policy-lockout": Severity.SECURITY,
    "grant-foreign": Severity.SECURITY,
    "grant-missing": Severity.FUNCTIONAL,
    "grant-widened": Severity.SECURITY,
    "alias-retargeted": Severity.SECURITY,
    "copy-off": Severity.SECURITY,
    "copy-grant-missing": Severity.SECURITY,
    "hsm-unreachable": Severity.FUNCTIONAL,
    "hsm-key-missing": Severity.SECURITY,
    "certificate-expiring": Severity.FUNCTIONAL,
    "data-plaintext-found": Severity.SECURITY,
    "resource-missing": Severity.FUNCTIONAL,
    "resource-unmanaged": Severity.BENIGN,
    "attribute-changed": Severity.BENIGN,
}
