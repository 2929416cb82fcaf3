"""The tiers between the root and the blocks: making, opening and re-wrapping CEKs and DEKs (RE3, RE5–RE7).

root –the key service→ CEK –envelope.seal→ DEK –envelope.seal→ key table –one key each→ blocks. CEKs and DEKs are in
clear in memory only, for as long as one call needs them; nothing is kept between calls, so a key that is disabled stops
the next one. Under an HSM the CEK is in its token only, which opens one DEK a call (HS2, HS3; ``wrapping``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

from reconciler.envelope.data_key import DataKey
from reconciler.errors import (
    DamagedStore,
    InvalidCiphertextException,
    ReconcilerError,
    ServiceError,
)
from reconciler.providers.data import RootKind
from reconciler_warehouse.keyring import (
    Cek,
    Holding,
    add_cek,
    add_holding,
    cek_at,
    cek_of,
    drop_unheld,
    holdings,
    staged,
    wrapped_under,
)
from reconciler_warehouse.keys import cluster_keys, internal_root
from reconciler_warehouse.keys.mode_changed import ModeChanged
from reconciler_warehouse.keys.roots import Adopted, caller_of
from reconciler_warehouse.keys.wrapping import CekInMemory, CekInToken, OpenCek, chain, unchain
from reconciler_warehouse.site import Site

OpenDeks = Mapping[str, DataKey]


@contextmanager
def opened(site: Site, holder: str, what: str) -> Iterator[OpenDeks]:
    """The DEKs of a cluster or snapshot, by uid, opened through the key service and wiped at the end (RE7); or by one
    operation of its HSM, however many there are (HS3).

    Empty for a holder without keys (not encrypted). The key service's own error, or the HSM's, under a message that
    names ``what``. A holder that was given other keys between the look at the ring and the key service's answer (the
    old grant may be retired by then) is opened with those.
    """
    cek, held = _held(site, holder)
    with ExitStack() as wiped:
        deks: dict[str, DataKey] = {}
        while cek is not None:
            try:
                with open_cek(site, cek, what) as key:
                    deks = open_deks(site, cek, key, held, wiped)
                break
            except ReconcilerError:
                now, held = _held(site, holder)
                if now is not None and now.uid == cek.uid:
                    raise
                cek = now
        yield deks


def _held(site: Site, holder: str) -> tuple[Cek | None, list[Holding]]:
    """The CEK that the holder points at, and its DEKs under it."""
    with site.keyring.read() as ring:
        cek = None if ring is None else cek_of(ring, holder)
        return cek, [] if ring is None or cek is None else holdings(ring, holder, cek.uid)


def key_named(deks: OpenDeks, dek: str) -> DataKey:
    """One of the opened DEKs. ModeChanged when the cluster got it after they were opened."""
    if dek not in deks:
        raise ModeChanged(
            "The cluster was given another key meanwhile; nothing of this call was committed",
            suggestion="Run the command again.",
        )
    return deks[dek]


@contextmanager
def open_cek(site: Site, cek: Cek, what: str, root: Adopted | None = None) -> Iterator[OpenCek]:
    """The CEK, to be used: opened by the key service under its context and in clear in memory, or in its token."""
    if cek.root_kind is RootKind.HSM:
        with internal_root.opened(site) as outer:
            yield CekInToken(site, cek, outer, what)
        return
    with cek_in_clear(site, cek, what, root) as key:
        yield CekInMemory(site, cek, key)


@contextmanager
def cek_in_clear(site: Site, cek: Cek, what: str, root: Adopted | None = None) -> Iterator[DataKey]:
    """A CEK under the key service, opened by it."""
    caller = site.service_caller if root is None else caller_of(site, root)
    try:
        answer = site.keys.decrypt(caller, cek.wrapped, cek.context, key_id=cek.root_arn)
    except ServiceError as error:
        raise type(error)(
            f"{what} cannot be opened: the root key {cek.root_arn} does not open its cluster key ({error.summary})",
            detail=error.detail,
            suggestion=error.suggestion
            or "Nothing is lost: give the warehouse the use of the key again (enable it, restore the grant).",
        ) from error
    with answer.plaintext as key:
        yield key


def open_deks(site: Site, cek: Cek, key: OpenCek, held: Sequence[Holding], wiped: ExitStack) -> dict[str, DataKey]:
    """The DEKs of these holdings, by uid, to be wiped by ``wiped``. DamagedStore."""
    deks: dict[str, DataKey] = {}
    for one in sorted(held, key=lambda one: one.under is not None):
        try:
            if one.under is None:
                opened_dek = key.unwrap(one.dek, one.wrapped)
            elif one.under in deks:
                opened_dek = unchain(site, cek, (one.under, deks[one.under]), one.dek, one.wrapped)
            else:
                raise InvalidCiphertextException("the key above it is not there")
        except InvalidCiphertextException:
            raise DamagedStore(
                f"The database key {one.dek} in the key ring at {site.keyring.path} is not what was written",
                suggestion="The key ring is left as it is. Put back a copy of it from a backup.",
            ) from None
        deks[one.dek] = wiped.enter_context(opened_dek)
    return deks


def stage_cek(site: Site, root: Adopted, origin: str, operation: str) -> Cek:
    """A new CEK, generated by the key service under the root, durable in the key ring and read back (RE5, I2); or by
    the HSM partition that is the root (HS2).

    The clear copy that comes with it is wiped unused: what is used later is what the ring holds.
    """
    uid = site.uid()
    made = Cek(
        uid=uid,
        material=uid,
        operation=operation,
        origin=origin,
        root_kind=root.kind,
        root_arn=root.key_arn,
        context=root.context,
        grant_id=root.grant_id,
        wrapped=b"",
        made_at=site.now().isoformat(),
    )
    if root.kind is RootKind.HSM:
        return cluster_keys.make(site, made)
    generated = site.keys.generate_data_key(caller_of(site, root), root.key_arn, root.context)
    generated.plaintext.wipe()
    return _durable(site, replace(made, wrapped=generated.wrapped))


def stage_rewrap(site: Site, cek: Cek, root: Adopted, holder: str, operation: str, what: str) -> Cek:  # noqa: PLR0917
    """The same CEK under another root or context, by the key service's ReEncrypt: it is never in clear here, and the
    DEKs under it stay as they are. In a token the key itself stays, and its DEK is wrapped anew under the context."""
    moved = replace(
        _as_staged(site, cek, root, operation),
        wrapped=b""
        if cek.root_kind is RootKind.HSM
        else site.keys.re_encrypt(caller_of(site, root), cek.wrapped, cek.context, root.key_arn, root.context),
    )
    if cek.root_kind is RootKind.HSM:
        with opened(site, holder, what) as deks:
            _durable(site, moved)
            with open_cek(site, moved, "The re-wrapped database key") as key:
                stage_deks(site, moved, key, holder, deks, primary=_primary(site, cek, holder))
        return moved
    _durable(site, moved)
    _hold_as(site, cek, moved, holder)
    with site.keyring.read() as ring:
        held = [] if ring is None else holdings(ring, holder, moved.uid)
    with open_cek(site, moved, "The re-wrapped cluster key", root) as again, ExitStack() as wiped:
        open_deks(site, moved, again, held, wiped)
    return moved


def stage_adopted(site: Site, cek: Cek, root: Adopted, holder: str, operation: str) -> Cek:
    """The same CEK in another partition, to which the vendor's tools replicated it; not tried (HS6)."""
    moved = cluster_keys.adopt(site, _as_staged(site, cek, root, operation))
    _hold_as(site, cek, moved, holder)
    return moved


