"""Another root for a cluster that exists: encrypt, decrypt, switch key (RE2). Only the first two rewrite data."""

from __future__ import annotations

from reconciler.model.change import Availability, Block, DiffEntry, Impact, Operation, Verb, Verdict
from reconciler.providers.data import RootKind
from reconciler.resources import verdicts
from reconciler.resources.cluster import steps
from reconciler.resources.cluster.escrow import unrecoverable
from reconciler.resources.cluster.hsm_root import is_connection_only, untried
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.cluster.root import WantedRoot, declared_root, is_under, observed_in_words, wanted_in_words
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.cluster.status import MODIFYING, RESIZING
from reconciler.resources.kind import DiffInput

Given = DiffInput[ClusterSpec, ClusterObservation]

SENSITIVE = frozenset({"pci", "sox", "hipaa", "sensitive"})  # values of the label data-class (RE13)
_CALLS_OF_KMS_ROOT = 4  # is it usable, grant, make the CEK, open it
_FOLLOWING = " and those of its snapshots"
_SUMMARIES = {
    Verb.ENCRYPT: "encrypt it under {root}",
    Verb.DECRYPT: "write its data again without encryption",
    Verb.SWITCH_KEY: f"wrap its keys{_FOLLOWING} under {{root}}; data stay as they are",
}
_INTO_HSM = (
    f"have {{root}} make a cluster key that never leaves it, and wrap its keys{_FOLLOWING} under that; data stay as "
    "they are"
)


def change_of_root(given: Given, desired: ClusterSpec, observed: ClusterObservation) -> Verdict:
    """The operation that puts the cluster under the root that its manifest names, or why that is refused."""
    wanted = declared_root(desired)
    if wanted is None:
        return _silent(given, observed)
    if is_under(given, wanted):
        return _unfinished(given, desired, observed, wanted)
    entry = DiffEntry(path="spec.encryption", before=observed_in_words(observed), after=wanted_in_words(given, wanted))
    if wanted.kind is RootKind.NONE:
        verb, reason = Verb.DECRYPT, "it is encrypted, and declared with `enabled: false`"
        refused = plaintext_refused(given)
    elif observed.is_encrypted:
        verb, reason, refused = Verb.SWITCH_KEY, "it is under another root than its manifest names", None
    else:
        verb, reason = Verb.ENCRYPT, "it is not encrypted, and its manifest names a root"
        refused = _loss_refused(given, desired, observed)
    if refused is not None:
        return Verdict(blocked=(refused,), diff=(entry,))
    operation = _operation(given, desired, observed, wanted, verb=verb, reason=reason)
    warnings = (*_advice(given, observed, wanted, verb), *unrecoverable(given, desired, wanted))
    return verdicts.together(verdicts.changed([operation], [entry]), Verdict(warnings=warnings))


def plaintext_refused(given: Given) -> Block | None:
    """Clusters with regulated data stay encrypted, unless a waiver is named; the state then records it (RE13)."""
    data_class = given.labels.get("data-class")
    if (
        data_class is None
        or data_class.lower() not in SENSITIVE
        or (given.desired is not None and given.desired.waiver)
    ):
        return None
    return Block(
        guard="data-class",
        reason=f"{given.address} is labelled `data-class: {data_class}`, and may not be left unencrypted (RE13)",
        way_out=(
            "Let `spec.encryption` name a key, or write `owned: true`.",
            "If the label is wrong, correct it first.",
            "Or name what permits it: `spec.waiver: TEXT` is recorded in the state.",
        ),
    )


def _silent(given: Given, observed: ClusterObservation) -> Verdict:
    """A manifest without ``encryption``: the default holds at creation only, so that nothing weakens by omission
    (I18)."""
    if observed.root is RootKind.OWNED:
        return verdicts.NOTHING
    if observed.is_encrypted:
        reason = f"its manifest names no root, and {given.address} is under {observed_in_words(observed)}"
        keep = "Write `encryption: {key: …}` with the Key that it is under to leave it as it is."
        if observed.root is RootKind.HSM:
            keep = "Write `encryption: {hsm: …}` with the HsmPartition that it is in to leave it as it is."
    else:
        reason = f"its manifest names no root, and {given.address} is not encrypted"
        keep = "Write `encryption: {enabled: false}` to leave it as it is."
    return verdicts.blocked(
        "silent-downgrade",
        f"{reason}; a root is never changed by omission",
        keep,
        "Write `encryption: {owned: true}` to put it under the owned key.",
    )


def _loss_refused(given: Given, desired: ClusterSpec, observed: ClusterObservation) -> Block | None:
    """Tables marked BACKUP NO are not carried through (RE10)."""
    names = [table.name for table in observed.tables if not table.backup]
    if not names or "backup-no-loss" in desired.acknowledge:
        return None
    return Block(
        guard="backup-no-loss",
        reason=f"encrypting {given.address} does not carry its BACKUP NO tables through: {', '.join(names)} (RE10)",
        way_out=(
            "Keep what you need of them elsewhere.",
            "Write `acknowledge: [backup-no-loss]`, and plan again.",
        ),
    )


