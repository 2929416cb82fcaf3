"""A second way to the data: each DEK wrapped under an escrow key as well, against the loss of the root (RE14).

The escrow key wraps DEKs themselves, through a grant of its own and under a context that names cluster and DEK; no CEK
stands in between, for that is what is lost with the root. A wrap is opened and compared before it is kept, and kept
before the DEK counts. The cluster's declared escrow key stands in its manifest, so nobody has DEKs wrapped under a key
of his choice by writing into the catalogue (I9). Snapshots share the wraps of their cluster: no key is needed to make
one, nor when the root is lost already.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.errors import (
    ConflictException,
    DamagedStore,
    InvalidClusterStateFault,
    ReconcilerError,
    ServiceError,
    ValidationException,
)
from reconciler.providers.data import Root, RootKind
from reconciler_warehouse import events, manifest, operations
from reconciler_warehouse.backups.snapshots import of_cluster
from reconciler_warehouse.escrow_rows import drop_escrow_wraps, escrow_key, note_escrow_grant
from reconciler_warehouse.grant_rows import let_go
from reconciler_warehouse.keyring import cek_of
from reconciler_warehouse.keys.hierarchy import OpenDeks, opened
from reconciler_warehouse.keys.roots import ESCROW_OPERATIONS, Adopted, adopt, caller_of, usable_key
from reconciler_warehouse.lost_roots.root_state import LOST
from reconciler_warehouse.names import DEK_PAIR, escrow_context
from reconciler_warehouse.operations import Operation
from reconciler_warehouse.rows import ClusterRow
from reconciler_warehouse.site import Site
from reconciler_warehouse.status import AVAILABLE, MODIFYING
from reconciler_warehouse.stored_values import context as stored_context

VERB: Final = operations.ESCROW
_IS_HELD: Final = "SELECT 1 FROM holding WHERE holder = ?1 AND dek = ?2 AND ?3 IN ('', cek) LIMIT 1"


def is_declared(site: Site, cluster: ClusterRow, key_arn: str | None) -> bool:
    """Whether that is the cluster's escrow key already, and opens all that it holds."""
    with site.catalogue.read() as catalogue, site.keyring.read() as ring:
        declared = covers = None
        if catalogue is not None and ring is not None:
            (declared,) = catalogue.execute("SELECT escrow_arn FROM cluster WHERE uid = ?", (cluster.uid,)).fetchone()
            covers = escrow_key(ring, cluster.uid)
    return declared == key_arn == covers


def begin(site: Site, caller: Caller, cluster: ClusterRow, key_arn: str | None, token: str) -> Operation:
    """The journal row of another escrow key, None: of none from now on. InvalidClusterStateFault for a cluster without
    encryption, ValidationException for the root itself, and what ``usable_key`` raises."""
    if cluster.dek is None:
        raise InvalidClusterStateFault(
            f"Cluster {cluster.name} is not encrypted: it has no keys to put under escrow (RE14)",
            suggestion="Encrypt it first.",
        )
    arn = ""
    if key_arn is not None:
        arn = usable_key(site, caller, Root(kind=RootKind.KMS, key_arn=key_arn))
        with site.keyring.read() as ring:
            cek = None if ring is None else cek_of(ring, cluster.uid)
        if cek is not None and cek.root_arn == arn:
            raise ValidationException(
                f"The key {arn} is the root of cluster {cluster.name}: with the root its escrow would be lost, too",
                suggestion="Name another key as its escrow.",
            )
    return operations.begin(site, cluster, token, VERB, {"key": arn}, status=MODIFYING)


def run(site: Site, caller: Caller, cluster: ClusterRow, operation: Operation) -> None:
    """Carry it through, from wherever it was left: first the wraps, then the declaration that rests on them; the other
    way round when there is to be none."""
    key_arn = str(operation.facts["key"]) or None
    if key_arn is not None:
        _wrap_all(site, cluster, _adopted(site, caller, cluster.uid, key_arn, operation.token))
    with opened(site, cluster.uid, f"Cluster {cluster.name}") as deks, site.catalogue.write() as catalogue:
        operations.require_open(catalogue, operation.token)
        with manifest.changing(catalogue, cluster.uid, deks):
            catalogue.execute("UPDATE cluster SET escrow_arn = ? WHERE uid = ?", (key_arn, cluster.uid))
    if key_arn is None:
        with site.keyring.write() as ring:
            for holder in (cluster.uid, *(one.uid for one in of_cluster(site, cluster.uid))):
                drop_escrow_wraps(ring, holder)
    with site.catalogue.write() as catalogue:
        if operations.is_open(catalogue, operation.token):
            catalogue.execute("UPDATE cluster SET status = ? WHERE uid = ?", (AVAILABLE, cluster.uid))
            operations.finish(catalogue, operation.token, at=site.now())
            events.note(
                *(catalogue, cluster.uid, cluster.name, events.SECURITY, events.INFO),
                "Its database keys are under no escrow key any more"
                if key_arn is None
                else f"Its database keys, and those of its snapshots, are under the escrow key {key_arn}, too",
                at=site.now(),
            )


