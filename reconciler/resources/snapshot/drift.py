"""How a snapshot's drift is classed (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from reconciler.model.plan import Finding
from reconciler.providers.data import RootKind
from reconciler.resources import verdicts
from reconciler.resources.kind import DriftInput
from reconciler.resources.snapshot.observe import SnapshotObservation
from reconciler.resources.snapshot.spec import SnapshotSpec

# A snapshot follows its cluster to another root and to another name; neither is drift of its own.
_NO_DRIFT = ("root", "key_arn", "partition", "cluster", "predates_encryption")


def drift(given: DriftInput[SnapshotSpec, SnapshotObservation]) -> Sequence[Finding]:
    """A snapshot that is gone before its time, or lies in plaintext beside an encrypted cluster (RE15)."""
    expected, observed = given.expected, given.observed
    if observed is None:
        has_expired = expected is not None and expected.expires_at is not None and expected.expires_at <= given.now
        fix = "a Snapshot of another name takes a new one; the moment of this one is lost"
        return [] if has_expired else [verdicts.missing(given, fix=fix)]
    found: list[Finding] = []
    if observed.predates_encryption:
        found.append(
            verdicts.finding(
                given,
                "plaintext-snapshot",
                "root",
                expected="encrypted, as its cluster is by now",
                observed=plaintext_words(
                    observed.bytes, observed.expires_at, "declared here: the way back from before it"
                ),
                fix="declare a Snapshot of another name and run `reconciler apply`; then write `lifecycle: "
                "{preventDestroy: false}` here, take the manifest away and apply again",
            )
        )
    elif expected is not None and expected.root is not RootKind.NONE and observed.root is RootKind.NONE:
        fix = "find out who decrypted it; take a new snapshot, then let this one go"
        found.append(
            verdicts.finding(
                given, "encryption-lost", "root", expected=str(expected.root), observed=str(observed.root), fix=fix
            )
        )
    return [*found, *verdicts.changed_attributes(given, besides=_NO_DRIFT)]


def plaintext_words(size: int, expires_at: datetime | None, purpose: str) -> str:
    """What is at stake, for how long, and what for (RE15)."""
    kept = "for ever" if expires_at is None else f"until {expires_at:%Y-%m-%d}"
    return f"plaintext: {size} bytes, kept {kept}, {purpose}"
