"""Data written again under new keys of every tier (``reencrypt: true``): once for each root and each trigger."""

from __future__ import annotations

from reconciler.model.change import Availability, DiffEntry, Impact, Operation, Verb, Verdict
from reconciler.providers.data import Root
from reconciler.resources import verdicts
from reconciler.resources.cluster.key_steps import ReEncrypt
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.cluster.root import declared_root, is_under, reencrypted_under
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.kind import DiffInput

Given = DiffInput[ClusterSpec, ClusterObservation]
_CALLS = 2  # make the CEK, open it


def reencryption(given: Given, desired: ClusterSpec, observed: ClusterObservation) -> Verdict:
    """The re-encryption that is called for now, or was begun and is not over. Not of a cluster that this plan encrypts:
    that makes every key anew. It stands in the place of a rotation."""
    encryption = desired.encryption
    if encryption is None or not observed.is_encrypted or not encryption.enabled:
        return verdicts.NOTHING
    is_begun = observed.change == str(Verb.RE_ENCRYPT)
    if not is_begun and (not encryption.reencrypt or not _is_called_for(given, desired, observed)):
        return verdicts.NOTHING
    trigger = encryption.rotation.trigger
    step = ReEncrypt(
        id="re-encrypt",
        summary="write its data again under new keys of every tier; what an old key opens is then only what was copied "
        "away before",
        address=given.address,
        provider=given.provider,
        from_dek=observed.dek_id,
        trigger=trigger,
    )
    is_online = desired.node_type.startswith("ra3.")
    recorded = {} if given.recorded is None else given.recorded.attributes
    operation = Operation(
        verb=Verb.RE_ENCRYPT,
        reason="its re-encryption was begun and is not over"
        if is_begun
        else "`reencrypt: true`, and that was not done for this root and trigger",
        steps=(step,),
        impact=Impact(
            availability=Availability.NONE if is_online else Availability.READ_ONLY,
            bytes=observed.bytes,
            key_service_calls=_CALLS,
        ),
    )
    entries = [DiffEntry(path="spec.encryption.reencrypt", before=recorded.get("reencrypted"), after=True)]
    if trigger is not None and trigger != recorded.get("trigger"):
        entries.append(
            DiffEntry(path="spec.encryption.rotation.trigger", before=recorded.get("trigger"), after=trigger)
        )
    warning = (
        f"Snapshots of {given.address} stay under the keys that they were taken with, which re-encrypting does not "
        "change: if a key may be in wrong hands, let the old snapshots go."
    )
    return verdicts.together(verdicts.changed([operation], entries), Verdict(warnings=(warning,)))


def _is_called_for(given: Given, desired: ClusterSpec, observed: ClusterObservation) -> bool:
    wanted = declared_root(desired)
    if wanted is None or desired.encryption is None or not is_under(given, wanted):
        return True  # another root in this very plan
    root = Root(kind=observed.root, key_arn=observed.key_arn, partition=observed.partition)
    recorded = None if given.recorded is None else given.recorded.attributes.get("reencrypted")
    return bool(recorded != reencrypted_under(root, desired.encryption.rotation.trigger))
