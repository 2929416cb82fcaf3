"""Making a table: DescribeKey → row in the catalogue → CreateGrant → GenerateDataKey → durable → opened → ACTIVE.

Each arrow is a durable fact, so the same call with the same token goes on where a killed one stopped. A refusal of the
key service takes everything back; a half-made table of another token is cleared away by whoever needs its name.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from reconciler.access.caller import Caller
from reconciler.errors import (
    AlreadyExistsException,
    ConflictException,
    ReconcilerError,
    ResourceNotFoundException,
    ServiceError,
    ThrottlingException,
)
from reconciler.providers.tables import TableRequest
from reconciler_tables import catalogue, keyring, roots, table_key, table_schema
from reconciler_tables.catalogue import TableRecord
from reconciler_tables.dropping import release, release_leftovers
from reconciler_tables.keyring import Wrap
from reconciler_tables.names import TableName, check_name
from reconciler_tables.roots import Root
from reconciler_tables.site import Site


def create_table(site: Site, caller: Caller, request: TableRequest, token: str) -> None:
    """See ``TableProvider.create_table``."""
    check_name("keyspace", request.keyspace)
    check_name("table", request.name)
    table_schema.check_schema(request.schema)
    name = TableName(request.keyspace, request.name)
    with site.catalogue.read() as reading:
        known = None if reading is None else catalogue.table_of_token(reading, token)
    if known is not None and known.status == catalogue.ACTIVE:
        _refuse_other_request(known, request)
        return
    root = roots.choose(site, caller, name, request.key_arn)
    release_leftovers(site, caller, name)
    record = _begin(site, caller, request, token)
    if record.status == catalogue.ACTIVE:
        return
    try:
        _fill(site, caller, record, root)
    except ThrottlingException:
        raise  # the same call comes again and goes on
    except ConflictException:
        # The same request in another process was quicker, or somebody else took the name: neither is to be undone.
        if not _is_finished(site, record):
            raise
    except ServiceError:
        with suppress(ReconcilerError):  # the first error is the one to report; what stays is cleared by the next call
            release(site, caller, record)
        raise


def _is_finished(site: Site, record: TableRecord) -> bool:
    with site.catalogue.read() as reading:
        now = None if reading is None else catalogue.table_of_uid(reading, record.uid)
    return now is not None and now.status == catalogue.ACTIVE


def _begin(site: Site, caller: Caller, request: TableRequest, token: str) -> TableRecord:
    """The table's row with status CREATING, new or of an earlier attempt with this token; or the finished table."""
    name = TableName(request.keyspace, request.name)
    while True:
        with site.catalogue.write() as writing:
            found = catalogue.table_named(writing, name)
            known = catalogue.table_of_token(writing, token)
            if known is not None:
                _refuse_other_request(known, request)
                if known.status in {catalogue.ACTIVE, catalogue.CREATING}:
                    return known
            if found is None:
                record = _new_record(site, request, token)
                if catalogue.keyspace_named(writing, request.keyspace) is None:
                    raise ResourceNotFoundException(
                        f'There is no keyspace "{request.keyspace}" for table {name}',
                        suggestion="Make the keyspace first.",
                    )
                catalogue.add_table(writing, record)
                return record
            if found.status == catalogue.ACTIVE:
                raise AlreadyExistsException(f"Table {name} exists already", suggestion="Choose another name.")
        release(site, caller, found)  # half-made by a call that was given up, or half-dropped


def _new_record(site: Site, request: TableRequest, token: str) -> TableRecord:
    return TableRecord(
        uid=site.uid(),
        name=TableName(request.keyspace, request.name),
        status=catalogue.CREATING,
        schema=table_schema.as_json(request.schema),
        key_arn=request.key_arn,
        token=token,
        created_at=site.clock.now(),
        rows=0,
        bytes=0,
    )


def _refuse_other_request(known: TableRecord, request: TableRequest) -> None:
    """A token stands for one request."""
    same = (known.name, known.schema, known.key_arn) == (
        TableName(request.keyspace, request.name),
        table_schema.as_json(request.schema),
        request.key_arn,
    )
    if not same:
        raise ConflictException(
            f"The token of this request made table {known.name} in another form already",
            suggestion="Use a new token for a new request.",
        )


def _fill(site: Site, caller: Caller, record: TableRecord, root: Root) -> None:
    """Give the new table its key and make it ACTIVE."""
    wrap = _staged(site, record, root)
    if wrap.stage == keyring.STAGED:
        wrap, grant_token = roots.obtain_grant(site, caller, wrap)
        if wrap.wrapped is None:
            _generate(site, record, wrap, grant_token)
        _take_proven(site, record, grant_token)
    with site.catalogue.write() as writing:
        if not catalogue.set_status(writing, record.uid, catalogue.ACTIVE, was=catalogue.CREATING):
            raise ConflictException(f"Table {record.name} was taken away by another request while it was made")


def _staged(site: Site, record: TableRecord, root: Root) -> Wrap:
    with site.keyring.write() as ring:
        found = keyring.wraps_of(ring, record.uid)
        if found:
            return found[-1]
        wrap = Wrap(
            table_uid=record.uid,
            generation=1,
            stage=keyring.STAGED,
            name=record.name,
            table_key_id=site.uid(),
            key_arn=root.key_arn,
            owned=root.owned,
            context=site.context(record.name),
        )
        keyring.add_wrap(ring, wrap)
        return wrap


def _generate(site: Site, record: TableRecord, wrap: Wrap, grant_token: str | None) -> None:
    """The table key, generated by the key service; only its wrap and the keys below it are stored (KS1)."""
    with roots.refusing(wrap.name, wrap.key_arn, site.service, "kms:GenerateDataKey", site.service):
        generated = site.keys.generate_data_key(site.itself(grant_token), wrap.key_arn, wrap.context)
    with generated.plaintext as key:
        inner = table_key.make_inner_keys(key, wrap, record.schema, site.random)
    with site.keyring.write() as ring:
        for purpose, sealed in inner.items():
            keyring.put_inner_key(ring, record.uid, purpose, sealed)
        if not keyring.note_progress(ring, replace(wrap, wrapped=generated.wrapped)):
            raise ConflictException(f"Table {record.name} was taken away by another request while it was made")


def _take_proven(site: Site, record: TableRecord, grant_token: str | None) -> None:
    """Read back what is durable, open it through the key service, and only then use it (I2)."""
    with site.keyring.read() as ring:
        stored = [] if ring is None else keyring.wraps_of(ring, record.uid)
        inner = {} if ring is None else keyring.inner_keys_of(ring, record.uid)
    if not stored:
        raise ConflictException(f"Table {record.name} was taken away by another request while it was made")
    wrap = stored[-1]
    with (
        roots.refusing(wrap.name, wrap.key_arn, site.service, "kms:Decrypt", site.service),
        table_key.unwrap(site, wrap, grant_token) as key,
        table_key.open_inner_keys(key, wrap, record.schema, inner),
    ):
        pass
    with site.keyring.write() as writing:
        if not keyring.take_staged(writing, record.uid):
            raise ConflictException(f"Table {record.name} was taken away by another request while it was made")
