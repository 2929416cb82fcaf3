"""What goes wrong here: in manifests, flags, files, locks and providers."""

from __future__ import annotations

from reconciler.errors.root import CollectedErrors, ReconcilerError


class InvalidManifests(CollectedErrors):
    """The manifests cannot be loaded; every problem found is inside."""

    code = "invalid-manifests"


class InvalidProjectFile(CollectedErrors):
    """``reconciler.yaml`` cannot be used; every problem found is inside."""

    code = "invalid-project-file"


class InvalidAllowFile(CollectedErrors):
    """The file of ``drift --allow`` cannot be used; every problem found is inside."""

    code = "invalid-allow-file"


class UsageError(ReconcilerError):
    """An argument, flag or project file that cannot be used."""

    code = "usage"


class BlockedByGuard(CollectedErrors):
    """A guard of CONTRACT 5 refused; each diagnostic carries the ordered way out."""

    code = "blocked"
    exit_code = 4


class StalePlan(ReconcilerError):
    """A saved plan that may not be applied: used, stale, expired, foreign or tampered with (I12)."""

    code = "stale-plan"
    exit_code = 5


class LockHeld(ReconcilerError):
    """Somebody else is applying (CONTRACT 4, exit 6)."""

    code = "lock-held"
    exit_code = 6


class LockLost(CollectedErrors):
    """Somebody took the lock over while an apply ran: it stopped under its old token (I13, exit 6)."""

    code = "lock-lost"
    exit_code = 6


class PartlyApplied(CollectedErrors):
    """An apply that stopped after its first effect; the next apply takes it up (CONTRACT 4, exit 7)."""

    code = "partly-applied"
    exit_code = 7


class DamagedStore(ReconcilerError):
    """A store or file of ours is not what was written; it is left as it is (C4)."""

    code = "damaged-store"


class NotAuthentic(DamagedStore):
    """The state, its journal or its lock is not what was written under the project's seal: nothing of it is obeyed
    (I9)."""

    code = "state-not-authentic"


class JournalTruncated(NotAuthentic):
    """The newest entries of the journal are gone."""

    code = "journal-truncated"


class OtherSeal(NotAuthentic):
    """The state was written under another seal than this home's, or the seal is lost."""

    code = "state-other-seal"


class StateRolledBack(ReconcilerError):
    """The state is older than the mark in the key service says, or another of the same serial (I16)."""

    code = "state-rolled-back"


class NewerFormat(ReconcilerError):
    """A store written by a newer version; this one does not touch it (DESIGN 4)."""

    code = "newer-format"


class OtherShape(ReconcilerError):
    """A store of a known format number whose tables are not those of this version; it is not touched (DESIGN 4)."""

    code = "other-shape"


class HostError(ReconcilerError):
    """The machine refused a read or a write: disk full, permission, missing folder."""

    code = "host"


class ProviderUnavailable(ReconcilerError):
    """A plugin that is unknown, cannot be imported, or cannot be reached."""

    code = "provider-unavailable"


class MissingCapability(ReconcilerError):
    """A provider that does not do what a resource asks of it (STYLE habit 5)."""

    code = "missing-capability"


class Undeclarable(ReconcilerError):
    """An object that exists, and that no manifest can declare as it is (``import --generate`` leaves it out)."""

    code = "undeclarable"


class ReadBackFailed(ReconcilerError):
    """A change's calls succeeded, and its object is not there: nothing is recorded as done."""

    code = "read-back-failed"


class NotRecorded(ReconcilerError):
    """A step was carried out, and its outcome could not be made durable: its intent stands open, and the next apply
    looks for what it did (I10, I15)."""

    code = "not-recorded"


class Unforeseen(ReconcilerError):
    """A plugin failed in a way that nobody foresaw."""

    code = "internal"


class WrongPassphrase(ReconcilerError):
    """The passphrase does not open what it is said to open; nothing was changed."""

    code = "wrong-passphrase"


class SealNotAsDeclared(ReconcilerError):
    """A key store is sealed in another way than its Provider's manifest says; that is changed by a re-seal only."""

    code = "seal-not-as-declared"


class StoreRolledBack(ReconcilerError):
    """A copy of a key store or a warehouse that is older than what is known of it; put back or accepted only by
    breaking glass (I16)."""

    code = "store-rolled-back"
