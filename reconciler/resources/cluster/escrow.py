"""A second key that opens every DEK of a cluster, should its root be lost (RE14): what a plan does about it, and says
where there is none."""

from __future__ import annotations

from reconciler.model.change import KNOWN_AFTER_APPLY, DiffEntry, Impact, Operation, Verb, Verdict
from reconciler.providers.data import RootKind
from reconciler.resources import verdicts
from reconciler.resources.cluster.key_steps import SetEscrow
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.cluster.root import WantedRoot, declared_root
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.kind import DiffInput
from reconciler.resources.reference import Reference

Given = DiffInput[ClusterSpec, ClusterObservation]
_CALLS = 4  # is it usable, grant, wrap, open it to verify


def escrow(given: Given, desired: ClusterSpec, observed: ClusterObservation | None) -> Verdict:
    """The operation that leaves exactly the declared escrow; nothing while a manifest is silent about encryption, or
    where there are no keys."""
    wanted = declared_root(desired)
    if desired.encryption is None or wanted is None or wanted.kind is RootKind.NONE:
        return verdicts.NOTHING
    present = None if observed is None else observed.escrow_arn
    key = desired.encryption.escrow
    after = None if key is None else given.arn_of(key) or KNOWN_AFTER_APPLY
    if present == after:
        return verdicts.NOTHING
    verb, reason, summary = _in_words(key, present)
    step = SetEscrow(id="set-escrow", summary=summary, address=given.address, provider=given.provider, escrow=key)
    operation = Operation(
        verb=verb,
        reason=reason,
        steps=(step,),
        impact=Impact(key_service_calls=0 if key is None else _CALLS),
        lets_go=() if observed is None or present is None else (escrow_identity(observed.arn),),
    )
    warnings: tuple[str, ...] = ()
    if key is None:
        warnings = (
            f"Without escrow, {given.address} and its snapshots are unrecoverable once their root key is lost (RE14).",
        )
    entry = DiffEntry(path="spec.encryption.escrow", before=present, after=after)
    return verdicts.together(verdicts.changed([operation], [entry]), Verdict(warnings=warnings))


def _in_words(key: Reference | None, present: str | None) -> tuple[Verb, str, str]:
    if key is None:
        return (
            Verb.UPDATE,
            "its manifest names no escrow key any more",
            f"remove what is wrapped under {present}; from then on nothing but its root opens it",
        )
    reason = "its manifest names an escrow key" if present is None else "another key than its manifest names is escrow"
    return (
        Verb.RE_WRAP,
        reason,
        f"wrap the keys of it and its snapshots a second time under {key}, and open them to verify; data stay as they "
        "are",
    )


def escrow_identity(cluster_arn: str) -> str:
    """How the inventory calls what is wrapped under an escrow key."""
    return f"{cluster_arn}/escrow"


def unrecoverable(given: Given, desired: ClusterSpec, wanted: WantedRoot) -> tuple[str, ...]:
    """What a plan warns of that puts a cluster under a key of one's own, and names no escrow."""
    if wanted.kind is not RootKind.KMS or desired.encryption is None or desired.encryption.escrow is not None:
        return ()
    return (
        f"{given.address}: should {wanted} be lost, its data are unrecoverable; `encryption.escrow` names a second key "
        "that opens them (RE14).",
    )
