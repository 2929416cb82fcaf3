"""What differs about a cluster, and what it takes. Pure."""

from __future__ import annotations

import dataclasses
from typing import Any

from reconciler.model.change import (
    KNOWN_AFTER_APPLY,
    Action,
    Availability,
    DiffEntry,
    Impact,
    Operation,
    Verb,
    Verdict,
)
from reconciler.providers.data import RootKind
from reconciler.resources import verdicts
from reconciler.resources.cluster import older_copy, steps
from reconciler.resources.cluster.backup_steps import DeleteAutomated, RestoreCluster
from reconciler.resources.cluster.encryption import change_of_root, is_under_way, plaintext_refused
from reconciler.resources.cluster.escrow import escrow, escrow_identity, unrecoverable
from reconciler.resources.cluster.hsm_root import unverified
from reconciler.resources.cluster.inaccessible import given_up, held_up, in_its_backup
from reconciler.resources.cluster.loads import loads
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.cluster.reencrypting import reencryption
from reconciler.resources.cluster.renaming import renaming
from reconciler.resources.cluster.restoring import is_asked_anew, restoring
from reconciler.resources.cluster.root import OWNED, WantedRoot, declared_root, wanted_in_words
from reconciler.resources.cluster.rotation import next_rotation, rotation
from reconciler.resources.cluster.schedule import schedule
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.cluster.status import AVAILABLE, INACCESSIBLE, INCOMPATIBLE
from reconciler.resources.kind import DiffInput
from reconciler.resources.reference import name_of

Given = DiffInput[ClusterSpec, ClusterObservation]
_CALLS_OF_LAUNCH = {RootKind.KMS: 4, RootKind.OWNED: 2}  # is it usable, grant, make the CEK, open it


def diff(given: Given) -> Verdict:
    """The operations that make the cluster what its manifest says."""
    return verdicts.of_data(
        given,
        "cluster",
        create=_create,
        remove=_remove,
        lost=lambda: _lost(given),
        compare=_compare,
    )


def _lost(given: Given) -> Verdict:
    if given.desired is not None and given.recorded is not None and INCOMPATIBLE in given.recorded.attributes:
        return _create(given, given.desired)  # it was never made
    if given.desired is not None and given.desired.restore_from is not None and is_asked_anew(given, given.desired):
        return _create(given, given.desired)  # asked for, and not empty
    released = None if given.desired is None else given_up(given, given.desired)
    return released or verdicts.data_missing(
        given.address,
        "the warehouse",
        "Restore it: `restoreFrom` in its manifest names the snapshot, or the ARN of one that no manifest declares.",
    )


def _compare(given: Given, desired: ClusterSpec, observed: ClusterObservation) -> Verdict:
    if observed.status == INCOMPATIBLE:
        return _anew(given, desired, observed)
    if observed.root is RootKind.LOST:
        return verdicts.keys_lost(given, "catalogue and key ring of its warehouse")
    older = older_copy.refused(given, observed)
    if older.blocked:
        return older
    root, resize = change_of_root(given, desired, observed), _resize(given, desired, observed)
    keys = reencryption(given, desired, observed)
    if not keys.operations:
        keys = rotation(given, desired, observed)
    # A resize goes before a change of encryption, never during: with more nodes it is over sooner (RE9).
    forms = (root, resize, keys) if is_under_way(observed) else (resize, root, keys)
    wanted = verdicts.together(
        _unchangeable(desired, observed),
        restoring(given, desired),
        renaming(given, observed),
        *forms,
        escrow(given, desired, observed),
        schedule(given, desired, observed),
        loads(given, desired, _carried_through(root, observed), left=_left_behind(root, observed)),
    )
    return verdicts.together(held_up(given, observed, wanted), Verdict(warnings=_warnings(given, observed)))


def _left_behind(root: Verdict, observed: ClusterObservation) -> frozenset[str]:
    """The BACKUP NO tables that its change of root does not carry through (RE10)."""
    if all(operation.verb is not Verb.ENCRYPT for operation in root.operations):
        return frozenset()
    return frozenset(table.name for table in observed.tables if not table.backup)