def stage_shared(site: Site, cek: Cek, shared: Cek, holder: str, *, root: Adopted, what: str) -> None:
    """The holder's DEKs, now under ``cek``, under a CEK that another holder's are under already. One that is there is
    not wrapped again: it is the same key under the same CEK."""
    with site.keyring.read() as ring:
        held = [] if ring is None else holdings(ring, holder, cek.uid)
        there = {one.dek: None if ring is None else wrapped_under(ring, shared.uid, one.dek) for one in held}
    known = {dek: wrapped for dek, wrapped in there.items() if wrapped is not None}
    if len(known) == len(held):
        with site.keyring.write() as ring:
            for dek, wrapped in known.items():
                add_holding(ring, Holding(holder=holder, cek=shared.uid, dek=dek, wrapped=wrapped))
        return
    with opened(site, holder, what) as deks, open_cek(site, shared, "The new cluster key", root) as key:
        stage_deks(site, shared, key, holder, deks, primary=held[0].dek)


def stage_dek(site: Site, cek: Cek, key: OpenCek, holder: str, dek: str) -> None:
    """A new DEK, made here, wrapped by the CEK, durable beside it and proved to open (RE6, I2)."""
    with DataKey.generate(site.random) as made:
        stage_deks(site, cek, key, holder, {dek: made}, primary=dek)


