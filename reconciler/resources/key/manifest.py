"""The manifest that would declare a key as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.errors import Undeclarable
from reconciler.providers.root_arns import PARTITION
from reconciler.resources.declared_again import reference, said
from reconciler.resources.key.observe import KeyObservation
from reconciler.resources.key.spec import SYMMETRIC
from reconciler.resources.kind import ManifestInput


def manifest(given: ManifestInput[KeyObservation]) -> Mapping[str, Any]:
    """The fields. Undeclarable for a key that goes: to declare it would call it back. Of imported material nobody can
    say where it came from: who imported it goes on doing that."""
    observed = given.observed
    if observed.is_going:
        raise Undeclarable(
            f"The key {observed.arn} waits for its deletion",
            suggestion="Declaring it would cancel that: write its manifest with spec.importId if that is meant.",
        )
    own = {
        "description": observed.description,
        "enabled": not observed.is_off,
        "tags": dict(sorted(observed.tags.items())),
    }
    if observed.is_replica:
        primary = reference(given, "Key", str(observed.primary_arn))
        return said({"replicaOf": primary, **own}, description="", enabled=True, tags={})
    days = observed.rotation_period_days
    return said(
        {
            **own,
            "keySpec": observed.key_spec,
            # Only of a symmetric key it goes without saying what it is for.
            "keyUsage": None if observed.key_spec == SYMMETRIC else observed.key_usage,
            "multiRegion": observed.multi_region,
            "rotation": None if days is None else {"every": f"{days}d"},
            "origin": observed.origin,
            "partition": None if observed.partition is None else _partition(given, observed.partition),
        },
        description="",
        keySpec=SYMMETRIC,
        origin="AWS_KMS",
        enabled=True,
        multiRegion=False,
        tags={},
    )


def _partition(given: ManifestInput[KeyObservation], name: str) -> str | dict[str, str]:
    _, _, _, region, account, *_ = given.observed.arn.split(":")
    return reference(given, "HsmPartition", name, arn=f"arn:aws:redshift:{region}:{account}{PARTITION}{name}")