def _carried_through(root: Verdict, observed: ClusterObservation) -> ClusterObservation:
    """The cluster as its change of root leaves it: what the tables were loaded from that it leaves behind is loaded
    again."""
    left = _left_behind(root, observed)
    kept = tuple(table for table in observed.tables if table.name not in left)
    return observed.model_copy(update={"tables": kept}) if left else observed


def _create(given: Given, desired: ClusterSpec) -> Verdict:
    root = declared_root(desired) or OWNED
    if root.kind is RootKind.NONE:
        refused = plaintext_refused(given)
        if refused is not None:
            return Verdict(blocked=(refused,))
    step = _launch(given, desired, root)
    operation = Operation(
        verb=Verb.CREATE if desired.restore_from is None else Verb.RESTORE,
        reason="declared, and not there yet",
        steps=(step, _verified(given, root)) if root.kind is RootKind.HSM else (step,),
        impact=Impact(key_service_calls=_CALLS_OF_LAUNCH.get(root.kind, 0)),
    )
    more = [escrow(given, desired, None), schedule(given, desired, None)]
    more.append(loads(given, desired, in_its_backup(given, desired)))
    entries = [
        DiffEntry(path="arn", before=None, after=KNOWN_AFTER_APPLY),
        DiffEntry(path="spec.encryption", before=None, after=wanted_in_words(given, root)),
    ]
    if desired.restore_from is not None:
        source = given.arn_of(desired.restore_from) or KNOWN_AFTER_APPLY
        entries.append(DiffEntry(path="spec.restoreFrom", before=None, after=source))
    made = verdicts.created(
        operation,
        *(one for part in more for one in part.operations),
        diff=[*entries, *(entry for part in more for entry in part.diff)],
    )
    return dataclasses.replace(made, warnings=unrecoverable(given, desired, root))


def _launch(given: Given, desired: ClusterSpec, root: WantedRoot) -> steps.CreateCluster:
    """The step that makes it, empty or of a snapshot."""
    made = f"({desired.node_type} × {desired.nodes}, root: {root})"
    wanted: dict[str, Any] = {
        "address": given.address,
        "provider": given.provider,
        "cluster": given.name,
        "node_type": desired.node_type,
        "nodes": desired.nodes,
        "database": desired.database,
        "root": root,
        "trigger": None if desired.encryption is None else desired.encryption.rotation.trigger,
        "reencrypt": desired.encryption is not None and desired.encryption.reencrypt,
    }
    if desired.restore_from is None:
        return steps.CreateCluster(id="create-cluster", summary=f"create the cluster {made}", **wanted)
    return RestoreCluster(
        id="restore-cluster",
        summary=f"make the cluster {made} of {desired.restore_from}; what is sealed stays as it is",
        snapshot=desired.restore_from,
        **wanted,
    )


def _verified(given: Given, root: WantedRoot) -> steps.VerifyRoot:
    """Read back before anything is loaded: what its partition did not let be made is no cluster (HS5)."""
    return steps.VerifyRoot(
        id="verify-root",
        summary=f"read back that it is available and its root is: {root}",
        address=given.address,
        provider=given.provider,
        root=root,
    )


def _anew(given: Given, desired: ClusterSpec, observed: ClusterObservation) -> Verdict:
    """What is left of a cluster that its HSM did not let be made goes, and it is created (HS9)."""
    step = steps.DeleteIncomplete(
        id="delete-incomplete",
        summary="delete what is left of it; it has no keys and no data",
        address=given.address,
        provider=given.provider,
        cluster=name_of({"id": observed.arn}),
        uid=observed.uid,
    )
    gone = Operation(
        verb=Verb.DELETE,
        reason=f"it is {INCOMPATIBLE}: its HSM failed its checks when it was to be made",
        steps=(step,),
    )
    made = _create(given, desired)
    return dataclasses.replace(made, action=Action.REPLACE, operations=(gone, *made.operations))


