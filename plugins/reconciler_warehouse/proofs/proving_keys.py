"""The upper tiers, tried with the right keys and with wrong ones: root → CEK → DEK (RE5, RE6, KM4, I7, I8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from typing import Final

from reconciler.envelope.data_key import KEY_BYTES, DataKey
from reconciler.envelope.seal import open_key
from reconciler.errors import (
    InvalidCiphertextException,
    ReconcilerError,
)
from reconciler.providers.data import Root, RootKind
from reconciler.providers.keys import Context, DecryptedKey
from reconciler.providers.proofs import KEYS_OPENED, REFUSALS, REFUSED, Check, Witness, failed, unprotected
from reconciler_warehouse.keyring import Cek, Holding, cek_of, holdings, neighbours
from reconciler_warehouse.keys.hierarchy import cek_in_clear
from reconciler_warehouse.keys.roots import named as root_arn
from reconciler_warehouse.keys.wrapping import dek_aad
from reconciler_warehouse.names import ARN_PAIR, CREATED_PAIR, cluster_context
from reconciler_warehouse.proofs import proving_tokens
from reconciler_warehouse.proofs.proving_segments import Holder
from reconciler_warehouse.proofs.proving_tokens import Opened, other_contexts
from reconciler_warehouse.site import Site

_OTHERS: Final = 2
_NEIGHBOURS: Final = 8
_RESTORE: Final = "Nothing was changed. Put back the key ring and the catalogue from one backup."
_CUT_OFF: Final = "Give the warehouse the use of the key again (enable it, restore the grant)."


def required_context(site: Site, cluster: str, created_at: datetime) -> dict[str, str]:
    """The pairs that a cluster's CEK must be bound to (RE5)."""
    return cluster_context(site.region, site.account, cluster, created_at)


def tiers(
    site: Site, holder: Holder, root: Root | None, witness: Witness, *, keys: Opened, wiped: ExitStack
) -> Iterator[Check]:
    """The CEK under the declared root and no other, the DEKs under the CEK and no other. Opened DEKs are left in
    ``keys``."""
    named = f"{holder.kind} {holder.name}"
    with site.keyring.read() as ring:
        cek = None if ring is None else cek_of(ring, holder.uid)
        held = [] if ring is None or cek is None else holdings(ring, holder.uid, cek.uid)
        rest = [] if ring is None or cek is None else neighbours(ring, cek, _NEIGHBOURS)
    if cek is None:
        yield unprotected(KEYS_OPENED, f"the key ring holds no cluster key for {named}", _RESTORE)
        return
    if root is not None and not _is_under(cek, root):
        yield wrong_root(KEYS_OPENED, named, cek.root_kind, cek.root_arn, root)
    unbound = [pair for pair in (ARN_PAIR, CREATED_PAIR) if not _is_bound(cek, holder, pair)]
    if unbound:
        yield unprotected(
            KEYS_OPENED,
            f"the cluster key of {named} is not bound to the {' and '.join(unbound)} of its cluster (RE5)",
            _RESTORE,
        )
    if cek.root_kind is RootKind.HSM:
        yield from proving_tokens.tiers(site, cek, held, rest, named=named, witness=witness, keys=keys, wiped=wiped)
        if keys.deks:
            yield from _complete(holder, keys, named)
        return
    try:
        key = wiped.enter_context(cek_in_clear(site, cek, named))
    except ReconcilerError as error:
        yield failed(KEYS_OPENED, error, _CUT_OFF)
        return
    witness.opened(key)
    yield Check(what=KEYS_OPENED)
    yield from _refused_above(site, cek, rest, named, witness)
    neighbour = _neighbour(site, rest, wiped)
    for one in held:
        yield from _dek(site, cek, key, one, neighbour, named=named, witness=witness, keys=keys, wiped=wiped)
    yield from _complete(holder, keys, named)


def _complete(holder: Holder, keys: Opened, named: str) -> Iterator[Check]:
    if holder.dek not in keys.deks:
        yield unprotected(KEYS_OPENED, f"no key ring entry opens the database key {holder.dek} of {named}", _RESTORE)