def stage_deks(site: Site, cek: Cek, key: OpenCek, holder: str, known: Mapping[str, DataKey], *, primary: str) -> None:
    """DEKs under a CEK, durable, read back, opened and compared (I2).

    In a token only ``primary`` is wrapped (HS3), and the others under it: so opening them all is one operation.
    """
    wrapped = {
        primary: Holding(holder=holder, cek=cek.uid, dek=primary, wrapped=key.wrap(primary, key_named(known, primary)))
    }
    for dek, one in known.items():
        if dek == primary:
            continue
        if cek.root_kind is RootKind.HSM:
            below = chain(site, cek, (primary, known[primary]), dek, one)
            wrapped[dek] = Holding(holder=holder, cek=cek.uid, dek=dek, wrapped=below, under=primary)
        else:
            wrapped[dek] = Holding(holder=holder, cek=cek.uid, dek=dek, wrapped=key.wrap(dek, one))
    with site.keyring.write() as ring:
        for holding in wrapped.values():
            add_holding(ring, holding)
    with site.keyring.read() as ring:
        back = [] if ring is None else holdings(ring, holder, cek.uid)
    if {one.dek for one in back} != set(known):
        raise DamagedStore(f"The key ring at {site.keyring.path} did not keep a key that was just written")
    with ExitStack() as wiped:
        if open_deks(site, cek, key, back, wiped) != dict(known):
            raise DamagedStore(f"The key ring at {site.keyring.path} changed a key that was just written")


def confirm_keys(site: Site, holder: str, what: str) -> None:
    """Try keys that were moved to a partition by its connection only, and remember that they open. One that does not is
    told by whoever needs it."""
    with site.keyring.read() as ring:
        cek = None if ring is None else cek_of(ring, holder)
    if cek is None or cek.verified:
        return
    with suppress(ReconcilerError):
        with opened(site, holder, what):
            pass
        remember_opened(site, cek)


def remember_opened(site: Site, cek: Cek) -> None:
    """Keys that were moved to a partition by its connection only have been tried there (HS6)."""
    with site.keyring.write() as ring:
        ring.execute("UPDATE cek SET verified = 1 WHERE material = ? AND root_arn = ?", (cek.material, cek.root_arn))


def unstage(site: Site, operation: str) -> None:
    """Drop what an interrupted run of the operation staged: it starts over with new keys."""
    with site.keyring.write() as ring:
        drop_unheld(ring, [cek.uid for cek in staged(ring, operation)])


def _as_staged(site: Site, cek: Cek, root: Adopted, operation: str) -> Cek:
    """The same key as another wrap of it."""
    return replace(
        cek,
        uid=site.uid(),
        operation=operation,
        root_kind=root.kind,
        root_arn=root.key_arn,
        context=root.context,
        grant_id=root.grant_id,
    )


def _hold_as(site: Site, cek: Cek, moved: Cek, holder: str) -> None:
    """The holder's DEKs as they are, under another wrap of the same key."""
    with site.keyring.write() as ring:
        for one in holdings(ring, holder, cek.uid):
            add_holding(ring, replace(one, cek=moved.uid))


def _primary(site: Site, cek: Cek, holder: str) -> str:
    with site.keyring.read() as ring:
        held = [] if ring is None else holdings(ring, holder, cek.uid)
    if not held:
        raise DamagedStore(f"The key ring at {site.keyring.path} has a cluster key with no database key under it")
    return held[0].dek


def _durable(site: Site, cek: Cek) -> Cek:
    with site.keyring.write() as ring:
        add_cek(ring, cek)
    with site.keyring.read() as ring:
        back = None if ring is None else cek_at(ring, cek.uid)
    if back is None:
        raise DamagedStore(f"The key ring at {site.keyring.path} did not keep a key that was just written")
    return back