def keep_new(site: Site, cluster: ClusterRow, deks: OpenDeks, cek: str, made: Mapping[str, DataKey]) -> None:
    """DEKs that were just made for the cluster and staged under ``cek``, under its escrow key if it has one: before
    they count. Always wrapped anew: what an interrupted run of the same change wrapped under the same uid was another
    key. Nothing is kept, ConflictException, when another process has taken the change up and dropped what was staged.

    ``deks`` are those that the cluster has, and its declaration is believed only under their manifest. DamagedStore;
    the escrow key's own refusal, under a message that says what it keeps from being done.
    """
    with site.catalogue.read() as catalogue:
        declared = None
        if catalogue is not None:
            manifest.check_root(catalogue, "cluster", cluster.uid, cluster.name, deks)
            (declared,) = catalogue.execute("SELECT escrow_arn FROM cluster WHERE uid = ?", (cluster.uid,)).fetchone()
    if declared is None:
        return
    with site.keyring.read() as ring:
        row = None
        if ring is not None:
            row = ring.execute(
                "SELECT grant_id FROM escrow_wrap WHERE holder = ? AND key_arn = ? LIMIT 1", (cluster.uid, declared)
            ).fetchone()
    context = escrow_context(site.region, cluster.uid)
    grant = None if row is None else row[0]
    root = Adopted(kind=RootKind.KMS, key_arn=declared, context=context, grant_id=grant)
    try:
        wraps = {dek: _wrapped(site, root, dek, key) for dek, key in made.items()}
    except ServiceError as error:
        raise type(error)(
            f"Cluster {cluster.name} gets no new keys: its escrow key {declared} does not wrap them ({error.summary})",
            detail=error.detail,
            suggestion="Nothing was switched. Give the warehouse the use of the escrow key again, or declare another.",
        ) from error
    _keep(site, root, [(cluster.uid, dek, wrapped) for dek, wrapped in wraps.items()], staged=cek)


@contextmanager
def opened_by_escrow(site: Site, holder: str, what: str) -> Iterator[OpenDeks]:
    """The DEKs of a cluster or snapshot whose root is lost, opened through its escrow key. InvalidClusterStateFault
    when it has none; the escrow key's own refusal, under a message that names ``what``."""
    with site.keyring.read() as ring:
        key_arn = None if ring is None else escrow_key(ring, holder)
        rows = []
        if ring is not None and key_arn is not None:
            rows = ring.execute(
                "SELECT dek, context, wrapped FROM escrow_wrap WHERE holder = ? AND key_arn = ?", (holder, key_arn)
            ).fetchall()
    if key_arn is None:
        raise InvalidClusterStateFault(
            f"{what} is unrecoverable without its root key: its database keys are under no escrow key (RE14)",
            suggestion="Bring its root key back: enable it, cancel its deletion, restore the grant or the key store.",
        )
    with ExitStack() as wiped:
        deks: dict[str, DataKey] = {}
        for dek, context, wrapped in rows:
            try:
                answer = site.keys.decrypt(site.service_caller, wrapped, stored_context(context), key_id=key_arn)
            except ServiceError as error:
                raise type(error)(
                    f"{what} cannot be opened: neither its root key nor its escrow key {key_arn} opens its database "
                    f"keys ({error.summary})",
                    detail=error.detail,
                    suggestion=error.suggestion or "Give the warehouse the use of the escrow key again.",
                ) from error
            deks[dek] = wiped.enter_context(answer.plaintext)
        yield deks


@contextmanager
def opened_by_any(site: Site, holder: str, what: str) -> Iterator[OpenDeks]:
    """The DEKs as ``hierarchy.opened``, or through the escrow key when the root is lost. The root key's own refusal,
    and that there is no other way, when there is none."""
    with ExitStack() as stack:
        try:
            deks = stack.enter_context(opened(site, holder, what))
        except LOST as error:
            with site.keyring.read() as ring:
                if ring is None or escrow_key(ring, holder) is None:
                    raise type(error)(
                        f"{error.summary}. It is under no escrow key: unrecoverable without its root key (RE14)",
                        detail=error.detail,
                        suggestion=error.suggestion,
                    ) from error
            deks = stack.enter_context(opened_by_escrow(site, holder, what))
        yield deks


