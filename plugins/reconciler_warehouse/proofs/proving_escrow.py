"""Escrow, tried: each DEK comes out of its escrow as it comes from its root, and under no other context (RE14)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from reconciler.envelope.data_key import DataKey
from reconciler.errors import ServiceError
from reconciler.providers.proofs import KEYS_OPENED, Check, Witness, failed, unprotected
from reconciler_warehouse.names import DEK_PAIR
from reconciler_warehouse.proofs.proving_keys import attempt_of, each_refused
from reconciler_warehouse.proofs.proving_segments import Holder
from reconciler_warehouse.proofs.proving_tokens import other_contexts
from reconciler_warehouse.site import Site
from reconciler_warehouse.stored_values import context as stored_context

_AGAIN: Final = "Set the cluster's escrow again (`escrow: none`, then the key): every database key is wrapped anew."
_CUT_OFF: Final = "Give the warehouse the use of the escrow key again (enable it, restore the grant)."


def wraps(site: Site, holder: Holder, deks: Mapping[str, DataKey], witness: Witness) -> Iterator[Check]:
    """What of the cluster or snapshot is under an escrow key; all of it must be, where one is declared."""
    named = f"{holder.kind} {holder.name}"
    with site.catalogue.read() as catalogue:
        row = None
        if catalogue is not None and holder.kind == "cluster":
            row = catalogue.execute("SELECT escrow_arn FROM cluster WHERE uid = ?", (holder.uid,)).fetchone()
    declared = None if row is None else row[0]
    with site.keyring.read() as ring:
        rows = []
        if ring is not None:
            rows = ring.execute(
                "SELECT dek, key_arn, context, wrapped FROM escrow_wrap WHERE holder = ?", (holder.uid,)
            ).fetchall()
    under = {dek for dek, key_arn, _, _ in rows if key_arn == declared}
    for dek in sorted(deks.keys() - under) if declared is not None else ():
        yield unprotected(
            KEYS_OPENED, f"the database key {dek} of {named} is not under the escrow key {declared}", _AGAIN
        )
    for dek, key_arn, context, wrapped in rows:
        if dek in deks:
            yield from _wrap(site, named, (dek, deks[dek]), (key_arn, stored_context(context), wrapped), witness)


def _wrap(
    site: Site, named: str, known: tuple[str, DataKey], kept: tuple[str, Mapping[str, str], bytes], witness: Witness
) -> Iterator[Check]:
    (dek, key), (key_arn, context, wrapped) = known, kept
    what = f"the database key {dek} of {named} in escrow"
    if context.get(DEK_PAIR) != dek:
        yield unprotected(KEYS_OPENED, f"{what} is not bound to itself", _AGAIN)
    try:
        with attempt_of(site, wrapped, context, key_arn)().plaintext as back:
            witness.opened(back)
            if back != key:
                yield unprotected(KEYS_OPENED, f"{what} is another key than the one under the root", _AGAIN)
                return
    except ServiceError as error:
        yield failed(KEYS_OPENED, type(error)(f"{what} does not open: {error.summary}"), _CUT_OFF)
        return
    yield Check(what=KEYS_OPENED)
    yield from each_refused(
        what,
        {
            f"under a context with another {name}": attempt_of(site, wrapped, changed, key_arn)
            for name, changed in {
                **other_contexts(context),
                DEK_PAIR: {**context, DEK_PAIR: f"{dek}-other"},
            }.items()
        },
    )
