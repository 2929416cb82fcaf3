"""A new ``Key``: its row and its first version's id first, then the object in the token (I2, I10)."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Mapping, Sequence

from reconciler.access.caller import Caller
from reconciler.errors import ValidationException
from reconciler.providers.hsm import Suite
from reconciler.providers.keys import KeyDescription, KeyRequest
from reconciler_pkcs11 import rows
from reconciler_pkcs11.judging import require_marker
from reconciler_pkcs11.keys.begun import give_up, settle_version
from reconciler_pkcs11.keys.describing import describe_one
from reconciler_pkcs11.keys.finding import partition_of, require_key, require_not_pending
from reconciler_pkcs11.keys.limits import check_description, check_key_request, check_tag_keys, check_tags
from reconciler_pkcs11.making import NewObject, make_object
from reconciler_pkcs11.names import ENABLED, version_label
from reconciler_pkcs11.requests import asked
from reconciler_pkcs11.rows import KeyRow, PartitionRow, VersionRow
from reconciler_pkcs11.site import Site


def create_key(site: Site, caller: Caller, request: KeyRequest, token: str) -> KeyDescription:
    """See ``KeyProvider.create_key``."""
    with asked(site, caller, "CreateKey", {"description": request.description}) as asking:
        check_key_request(request)
        row, version, partition = _begin(site, request, token)
        asking.key_arns.append(site.names.key_arn(row.key_id))
        if not row.ready:
            proof = make_version(site, partition, version)
            settle_version(site, row, version, proof, asking)
        return describe_one(site, require_key(site, row.key_id))


def make_version(site: Site, partition: PartitionRow, version: VersionRow) -> bytes:
    """The version's object in the token, enabled, unless it is there; its canary."""
    with site.connections.use(partition) as opened:
        require_marker(opened, partition)
    label = version_label(version.key_id, version.number, enabled=True)
    new = NewObject(object_id=version.object_id, label=label, suite=Suite(version.suite), relabelled=True)
    return make_object(site.connections, partition, new)


def update_description(site: Site, caller: Caller, key_id: str, description: str) -> None:
    """See ``KeyProvider.update_key_description``."""
    with asked(site, caller, "UpdateKeyDescription", {"keyId": key_id, "description": description}) as asking:
        row = require_key(site, key_id)
        asking.key_arns.append(site.names.key_arn(row.key_id))
        require_not_pending(site, row)
        check_description(description)
        with site.write() as connection:
            connection.execute("UPDATE key SET description = ? WHERE key_id = ?", (description, row.key_id))
            asking.record(connection)


def tag(site: Site, caller: Caller, key_id: str, tags: Mapping[str, str], removed: Sequence[str] = ()) -> None:
    """See ``KeyProvider.tag_resource`` and ``untag_resource``."""
    name = "UntagResource" if removed else "TagResource"
    parameters = {"keyId": key_id, "tagKeys": list(removed)} if removed else {"keyId": key_id, "tags": dict(tags)}
    with asked(site, caller, name, parameters) as asking:
        row = require_key(site, key_id)
        asking.key_arns.append(site.names.key_arn(row.key_id))
        require_not_pending(site, row)
        check_tag_keys(removed)
        with site.write() as connection:
            kept = rows.key_by_id(connection, row.key_id) or row
            new = {**json.loads(kept.tags), **tags}
            for each in removed:
                new.pop(each, None)
            check_tags(new)
            text = json.dumps(new, ensure_ascii=False)
            connection.execute("UPDATE key SET tags = ? WHERE key_id = ?", (text, row.key_id))
            asking.record(connection)


def _begin(site: Site, request: KeyRequest, token: str) -> tuple[KeyRow, VersionRow, PartitionRow]:
    """What is to be made, durable; or what was begun or made for that token."""
    _give_up_what_is_going(site, token)
    with site.write() as connection:
        found = connection.execute(f"{rows.KEY} WHERE token = ?", (token,)).fetchone()
        if found is not None:
            row = KeyRow._make(found)
            partition = partition_of(site, row)
            return row, rows.versions(connection, row.key_id)[0], partition
        partition = _partition(rows.partitions(connection), request.partition)
        now = site.now()
        row = KeyRow(
            key_id=str(uuid.UUID(bytes=site.random.bytes(16), version=4)),
            token=token,
            partition=partition.uid,
            description=request.description,
            tags=json.dumps(dict(request.tags), ensure_ascii=False),
            created_at=now,
            ready=0,
            switching=None,
            newest=1,
            rotation_days=None,
            rotation_at=None,
            deletion_at=None,
            destroyed_at=None,
            seen=ENABLED,
        )
        connection.execute(f"INSERT INTO key VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - marks
        version = new_version(site, row.key_id, 1, partition, None)
        put_version(connection, version)
        return row, version, partition


def _give_up_what_is_going(site: Site, token: str) -> None:
    """What another process began to remove is removed, and made anew."""
    with site.store.read() as connection:
        query = "SELECT key_id FROM key WHERE token = ?"
        found = connection and connection.execute(query, (token,)).fetchone()
        begun = rows.versions(connection, found[0]) if connection and found else []
    for version in begun:
        if version.going:
            give_up(site, version)


def new_version(site: Site, key_id: str, number: int, partition: PartitionRow, token: str | None) -> VersionRow:
    """A version as it is to be made, by the best suite that its partition was adopted with."""
    suite = partition.known_suites[0].value
    return VersionRow(key_id, number, site.uid(), suite, site.now(), token, 0, None)


def put_version(connection: sqlite3.Connection, version: VersionRow) -> None:
    """Write it down, before it is made."""
    connection.execute("INSERT INTO key_version VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", version)


def _partition(adopted: Sequence[PartitionRow], name: str | None) -> PartitionRow:
    fitting = [row for row in adopted if name in (None, row.name)]
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(row.name for row in adopted) or "none"
    what = "no partition to make the key in" if name is None and not adopted else "several partitions"
    raise ValidationException(
        f"The HSM has {what}" if name is None else f"The HSM has no partition {name}",
        suggestion=f"Partitions: {known}. Name one with spec.partition.",
    )
