"""Which root a manifest asks for, and how a plan words the one or the other."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.change import KNOWN_AFTER_APPLY
from reconciler.providers.data import Root, RootKind
from reconciler.resources.cluster.observe import ClusterObservation
from reconciler.resources.cluster.spec import ClusterSpec
from reconciler.resources.kind import DiffInput
from reconciler.resources.reference import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRoot:
    """The root that a manifest names (RE3, RE4, HS1). ``key`` for a customer-managed one, ``partition`` for an HSM."""

    kind: RootKind
    key: Reference | None = None
    partition: Reference | None = None

    @property
    def named(self) -> Reference | None:
        """What it names."""
        return self.key if self.partition is None else self.partition

    def __str__(self) -> str:
        return in_words(self.kind, None if self.named is None else str(self.named))


OWNED = WantedRoot(kind=RootKind.OWNED)


def declared_root(desired: ClusterSpec) -> WantedRoot | None:
    """What the manifest says; None when it is silent."""
    encryption = desired.encryption
    if encryption is None:
        return None
    if encryption.key is not None:
        return WantedRoot(kind=RootKind.KMS, key=encryption.key)
    if encryption.hsm is not None:
        return WantedRoot(kind=RootKind.HSM, partition=encryption.hsm)
    return OWNED if encryption.enabled else WantedRoot(kind=RootKind.NONE)


def in_words(kind: RootKind, name: str | None) -> str:
    """A root as a plan shows it; ``name`` is the key's or the partition's."""
    if kind is RootKind.NONE:
        return "not encrypted"
    if kind is RootKind.LOST:
        return "keys that are lost"
    return "the owned key" if kind is RootKind.OWNED or name is None else name


def wanted_in_words(given: DiffInput[ClusterSpec, ClusterObservation], wanted: WantedRoot) -> str:
    """The wanted root by its ARN, as far as that is known before apply."""
    if wanted.named is None:
        return in_words(wanted.kind, None)
    return given.arn_of(wanted.named) or KNOWN_AFTER_APPLY


def observed_in_words(observed: ClusterObservation) -> str:
    """The root that is there."""
    return in_words(observed.root, observed.key_arn or observed.partition)


def is_under(given: DiffInput[ClusterSpec, ClusterObservation], wanted: WantedRoot) -> bool:
    """Whether the cluster has that root already. A key or partition that is yet to be made is never the one that is
    there."""
    observed = given.observed
    if observed is None or observed.root is not wanted.kind:
        return False
    present = observed.partition if wanted.kind is RootKind.HSM else observed.key_arn
    return wanted.named is None or given.arn_of(wanted.named) == present


def attributes_of(root: Root) -> dict[str, str | None]:
    """What the state records of a root, for whoever refers to the cluster."""
    return {"root": str(root.kind), "key_arn": root.key_arn, "partition": root.partition}


def reencrypted_under(root: Root, trigger: str | None) -> str:
    """What the state records of a re-encryption: for which root and which trigger it was done."""
    return f"{root.key_arn or root.partition or root.kind} {trigger or ''}".rstrip()
