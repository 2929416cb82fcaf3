"""The upper tiers of what is under an HSM, tried with the right keys and with wrong ones: partition → CEK → DEK (HS2,
HS3). The CEK is never here, so what is tried is what its token answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Final

from reconciler.envelope.data_key import DataKey
from reconciler.errors import (
    HsmError,
    HsmFault,
    HsmUnavailable,
    InvalidCiphertextException,
    ProviderUnavailable,
    ReconcilerError,
    ResourceNotFoundException,
)
from reconciler.providers.data import RootKind
from reconciler.providers.hsm import HsmProvider
from reconciler.providers.proofs import KEYS_OPENED, REFUSALS, REFUSED, Check, Witness, failed, unprotected
from reconciler_warehouse.keyring import Cek, Holding, cluster_key_partitions
from reconciler_warehouse.keys import internal_root
from reconciler_warehouse.keys.hierarchy import open_deks, remember_opened
from reconciler_warehouse.keys.wrapping import CekInToken, token_context
from reconciler_warehouse.site import Site

_OTHERS: Final = 2
_UNREACHED: Final = "Reach the partition again (`reconciler plan` says what is wrong with it), then verify again."
_DISTRUST: Final = "Do not trust this partition with data: it does not check what it opens. Report it."


@dataclass(slots=True)
class Opened:
    """What a proof opened so far; wiped by the stack that it was handed."""

    deks: dict[str, DataKey] = field(default_factory=dict)


def tiers(
    site: Site,
    cek: Cek,
    held: Sequence[Holding],
    rest: Sequence[Cek],
    *,
    named: str,
    witness: Witness,
    keys: Opened,
    wiped: ExitStack,
) -> Iterator[Check]:
    """The DEKs under their cluster key in the declared partition, and under no other key, partition or context. Opened
    DEKs are left in ``keys``."""
    try:
        key = CekInToken(site, cek, wiped.enter_context(internal_root.opened(site)), named)
        keys.deks |= open_deks(site, cek, key, held, wiped)
    except ReconcilerError as error:
        yield failed(KEYS_OPENED, error, _UNREACHED)
        return
    if not cek.verified:
        with suppress(ReconcilerError):  # where nothing may be written, plans go on warning of it
            remember_opened(site, cek)
    for dek in keys.deks.values():
        witness.opened(dek)
    yield Check(what=KEYS_OPENED, count=len(keys.deks))
    for one in held:
        if one.under is None:
            yield from _outer_refused(site, cek, one, named)
            yield from _inner_refused(site, cek, one, rest, named=named, inner=key.inner(one.dek, one.wrapped))


def other_contexts(context: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    """Contexts that must not do: the first pair with another value, and all of them with one pair more, which a grant's
    constraint lets pass and only the cipher refuses (KM4)."""
    first = min(context)
    return {first: {**context, first: f"{context[first]}-other"}, "pair": {**context, "reconciler:verify": "other"}}


def _outer_refused(site: Site, cek: Cek, one: Holding, named: str) -> Iterator[Check]:
    """The outer layer opens under the internal root key and for its own DEK only."""
    with DataKey.generate(site.random) as stranger, internal_root.opened(site) as own:
        attempts = [(CekInToken(site, cek, stranger, named), one.dek), (CekInToken(site, cek, own, named), site.uid())]
        for key, dek in attempts:
            try:
                key.inner(dek, one.wrapped)
            except InvalidCiphertextException:
                yield Check(what=REFUSALS)
            else:
                yield unprotected(
                    REFUSALS,
                    f"the outer layer of the database key {one.dek} of {named} opens under a key that is not its own",
                    "Nothing was changed. Put back the key ring and the internal root key from one backup.",
                )


def _inner_refused(
    site: Site, cek: Cek, one: Holding, rest: Sequence[Cek], *, named: str, inner: bytes
) -> Iterator[Check]:
    context = token_context(site, cek, one.dek)
    attempts: dict[str, Callable[[], DataKey]] = {}
    for name, changed in other_contexts(context).items():
        attempts[f"under a context with another {name}"] = _attempt(site, cek.root_arn, cek.material, inner, changed)
    strangers = [other.material for other in rest if (other.root_kind, other.root_arn) == (RootKind.HSM, cek.root_arn)]
    for material in list(dict.fromkeys(strangers))[:_OTHERS]:
        attempts[f"under cluster key {material}"] = _attempt(site, cek.root_arn, material, inner, context)
    for arn in _other_partitions(site, cek)[:_OTHERS]:
        attempts[f"in partition {arn}"] = _attempt(site, arn, cek.material, inner, context)
    for how, attempt in attempts.items():
        yield from _refused(f"the database key {one.dek} of {named}", how, attempt)


def _refused(what: str, how: str, attempt: Callable[[], DataKey]) -> Iterator[Check]:
    try:
        attempt().wipe()
    except (*REFUSED, ResourceNotFoundException):
        yield Check(what=REFUSALS)
    except HsmUnavailable:
        return  # another partition that cannot be asked now proves nothing, and is none of this cluster's
    except HsmError as error:
        if error.fault is HsmFault.KEY_MISSING:
            yield Check(what=REFUSALS)
    else:
        yield unprotected(REFUSALS, f"{what} opens {how} too", _DISTRUST)


def _attempt(
    site: Site, partition: str, key_id: str, inner: bytes, context: Mapping[str, str]
) -> Callable[[], DataKey]:
    return lambda: site.hsm.unwrap_data_key(site.service_caller, partition, key_id, inner, context)


def _other_partitions(site: Site, cek: Cek) -> list[str]:
    """Partitions that must not open it: not those that the key was moved from or to by the vendor's tools (HS6)."""
    with site.keyring.read() as ring:
        known = set() if ring is None else cluster_key_partitions(ring, cek.material)
    try:
        hsm = site.hsm
        if not isinstance(hsm, HsmProvider):
            return []
        described = hsm.describe_partitions(site.service_caller)
    except ProviderUnavailable:
        return []
    return [one.arn for one in described if one.arn not in known]
