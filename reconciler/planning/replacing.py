"""``--replace ADDR``: made anew though nothing asks for it (CONTRACT 1). Keys and what holds data never are."""

from __future__ import annotations

from typing import Any

from reconciler.model.change import Verdict
from reconciler.resources.kind import DiffInput, ResourceKind
from reconciler.resources.verdicts import blocked


def replaced(kind: ResourceKind[Any, Any], given: DiffInput[Any, Any]) -> Verdict | None:
    """The verdict on an object that is to be made anew; None where there is none yet, and the kind's own verdict makes
    it."""
    recorded = given.recorded
    if recorded is None or recorded.identity is None:
        return None
    if kind.replace is None:
        return blocked(
            "replace-of-data",
            f"{given.address} is a key or holds data; made anew it would open and hold nothing of what it does now",
            f"Declare a second {given.address.kind}, and let what refers to this one name that.",
            "For new key material, change `rotation.trigger`: nothing is lost by that.",
        )
    if given.observed is not None and recorded.protected:
        return blocked(
            "replace-of-data",
            f"{given.address} is there and protected; to be made anew it would have to be destroyed",
            "Declare a second one under another name.",
            "Or write `lifecycle: {preventDestroy: false}`, apply, and remove it yourself first.",
        )
    return kind.replace(given)