def _adopted(site: Site, caller: Caller, cluster: str, key_arn: str, operation: str) -> Adopted:
    """The escrow key, usable, with a grant of its own, which the operation rests on until something is under the key:
    so none is left behind by one that is given up."""
    context = escrow_context(site.region, cluster)
    adopted = adopt(
        *(site, caller, Root(kind=RootKind.KMS, key_arn=key_arn), context),
        subset=context,
        grant_name=f"escrow/{cluster}",
        operations=ESCROW_OPERATIONS,
    )
    if adopted.grant_id is not None:
        with site.keyring.write() as ring:
            note_escrow_grant(ring, operation, adopted.grant_id, adopted.key_arn)
    return adopted


def _wrap_all(site: Site, cluster: ClusterRow, root: Adopted) -> None:
    """Every DEK of the cluster and of its snapshots, wrapped once, proved, and kept in one commit. A snapshot that is
    made in the meantime shares what the cluster had before: so they are looked through until none is left."""
    made: dict[str, bytes] = {}
    given_up: set[str] = set()
    while left := [one for one in _holders(site, cluster, root.key_arn) if one not in given_up]:
        rows: list[tuple[str, str, bytes]] = []
        for holder in left:
            try:
                with opened(site, holder, f"Cluster {cluster.name}") as deks:
                    for dek, key in deks.items():
                        made[dek] = made.get(dek) or _wrapped(site, root, dek, key)
                        rows.append((holder, dek, made[dek]))
                    if not deks:
                        given_up.add(holder)  # it is gone by now
            except ReconcilerError as error:
                if holder == cluster.uid:
                    raise
                given_up.add(holder)
                _tell_left_out(site, cluster, holder, error)
        _keep(site, root, rows)


def _holders(site: Site, cluster: ClusterRow, key_arn: str) -> list[str]:
    """The cluster and its snapshots, as far as they hold keys that are not all under that escrow key."""
    uids = [cluster.uid, *(one.uid for one in of_cluster(site, cluster.uid) if one.dek is not None)]
    with site.keyring.read() as ring:
        return [] if ring is None else [uid for uid in uids if cek_of(ring, uid) and escrow_key(ring, uid) != key_arn]


def _tell_left_out(site: Site, cluster: ClusterRow, holder: str, error: ReconcilerError) -> None:
    name = next((one.name for one in of_cluster(site, cluster.uid) if one.uid == holder), holder)
    with site.catalogue.write() as catalogue:
        events.note(
            *(catalogue, cluster.uid, cluster.name, events.SECURITY, events.ERROR),
            f"Snapshot {name} is under no escrow key: it does not open now ({error.summary})",
            at=site.now(),
        )


def _wrapped(site: Site, root: Adopted, dek: str, key: DataKey) -> bytes:
    """The DEK under the escrow key, opened again and compared (I2)."""
    caller, context = caller_of(site, root), {**root.context, DEK_PAIR: dek}
    wrapped = site.keys.encrypt(caller, root.key_arn, bytes(key.expose_key_bytes()), context)
    with site.keys.decrypt(caller, wrapped, context, key_id=root.key_arn).plaintext as back:
        if back != key:
            raise DamagedStore(f"The escrow key {root.key_arn} does not open what it wrapped; nothing rests on it")
    return wrapped


def _keep(site: Site, root: Adopted, rows: list[tuple[str, str, bytes]], *, staged: str = "") -> None:
    """These wraps (holder, DEK, wrapped), durable and read back, in the place of those under another escrow key. None
    of a DEK that its holder has let go of meanwhile; ConflictException for one that is no longer ``staged`` under that
    CEK: the same uid may be another key by now."""
    with site.keyring.write() as ring:
        held = [row for row in rows if ring.execute(_IS_HELD, (*row[:2], staged)).fetchone()]
        if staged and len(held) != len(rows):
            raise _overtaken(root)
        rows = held
        for holder, dek, wrapped in rows:
            before = ring.execute(
                "SELECT grant_id, key_arn FROM escrow_wrap WHERE holder = ? AND dek = ?", (holder, dek)
            ).fetchone()
            ring.execute(
                """INSERT OR REPLACE INTO escrow_wrap (holder, dek, key_arn, context, grant_id, wrapped, made_at)
                   VALUES (?,?,?,?,?,?,?)""",
                (
                    *(holder, dek, root.key_arn, json.dumps({**root.context, DEK_PAIR: dek}, sort_keys=True)),
                    *(root.grant_id, wrapped, site.now().isoformat()),
                ),
            )
            if before is not None and before[0] is not None:
                let_go(ring, *before)
    with site.keyring.read() as ring:
        for holder, dek, wrapped in rows:
            back = None
            if ring is not None:
                back = ring.execute(
                    "SELECT wrapped FROM escrow_wrap WHERE holder = ? AND dek = ?", (holder, dek)
                ).fetchone()
            if back is None or bytes(back[0]) != wrapped:
                raise _overtaken(root)


def _overtaken(root: Adopted) -> ConflictException:
    return ConflictException(
        f"What is under the escrow key {root.key_arn} was changed by another process meanwhile",
        suggestion="Run the command again.",
    )