def wrong_root(what: str, named: str, kind: RootKind, key_arn: str | None, root: Root) -> Check:
    """It is under another root than the declared one."""
    found = "the owned key" if kind is RootKind.OWNED else str(key_arn)
    wanted = "the owned key" if root.kind is RootKind.OWNED else (root_arn(root) or "no encryption")
    fix = (
        "Run `reconciler plan`: it switches to the declared key. Find out who changed it. A copy stays as it came: "
        "delete it and have it copied again."
    )
    return unprotected(what, f"{named} is under {found}, and is declared to be under {wanted}", fix)


def copy_grant_refusals(site: Site, key_arn: str, context: Context) -> Iterator[Check]:
    """What is wrapped through a copy grant opens under its own context only."""
    wrapped = site.keys.encrypt(site.service_caller, key_arn, site.random.bytes(KEY_BYTES), context)
    yield from each_refused(
        f"what is wrapped under {key_arn}",
        {
            f"under the context with another {name}": attempt_of(site, wrapped, changed, key_arn)
            for name, changed in other_contexts(context).items()
        },
    )


def _refused_above(site: Site, cek: Cek, rest: Sequence[Cek], named: str, witness: Witness) -> Iterator[Check]:
    others = [one.root_arn for one in rest if one.root_arn != cek.root_arn and one.root_kind is not RootKind.HSM]
    others += witness.other_keys(cek.root_arn)
    attempts: dict[str, Callable[[], DecryptedKey]] = {}
    for arn in list(dict.fromkeys(others))[:_OTHERS]:
        attempts[f"under {arn}"] = attempt_of(site, cek.wrapped, cek.context, arn)
    for name, changed in other_contexts(cek.context).items():
        attempts[f"under a context with another {name}"] = attempt_of(site, cek.wrapped, changed, cek.root_arn)
    yield from each_refused(f"the cluster key of {named}", attempts)


def attempt_of(site: Site, wrapped: bytes, context: Context, key_arn: str) -> Callable[[], DecryptedKey]:
    """To ask the key service to open that, later."""
    return lambda: site.keys.decrypt(site.service_caller, wrapped, context, key_id=key_arn)


def each_refused(what: str, attempts: Mapping[str, Callable[[], DecryptedKey]]) -> Iterator[Check]:
    """That none of these attempts opens what must not open."""
    for how, attempt in attempts.items():
        try:
            attempt().plaintext.wipe()
        except REFUSED:
            yield Check(what=REFUSALS)
        else:
            yield unprotected(
                REFUSALS,
                f"{what} opens {how} too",
                "Do not trust this key service with data: it does not check what it opens. Report it.",
            )


def _dek(
    site: Site,
    cek: Cek,
    key: DataKey,
    one: Holding,
    neighbour: DataKey | None,
    *,
    named: str,
    witness: Witness,
    keys: Opened,
    wiped: ExitStack,
) -> Iterator[Check]:
    aad = dek_aad(site, cek, one.dek)
    try:
        dek = wiped.enter_context(open_key(key, one.wrapped, aad))
    except InvalidCiphertextException:
        yield unprotected(
            KEYS_OPENED, f"the database key {one.dek} of {named} does not open under its cluster key", _RESTORE
        )
        return
    witness.opened(dek)
    keys.deks[one.dek] = dek
    yield Check(what=KEYS_OPENED)
    with DataKey.generate(site.random) as stranger:
        wrong = [(stranger, aad), (dek, aad), (key, dek_aad(site, cek, site.uid()))]
        wrong += [] if neighbour is None else [(neighbour, aad)]
        for parent, bound in wrong:
            with suppress(InvalidCiphertextException), open_key(parent, one.wrapped, bound):
                yield unprotected(
                    REFUSALS, f"the database key {one.dek} of {named} opens under a key that is not its own", _RESTORE
                )
                return
    yield Check(what=REFUSALS, count=len(wrong))


def _neighbour(site: Site, rest: Sequence[Cek], wiped: ExitStack) -> DataKey | None:
    """Another cluster's CEK, to be refused; None when there is none that opens now."""
    for one in rest:
        with suppress(ReconcilerError):
            if one.root_kind is not RootKind.HSM:
                return wiped.enter_context(cek_in_clear(site, one, "another cluster"))
    return None


def _is_under(cek: Cek, root: Root) -> bool:
    return cek.root_kind is root.kind and root_arn(root) in (None, cek.root_arn)


def _is_bound(cek: Cek, holder: Holder, pair: str) -> bool:
    found = cek.context.get(pair)
    return found is not None and holder.context.get(pair, found) == found
