"""What CONTRACT 1 lets every manifest say and this version cannot honour: refused in the plan, never ignored.

Ignoring a rename would make a second object and let the first one go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.model.address import Address
from reconciler.model.change import Verdict
from reconciler.model.recorded import Recorded
from reconciler.resources.resource import Resource
from reconciler.resources.verdicts import blocked

_GUARD = "not-supported"


def refusal(resource: Resource, row: Recorded | None) -> Verdict | None:
    """Why the resource is left alone; None when its manifest asks for nothing of the sort."""
    spec, address = resource.spec, resource.address
    is_new = row is None or row.identity is None
    if is_new and spec.import_id is not None:
        return blocked(
            _GUARD,
            f"{address} is to adopt {spec.import_id}, and this version of reconciler adopts nothing yet",
            "Name the object as {arn: …} where it is referred to, and declare no resource for it, or",
            "remove spec.importId to have a new object made.",
        )
    if is_new and spec.renamed_from is not None:
        return blocked(
            _GUARD,
            f"{address} is to be {address.kind}/{spec.renamed_from} renamed, and this version of reconciler renames "
            "nothing yet",
            f"Call it {spec.renamed_from} again, or",
            "remove spec.renamedFrom to have a new object made beside the old one.",
        )
    if spec.lifecycle.ignore_changes:
        return blocked(
            _GUARD,
            f"{address} has lifecycle.ignoreChanges, and this version of reconciler ignores no change yet",
            "Remove it, and declare what is to be there.",
        )
    return None


def old_names(declared: Mapping[Address, Resource], new: Iterable[Address]) -> frozenset[Address]:
    """The recorded names that the ``new`` resources say they had: what is there under them is not let go."""
    return frozenset(
        Address.of(address.kind, renamed)
        for address in new
        if (renamed := declared[address].spec.renamed_from) is not None
    )


def renamed(address: Address) -> Verdict:
    """The verdict on what another manifest says it was."""
    return blocked(
        _GUARD,
        f"{address} stays: another manifest says that it is this one renamed, which this version of reconciler cannot "
        "do yet",
        "Call it by its old name again, or remove spec.renamedFrom.",
    )