def _remove(given: Given, observed: ClusterObservation) -> Verdict:
    recorded, last = given.recorded, given.last_spec
    name = given.name if recorded is None else name_of(recorded.attributes)
    delete = steps.DeleteCluster(
        id="delete-cluster",
        summary="delete the cluster and its data",
        reversible=False,
        address=given.address,
        provider=given.provider,
        cluster=name,
        uid=observed.uid,
    )
    reason = f"{given.removal_reason}, and nothing protects it"
    if observed.is_encrypted:
        reason += "; snapshots of it stay, and without it their keys can no longer be rotated (RO3)"
        if last is not None and last.encryption is not None and last.encryption.rotation.every is not None:
            reason += ", though its rotation policy covers them"
    also: tuple[steps.ClusterStep, ...] = ()
    if given.takes_data:
        reason = reason.replace("snapshots of it stay", "snapshots of it that were taken by hand stay")
        also = (
            DeleteAutomated(
                id="delete-automated",
                summary="delete the snapshots that it took by itself",
                reversible=False,
                address=given.address,
                provider=given.provider,
                uid=observed.uid,
            ),
        )
    operation = Operation(
        verb=Verb.DELETE,
        reason=reason,
        steps=(*also, delete),
        lets_go=(observed.arn, *((escrow_identity(observed.arn),) if observed.escrow_arn is not None else ())),
        takes_automated=given.takes_data,
    )
    return Verdict(action=Action.DELETE, operations=(operation,), warnings=older_copy.removed(given, observed))


def _unchangeable(desired: ClusterSpec, observed: ClusterObservation) -> Verdict:
    """What needs a new cluster."""
    if observed.database == desired.database:
        return verdicts.NOTHING
    return verdicts.blocked(
        "fixed-attribute",
        f"spec.database is {observed.database} and cannot become {desired.database} on a cluster",
        f"Write `database: {observed.database}`.",
        "Or declare a second Cluster with the other database, and load it.",
    )


def _resize(given: Given, desired: ClusterSpec, observed: ClusterObservation) -> Verdict:
    entries = verdicts.differences(
        {
            "spec.nodeType": (observed.node_type, desired.node_type),
            "spec.nodes": (observed.nodes, desired.nodes),
        }
    )
    if not entries:
        return verdicts.NOTHING
    step = steps.ResizeCluster(
        id="resize",
        summary=f"resize it to {desired.node_type} × {desired.nodes}",
        address=given.address,
        provider=given.provider,
        node_type=desired.node_type,
        nodes=desired.nodes,
    )
    operation = Operation(
        verb=Verb.UPDATE,
        reason="its nodes differ from its manifest",
        steps=(step,),
        impact=Impact(availability=Availability.READ_ONLY),
    )
    return verdicts.changed([operation], entries)


def _warnings(given: Given, observed: ClusterObservation) -> tuple[str, ...]:
    if observed.status == INACCESSIBLE:
        return ()  # said with the way out
    if observed.awaits_snapshot:
        return (
            f"{given.address} is encrypted, and no snapshot of it was completed since: that is the sign that it is "
            "done, which it is not yet; it has not failed either (RE10).",
        )
    if observed.status != AVAILABLE:
        return (f"{given.address} is {observed.status}, not {AVAILABLE}.",)
    return () if observed.keys_verified else (unverified(given.address),)


def due_at(spec: ClusterSpec, attributes: object, observed: ClusterObservation | None) -> float | None:
    """When its next rotation is due, as an epoch second; at once while each plan has to warn of its keys (HS6), that
    they are lost (RE8) or that its encryption is not done (RE10)."""
    if observed is not None and (
        not observed.keys_verified or observed.awaits_snapshot or observed.status == INACCESSIBLE
    ):
        return 0.0
    when = None if observed is None else next_rotation(spec, observed)
    return None if when is None else when.timestamp()
