"""Taking a partition into use: examined first, then our marker key, then its configuration (HS5).

The configuration is written down, not ready, with the marker's id before anything is made in the token. A process that
dies leaves that row, by which the next call or apply removes its marker; so does a refusal at once.
"""

from __future__ import annotations

import json
from contextlib import suppress

from reconciler.access.caller import Caller
from reconciler.errors import (
    AlreadyExistsException,
    HsmFault,
    IncompatibleHsm,
    ReconcilerError,
    ResourceNotFoundException,
    ValidationException,
)
from reconciler.providers.hsm import PartitionRequest
from reconciler_pkcs11 import rows
from reconciler_pkcs11.judging import incompatible, orphans
from reconciler_pkcs11.letting_go import let_go
from reconciler_pkcs11.making import NewObject, make_object
from reconciler_pkcs11.names import marker_label
from reconciler_pkcs11.partition import Examination
from reconciler_pkcs11.requests import asked
from reconciler_pkcs11.rows import PartitionRow
from reconciler_pkcs11.site import Site


def create_partition(site: Site, caller: Caller, request: PartitionRequest, token: str) -> PartitionRow:
    """See ``HsmProvider.create_partition``."""
    with asked(site, caller, "CreateHsmConfiguration", {"hsmConfigurationIdentifier": request.name}) as asking:
        check_request(request)
        row = _begin(site, request, token)
        if row.ready:
            return row
        try:
            with incompatible():
                found = _examine(site, row)
            row = row._replace(suites=json.dumps(found.suites), enforced=int(not found.leaks), serial=found.serial)
            with site.write() as connection:
                rows.put_partition(connection, row)
            with incompatible():
                adopted = _adopt(site, row)
        except ReconcilerError:
            withdraw(site, row)
            raise
        with site.write() as connection:
            rows.put_partition(connection, adopted)
            asking.parameters["marker"] = adopted.uid
            asking.record(connection)
        return adopted


def check_request(request: PartitionRequest) -> None:
    """ValidationException for a way to a partition that cannot be meant."""
    if (request.token_label is None) == (request.slot is None):
        raise ValidationException("Exactly one of tokenLabel and slot says which token it is")
    link = (request.address, request.server_certificate, request.client_certificate)
    if any(each is None for each in link) and any(each is not None for each in link):
        raise ValidationException(
            "address, serverCertificate and clientCertificate are all given, or none of them",
            suggestion="A partition with an address is reached through an agent, and both sides are pinned.",
        )


def require_fit(name: str, found: Examination, *, allow_unenforced: bool) -> None:
    """IncompatibleHsm, with everything that is against it."""
    if not found.suites:
        raise IncompatibleHsm(
            f"The partition {name} ({found.manufacturer} {found.model}) wraps keys in no way that can be used",
            fault=HsmFault.NO_MECHANISM,
            detail="AES-GCM, AES key wrap with padding and AES-CBC with HMAC were each tried with a throw-away key; "
            "none passed a round trip that also refused another context.",
            suggestion="Use an HSM that has one of them, or allow it in its policy.",
        )
    if found.leaks and not allow_unenforced:
        raise IncompatibleHsm(
            f"The partition {name} ({found.manufacturer} {found.model}) gives out keys that were made so that they "
            f"never leave: {', '.join(found.leaks)}",
            fault=HsmFault.NOT_ENFORCED,
            detail="Tried with a throw-away key that was sensitive and not extractable.",
            suggestion="Use an HSM that keeps keys in. `allowUnenforced: true` takes it all the same: then a key is as "
            "safe as the PIN, and no safer.",
        )


def withdraw(site: Site, row: PartitionRow, *, was_found: bool = False) -> None:
    """Leave nothing of an adoption that did not end well: the marker, then the row. While a marker that may have been
    made cannot be looked for, the row stays, so that whoever comes next removes it.

    A row that ``was_found`` may be of an older copy of this home that was put back, and its adoption ended well in the
    newer one: where the token has keys that nothing here knows of, they may be known by that marker, and it stays."""
    if row.known_suites:  # else the token was never found fit, and nothing was made in it
        try:
            with site.connections.use(row) as partition:
                if not was_found or not orphans(partition.list_keys(), _known_keys(site)):
                    partition.destroy(row.uid, marker_label(row.uid))
        except ReconcilerError:
            return
    site.connections.drop(row.uid)
    with suppress(ReconcilerError), site.write() as connection:
        connection.execute("DELETE FROM partition WHERE uid = ? AND NOT ready", (row.uid,))


def _known_keys(site: Site) -> set[str]:
    with site.store.read() as connection:
        if connection is None:
            return set()
        return {
            key_id
            for (key_id,) in connection.execute(
                "SELECT key_id FROM cluster_key UNION SELECT object_id FROM key_version"
            )
        }


def _begin(site: Site, request: PartitionRequest, token: str) -> PartitionRow:
    """The configuration, durable before the token is touched. What an earlier attempt left is removed."""
    with site.store.read() as connection:
        there = rows.partition_by_token(connection, token)
        named = rows.partition_by_name(connection, request.name)
        certificate = request.client_certificate
        if certificate is not None and rows.certificate_by_name(connection, certificate) is None:
            raise no_certificate(certificate)
    if there is not None and there.ready and not there.going:
        return there
    if named is not None and named.ready and not named.going:
        raise AlreadyExistsException(f"There is an HSM configuration {request.name} already")
    fresh = rows.row_of(request, uid=site.uid(), token=token, now=site.now(), module=site.module)
    for left in {each.uid: each for each in (there, named) if each is not None}.values():
        if left.going:
            let_go(site, left)
        else:  # a new marker under a new id: the worker of a killed process may be making that one still
            withdraw(site, left, was_found=True)
            with site.write() as connection:  # where it cannot be withdrawn yet it keeps neither name nor token
                connection.execute("UPDATE partition SET name = ?1, token = ?1 WHERE uid = ?1", (left.uid,))
    with site.write() as connection:
        rows.put_partition(connection, fresh)
    return fresh


def _examine(site: Site, row: PartitionRow) -> Examination:
    site.connections.drop(row.uid)
    with site.connections.use(row) as partition:
        found = partition.examine()
    require_fit(row.name, found, allow_unenforced=bool(row.allow_unenforced))
    return found


def _adopt(site: Site, row: PartitionRow) -> PartitionRow:
    new = NewObject(object_id=row.uid, label=marker_label(row.uid), suite=row.known_suites[0])
    return row._replace(ready=1, canary=make_object(site.connections, row, new))


def no_certificate(name: str) -> ResourceNotFoundException:
    """The way names a client certificate that is not there."""
    return ResourceNotFoundException(
        f"There is no client certificate {name}", suggestion="Declare an HsmClientCertificate of that name first."
    )
