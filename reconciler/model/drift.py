"""The drift classes of CONTRACT 6: how grave each is, how it is seen, what to do about it; and what may be allowed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """What a finding costs: security weakens protection (exit 3), functional breaks use, benign neither."""

    SECURITY = "security"
    FUNCTIONAL = "functional"
    BENIGN = "benign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What stands behind a class. ``means`` and ``fix`` are sentences for whoever reads the report, ``seen`` says how
    it is detected, ``kinds`` which kinds report it."""

    severity: Severity
    kinds: tuple[str, ...]
    means: str
    seen: str
    fix: str


_DATA: Final = ("Cluster", "Table")
_APPLY: Final = "`reconciler apply` restores what was declared."

RULES: Final[dict[str, Rule]] = {
    "encryption-lost": Rule(
        severity=Severity.SECURITY,
        kinds=("Cluster", "Snapshot"),
        means="Data that were encrypted are plaintext now.",
        seen="The warehouse describes no root where there was one.",
        fix="`reconciler apply` encrypts again; expire the snapshots that were taken meanwhile.",
    ),
    "warehouse-inaccessible": Rule(
        severity=Severity.SECURITY,
        kinds=("Cluster", "DataShare", "Table"),
        means="The root key cannot be used, so the data cannot be opened; after 14 days they are given up (RE8).",
        seen="The service says so, or the key that it names is disabled, pending deletion or gone.",
        fix="Let the key be used again: enable it, or cancel its deletion.",
    ),
    "plaintext-snapshot": Rule(
        severity=Severity.SECURITY,
        kinds=("Snapshot",),
        means="A snapshot or copy from before an encryption keeps the data in plaintext (RE15).",
        seen="A snapshot without a root beside its encrypted cluster, in whatever Region, managed or not.",
        fix="Take an encrypted snapshot, then expire this one.",
    ),
    "key-replaced-by-owned": Rule(
        severity=Severity.SECURITY,
        kinds=("Cluster", "SnapshotCopyGrant", "Table"),
        means="The service's own key stands where a customer-managed one was declared.",
        seen="The description names the owned key.",
        fix=_APPLY,
    ),
    "manifest-rolled-back": Rule(
        severity=Severity.SECURITY,
        kinds=("Cluster",),
        means="The whole warehouse is an older copy of itself, or one that went on from there (I16).",
        seen="The version and tag of the cluster's manifest, against the furthest that the state has recorded.",
        fix="Put the newest folder back; or accept what is there: `reconciler apply --refresh-only`.",
    ),
    "escrow-changed": Rule(
        severity=Severity.SECURITY,
        kinds=("Cluster",),
        means="Another key than the declared one opens the data beside the root, or none does any more (RE14).",
        seen="The key that the warehouse says every DEK is wrapped under a second time.",
        fix="`reconciler apply` wraps the keys as declared; find out who changed that.",
    ),
    "key-disabled": Rule(
        severity=Severity.SECURITY,
        kinds=("Key",),
        means="Nothing that the key wraps can be opened until it is enabled.",
        seen="The key's state.",
        fix="`reconciler apply` enables it again.",
    ),
    "key-pending-deletion": Rule(
        severity=Severity.SECURITY,
        kinds=("Key",),
        means="The key is used no more, and is destroyed when its window is over.",
        seen="The key's state.",
        fix="`reconciler apply` cancels the deletion.",
    ),
    "key-missing": Rule(
        severity=Severity.SECURITY,
        kinds=("Key",),
        means="The key is gone, and with it whatever it alone opened.",
        seen="The key service does not have it.",
        fix="Put the key store back from a backup: a new key opens nothing.",
    ),
    "rotation-off": Rule(
        severity=Severity.SECURITY,
        kinds=("Key",),
        means="The key service no longer rotates the key by itself.",
        seen="The key's rotation period.",
        fix="`reconciler apply` sets the declared period.",
    ),
    "rotation-overdue": Rule(
        severity=Severity.SECURITY,
        kinds=("Cluster", "Key"),
        means="The declared period is over and the keys are the old ones.",
        seen="When the keys were made, against `rotation.every`.",
        fix="`reconciler apply` rotates.",
    ),
    "stale-key-version": Rule(
        severity=Severity.SECURITY,
        kinds=("Cluster",),
        means="A rotation was reported, and something is still under the key before it (I20).",
        seen="A census of the key ring: under which CEK and DEK each snapshot and key table is; and when keys were "
        "made, against the last apply.",
        fix="`reconciler apply` carries the rotation through, or change `rotation.trigger` first.",
    ),
    "policy-widened": Rule(
        severity=Severity.SECURITY,
        kinds=("Key", "KeyPolicy"),
        means="The policy lets somebody do what they could not before.",
        seen="Both policies decide the same requests; one that was denied is allowed.",
        fix="`reconciler apply` puts the declared policy back.",
    ),
    "policy-changed": Rule(
        severity=Severity.SECURITY,
        kinds=("KeyPolicy",),
        means="The policy means something else than it did, and lets nobody do more.",
        seen="Both policies as sets of statements.",
        fix="`reconciler apply` puts the declared policy back.",
    ),
    "policy-lockout": Rule(
        severity=Severity.SECURITY,
        kinds=("Key", "KeyPolicy"),
        means="Whoever is to manage the key, or needs it, is shut out by its policy.",
        seen="The key service denies the look; or the policy denies what a dependent needs.",
        fix="Have somebody whom the policy still names put the declared policy back.",
    ),
    "grant-foreign": Rule(
        severity=Severity.SECURITY,
        kinds=("Key",),
        means="A grant on a managed key that no manifest declares and no dependent service made.",
        seen="Grants of each managed key, less the declared ones and those that services hold.",
        fix="Revoke it, or take it over with `reconciler import`.",
    ),
    "grant-missing": Rule(
        severity=Severity.FUNCTIONAL,
        kinds=("Cluster", "Grant", "SnapshotCopyGrant", "Table"),
        means="A grant was ended behind our back; what rested on it is denied.",
        seen="A declared grant, or one that a service holds, is not among those of its key.",
        fix=_APPLY,
    ),
    "grant-widened": Rule(
        severity=Severity.SECURITY,
        kinds=("DataShare", "Grant"),
        means="The grantee of a declared grant, or the consumer of a share, may do more than it says.",
        seen="Another grant on the same key for the same grantee that goes beyond the declared ones; a share's tables.",
        fix="Revoke the wider grant, or declare what it allows. `reconciler apply` shares the declared tables only.",
    ),
    "alias-retargeted": Rule(
        severity=Severity.SECURITY,
        kinds=("Alias",),
        means="The alias names another key: whoever uses it seals under that one.",
        seen="The alias's target.",
        fix=_APPLY,
    ),
    "copy-off": Rule(
        severity=Severity.SECURITY,
        kinds=("SnapshotCopy",),
        means="Snapshots are no longer copied to the other Region.",
        seen="The cluster's copying.",
        fix="`reconciler apply` switches copying on again.",
    ),
    "copy-grant-missing": Rule(
        severity=Severity.SECURITY,
        kinds=("SnapshotCopy", "SnapshotCopyGrant"),
        means="Copies no longer arrive under the declared key of the other Region.",
        seen="The destination's copy grants, and the one that copying goes through.",
        fix=_APPLY,
    ),
    "hsm-unreachable": Rule(
        severity=Severity.FUNCTIONAL,
        kinds=("HsmPartition",),
        means="The HSM does not answer, or refuses us (HS7): what is rooted there does not open again after a restart.",
        seen="A session with the partition, in which its marker key opens a canary. A plan does not ask for one.",
        fix="Mend what the finding names: agent, certificate, PIN or module.",
    ),
    "hsm-key-missing": Rule(
        severity=Severity.SECURITY,
        kinds=("HsmPartition",),
        means="The partition lacks a key that opens a cluster, or does not keep it as it was made.",
        seen="The canary of the partition's marker and of each cluster key, and what the keys' attributes are.",
        fix="Put the partition back from the HSM's own backup: a new key opens nothing.",
    ),
    "certificate-expiring": Rule(
        severity=Severity.FUNCTIONAL,
        kinds=("HsmClientCertificate", "HsmPartition"),
        means="A certificate of the trusted connection ends within 30 days, or is over.",
        seen="The validity of ours, and of the HSM's that the partition pins.",
        fix="Declare a second HsmClientCertificate and register it; or pin the next one that the HSM shows.",
    ),
    "material-expiring": Rule(
        severity=Severity.FUNCTIONAL,
        kinds=("Key",),
        means="Imported key material expires within 30 days; from then on nothing opens what the key wraps.",
        seen="When the service lets the material expire.",
        fix="Write a later `material.expires`: `reconciler apply` imports the same material again.",
    ),
    "data-plaintext-found": Rule(
        severity=Severity.SECURITY,
        kinds=_DATA,
        means="Bytes that are to be ciphertext are readable on disk (I18).",
        seen="Raw bytes of segments and rows are sampled; nothing is decrypted.",
        fix="Take the data as exposed: find out who wrote them, and encrypt or load them anew.",
    ),
    "resource-missing": Rule(
        severity=Severity.FUNCTIONAL,
        kinds=(
            *("Alias", "Cluster", "DataShare", "HsmClientCertificate", "HsmPartition"),
            *("Keyspace", "Snapshot", "Table"),
        ),
        means="What was made is not there any more, or another object has taken its name.",
        seen="The provider does not describe it.",
        fix="`reconciler apply` makes again what holds no data; data come back from a snapshot or a backup.",
    ),
    "resource-unmanaged": Rule(
        severity=Severity.BENIGN,
        kinds=(
            *("Alias", "Cluster", "DataShare", "Grant", "HsmClientCertificate", "HsmPartition", "Key", "KeyPolicy"),
            *("Keyspace", "Snapshot", "SnapshotCopy", "SnapshotCopyGrant", "Table"),
        ),
        means="An object that no manifest declares and no service made for one that is declared.",
        seen="A sweep of each provider, against the state.",
        fix="Take it over with `reconciler import`, or remove it.",
    ),
    "attribute-changed": Rule(
        severity=Severity.BENIGN,
        kinds=(
            *("Cluster", "DataShare", "Grant", "HsmClientCertificate", "HsmPartition", "Key"),
            *("Keyspace", "Snapshot", "SnapshotCopy", "SnapshotCopyGrant", "Table"),
        ),
        means="A field is not as it was left.",
        seen="Observed against the observation of the last apply.",
        fix=_APPLY,
    ),
}
"""Every class, in the order of CONTRACT 6."""

SEVERITY: Final[dict[str, Severity]] = {name: rule.severity for name, rule in RULES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A line of an allow file: findings that somebody accepts, and why. ``address`` is a glob over addresses, ``path``
    one over paths (None: any). ``until``: the last day on which it holds (None: for ever, never for security).
    ``place`` is ``file:line``."""

    drift_class: str
    address: str
    reason: str
    path: str | None = None
    until: date | None = None
    place: str = ""
