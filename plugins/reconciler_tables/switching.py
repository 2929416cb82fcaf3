"""Another KMS key for a table, in both directions (KS2): the table key is re-wrapped, rows are untouched.

DescribeKey → CreateGrant → ReEncrypt → the new wrap durable → opened → taken in one commit → the old grant retired. The
staged wrap in the key ring is the journal: the same request goes on from it, another request takes it back first.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from reconciler.access.caller import Caller
from reconciler.errors import (
    AccessDeniedException,
    ConflictException,
    InvalidRequestException,
    ReconcilerError,
    ResourceNotFoundException,
    ServiceError,
    ThrottlingException,
)
from reconciler_tables import catalogue, keyring, roots, table_key
from reconciler_tables.catalogue import TableRecord
from reconciler_tables.keyring import Wrap
from reconciler_tables.names import TableName
from reconciler_tables.roots import Root
from reconciler_tables.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wraps:
    live: Wrap
    staged: Wrap | None
    retiring: tuple[Wrap, ...]


def update_table_encryption(site: Site, caller: Caller, name: TableName, key_arn: str | None) -> None:
    """See ``TableProvider.update_table_encryption``."""
    record = _active(site, name)
    wraps = _wraps(site, record)
    if wraps.staged is not None and wraps.staged.customer_key != key_arn:
        _take_back(site, caller, wraps.staged)  # an earlier request that was given up
        wraps = replace(wraps, staged=None)
    if wraps.live.customer_key == key_arn:
        roots.restore_grant(site, caller, wraps.live)
    else:
        _switch(site, caller, record, wraps, key_arn)
    for wrap in _wraps(site, record).retiring:
        roots.retire_grant(site, caller, wrap)
        with site.keyring.write() as ring:
            keyring.remove_retiring(ring, wrap)


def _switch(site: Site, caller: Caller, record: TableRecord, wraps: _Wraps, key_arn: str | None) -> None:
    root = roots.choose(site, caller, record.name, key_arn)
    staged = wraps.staged or _stage(site, wraps, root)
    try:
        staged, grant_token = roots.obtain_grant(site, caller, staged)
        if staged.wrapped is None:
            staged = _re_encrypt(site, wraps.live, staged, grant_token)
        _prove(site, record, staged, grant_token)
        with site.keyring.write() as ring:
            if not keyring.take_staged(ring, record.uid):
                raise ConflictException(f"Table {record.name} was changed by another request meanwhile")
    except ThrottlingException:
        raise  # the same call comes again and goes on
    except ConflictException:
        # Another process works on the same wrap, or has done so: what it took is not to be taken back.
        if _wraps(site, record).live.customer_key != key_arn:
            raise
    except ServiceError:
        with suppress(ReconcilerError):  # the first error is the one to report; the next request takes it back
            _take_back(site, caller, staged)
        raise


def _stage(site: Site, wraps: _Wraps, root: Root) -> Wrap:
    latest = max(wrap.generation for wrap in (wraps.live, *wraps.retiring))
    staged = replace(
        wraps.live,
        generation=latest + 1,
        stage=keyring.STAGED,
        key_arn=root.key_arn,
        owned=root.owned,
        grant_asked=False,
        grant_id=None,
        wrapped=None,
    )
    with site.keyring.write() as ring:
        if any(wrap.generation > latest for wrap in keyring.wraps_of(ring, staged.table_uid)):
            raise ConflictException(f"Table {staged.name} is being changed by another request")
        keyring.add_wrap(ring, staged)
    return staged


def _re_encrypt(site: Site, live: Wrap, staged: Wrap, grant_token: str | None) -> Wrap:
    """The table key under its new KMS key, without showing it to anybody (KM5)."""
    if live.wrapped is None:
        raise InvalidRequestException(f"Table {live.name} has no table key to put under another KMS key")
    try:
        wrapped = site.keys.re_encrypt(
            site.itself(grant_token), live.wrapped, live.context, staged.key_arn, staged.context
        )
    except ThrottlingException:
        raise
    except ServiceError as error:
        denied = isinstance(error, AccessDeniedException)
        actions = [action for action in ("kms:ReEncryptFrom", "kms:ReEncryptTo") if action in error.summary]
        cause = (
            f"{site.service} may not {' or '.join(actions) or 'kms:ReEncrypt*'}"
            if denied
            else f"the key service refuses it ({error.code})"
        )
        raise InvalidRequestException(
            f"Table {live.name} cannot go from the key {live.key_arn} to the key {staged.key_arn}: {cause}",
            detail=error.summary,
            suggestion="Both keys must be enabled, the old one's grant must stand, and neither policy may deny the "
            "table service. The table keeps the key that it has.",
        ) from error
    return roots.note(site, replace(staged, wrapped=wrapped))


def _prove(site: Site, record: TableRecord, staged: Wrap, grant_token: str | None) -> None:
    """Read the new wrap back and open with it what the table's rows hang on (I2): it holds the same table key."""
    with site.keyring.read() as ring:
        stored = [] if ring is None else keyring.wraps_of(ring, record.uid)
        inner = {} if ring is None else keyring.inner_keys_of(ring, record.uid)
    found = [wrap for wrap in stored if wrap.generation == staged.generation]
    if not found:
        raise ConflictException(f"Table {record.name} was changed by another request meanwhile")
    with (
        roots.refusing(record.name, staged.key_arn, site.service, "kms:Decrypt", site.service),
        table_key.unwrap(site, found[0], grant_token) as key,
        table_key.open_inner_keys(key, found[0], record.schema, inner),
    ):
        pass


def _take_back(site: Site, caller: Caller, staged: Wrap) -> None:
    """Claimed before anything is undone: a wrap that another process took meanwhile is live, and keeps its grant."""
    with site.keyring.write() as ring:
        if not keyring.give_up(ring, staged):
            return
    roots.retire_grant(site, caller, _stored(site, staged))
    with site.keyring.write() as ring:
        keyring.remove_retiring(ring, staged)


def _stored(site: Site, staged: Wrap) -> Wrap:
    """The wrap as the key ring has it: it may have a grant by now that ``staged`` does not know of."""
    with site.keyring.read() as ring:
        wraps = [] if ring is None else keyring.wraps_of(ring, staged.table_uid)
    return next((wrap for wrap in wraps if wrap.generation == staged.generation), staged)


def _active(site: Site, name: TableName) -> TableRecord:
    with site.catalogue.read() as reading:
        found = None if reading is None else catalogue.table_named(reading, name)
    if found is None or found.status == catalogue.CREATING:
        raise ResourceNotFoundException(f"There is no table {name}", suggestion="Make it first.")
    if found.status != catalogue.ACTIVE:
        raise ConflictException(f"Table {name} is {found.status}")
    return found


def _wraps(site: Site, record: TableRecord) -> _Wraps:
    with site.keyring.read() as ring:
        wraps = [] if ring is None else keyring.wraps_of(ring, record.uid)
    live = next((wrap for wrap in wraps if wrap.stage == keyring.LIVE), None)
    if live is None:
        raise ConflictException(f"Table {record.name} is being dropped by another request")
    staged = next((wrap for wrap in wraps if wrap.stage == keyring.STAGED), None)
    retiring = tuple(wrap for wrap in wraps if wrap.stage == keyring.RETIRING)
    return _Wraps(live=live, staged=staged, retiring=retiring)
