"""Findings of a survey that several data-bearing kinds share: the root key's state, and raw bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.model.address import Address
from reconciler.model.plan import Finding
from reconciler.providers.keys import KeyState
from reconciler.resources.estate import Estate

_WHY = {
    str(KeyState.DISABLED): ("is disabled", "enable {key} again"),
    str(KeyState.PENDING_DELETION): ("is pending deletion", "cancel the deletion of {key}"),
    "": ("is gone", "put the key store back from a backup: a new key opens nothing"),
}


def unusable_root(estate: Estate, address: Address, key_arn: str | None) -> Iterator[Finding]:
    """``warehouse-inaccessible`` when the customer-managed root cannot be used (RE8), nothing otherwise."""
    state = None if key_arn is None else estate.key_state(key_arn)
    if key_arn is None or state is None or state not in _WHY:
        return
    why, cure = _WHY[state]
    managed = next((row for row in estate.named(key_arn) if row.attributes.get("arn") == key_arn), None)
    name = key_arn if managed is None else str(managed.address)
    fix = cure.format(key=name)
    if managed is not None and "{key}" in cure:
        fix += " (`reconciler apply` does, while it is declared so)"
    yield estate.finding(
        address,
        "warehouse-inaccessible",
        "key_arn",
        f"a root key that is {KeyState.ENABLED}",
        f"{name} {why}",
        f"{fix}; after 14 days the data are given up (RE8)",
    )


def found_in_plaintext(estate: Estate, address_of: Callable[[str], Address | None]) -> Iterator[Finding]:
    """``data-plaintext-found`` for each object of the kind; ``address_of`` answers None for an ARN of another kind."""
    for arn, found in sorted(estate.plaintext.items()):
        address = address_of(arn)
        if address is None:
            continue
        first, others = found[0], len(found) - 1
        more = f", and {others} more" if others else ""
        yield estate.finding(
            address,
            "data-plaintext-found",
            "data",
            "ciphertext",
            f"{first.where}: {first.why}{more}",
            f"take the data as exposed and find out who wrote them; `reconciler verify {address}` tells what else is "
            "not as it was written, then load or restore them anew",
        )