def _unfinished(given: Given, desired: ClusterSpec, observed: ClusterObservation, wanted: WantedRoot) -> Verdict:
    """A change that was interrupted may show the wanted root already: it goes on, or is taken back, when asked
    again."""
    if observed.change == str(Verb.RE_ENCRYPT):
        return verdicts.NOTHING  # that is taken up by itself
    if observed.status == MODIFYING and observed.is_encrypted:
        verb = Verb.SWITCH_KEY
    elif observed.status == RESIZING:
        verb = Verb.ENCRYPT if observed.is_encrypted else Verb.DECRYPT
    elif observed.awaits_snapshot and not _is_recorded(given, observed):
        verb = Verb.ENCRYPT  # its step failed at the very end: what it did is recorded by being taken up
    else:
        return verdicts.NOTHING
    reason = "its change of encryption was begun and is not over"
    operation = _operation(given, desired, observed, wanted, verb=verb, reason=reason)
    return verdicts.changed([operation], [])


def _is_recorded(given: Given, observed: ClusterObservation) -> bool:
    return given.recorded is None or given.recorded.attributes.get("root") == str(observed.root)


def is_under_way(observed: ClusterObservation) -> bool:
    """Whether its data are being written again: nothing is resized meanwhile (RE9)."""
    return observed.status == RESIZING


def _operation(
    given: Given, desired: ClusterSpec, observed: ClusterObservation, wanted: WantedRoot, *, verb: Verb, reason: str
) -> Operation:
    encryption = desired.encryption
    trigger = None if encryption is None else encryption.rotation.trigger
    alone = verb is Verb.SWITCH_KEY and encryption is not None and not encryption.snapshots_follow
    modify = steps.ModifyEncryption(
        id="modify-encryption",
        summary=_summary(given, observed, wanted, verb, alone=alone),
        address=given.address,
        provider=given.provider,
        root=wanted,
        trigger=trigger if verb is Verb.ENCRYPT else None,
        node_type=desired.node_type,
        reencrypt=verb is Verb.ENCRYPT and encryption is not None and encryption.reencrypt,
        alone=alone,
    )
    verify = steps.VerifyRoot(
        id="verify-root",
        summary=f"read back that it is available and its root is: {wanted}",
        address=given.address,
        provider=given.provider,
        root=wanted,
    )
    # Online on the current generation of nodes, reads only on the older one (RE9); a resize has gone before.
    is_online = verb is Verb.SWITCH_KEY or desired.node_type.startswith("ra3.")
    return Operation(
        verb=verb,
        reason=reason,
        steps=(modify, verify),
        impact=Impact(
            availability=Availability.NONE if is_online else Availability.READ_ONLY,
            bytes=_rewritten(observed, verb),
            key_service_calls=_CALLS_OF_KMS_ROOT if wanted.kind is RootKind.KMS else 0,
        ),
        lets_go=() if verb is Verb.ENCRYPT else (observed.arn,),
        followers_stay=alone,
        # Copying under another root may need a grant (SC2), and the first encrypted snapshot is to be copied (RE10).
        concerns_dependents=True,
    )


def _rewritten(observed: ClusterObservation, verb: Verb) -> int:
    """Bytes of data that the change writes again. An encryption carries no BACKUP NO table through (RE10)."""
    if verb is Verb.SWITCH_KEY:
        return 0
    return sum(table.bytes for table in observed.tables if table.backup or verb is not Verb.ENCRYPT)


def _summary(given: Given, observed: ClusterObservation, wanted: WantedRoot, verb: Verb, *, alone: bool) -> str:
    if verb is Verb.SWITCH_KEY and wanted.kind is RootKind.HSM and is_connection_only(given, observed, wanted):
        return f"go on with its keys as they were replicated to {wanted}; only the connection is tried (HS6)"
    text = _INTO_HSM if verb is Verb.SWITCH_KEY and wanted.kind is RootKind.HSM else _SUMMARIES[verb]
    if alone:
        text = text.replace(_FOLLOWING, "") + "; its snapshots stay under the root that they are under"
    return text.format(root=wanted)


def _advice(given: Given, observed: ClusterObservation, wanted: WantedRoot, verb: Verb) -> tuple[str, ...]:
    if verb is Verb.SWITCH_KEY and is_connection_only(given, observed, wanted):
        return (untried(given.address, wanted),)
    if verb is not Verb.ENCRYPT:
        return ()
    return (
        f"{given.address} is encrypted while it runs; rehearse that on a test copy first (a second Cluster with "
        "`restoreFrom`). No snapshot is made meanwhile, and the first one after it is the sign that it is done. "
        "Snapshots from before stay plaintext until they expire or are deleted (RE9, RE10, RE15).",
        f"The way back of {given.address} is `enabled: false`, or a Snapshot with a `retention` that is applied before "
        "this is, restored to a second Cluster, with later changes made again: a single table of it cannot be restored "
        "into what is encrypted by then (RE10, RE11).",
    )
