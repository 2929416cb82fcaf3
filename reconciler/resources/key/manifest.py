"""The manifest that would declare a key as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from reconciler.errors import Undeclarable
from reconciler.providers.keys import KeyState
from reconciler.resources.declared_again import said
from reconciler.resources.key.observe import KeyObservation
from reconciler.resources.key.spec import KeySpecName
from reconciler.resources.kind import ManifestInput

_SYMMETRIC = get_args(KeySpecName)[0]


def manifest(given: ManifestInput[KeyObservation]) -> Mapping[str, Any]:
    """The fields. Undeclarable for a key that goes: to declare it would call it back."""
    observed = given.observed
    if observed.state == KeyState.PENDING_DELETION:
        raise Undeclarable(
            f"The key {observed.arn} waits for its deletion",
            suggestion="Declaring it would cancel that: write its manifest with spec.importId if that is meant.",
        )
    if observed.key_spec != _SYMMETRIC:
        raise Undeclarable(
            f"The key {observed.arn} is {observed.key_spec}, which manifests of this version cannot say",
            suggestion="Name it as {arn: …} where something refers to it.",
        )
    days = observed.rotation_period_days
    return said(
        {
            "description": observed.description,
            "keyUsage": observed.key_usage,
            "enabled": observed.state == KeyState.ENABLED,
            "multiRegion": observed.multi_region,
            "rotation": None if days is None else {"every": f"{days}d"},
            "tags": dict(sorted(observed.tags.items())),
        },
        description="",
        keyUsage="ENCRYPT_DECRYPT",
        enabled=True,
        multiRegion=False,
        tags={},
    )
