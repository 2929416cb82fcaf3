"""Partitions that were adopted: described, changed, asked how they are, let go."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from reconciler.access.caller import Caller
from reconciler.errors import (
    HsmError,
    HsmFault,
    IncompatibleHsm,
    ResourceNotFoundException,
)
from reconciler.providers.hsm import PartitionCondition, PartitionDescription, PartitionRequest
from reconciler_pkcs11 import letting_go, rows
from reconciler_pkcs11.adopting import check_request, no_certificate, require_fit
from reconciler_pkcs11.judging import Expected, incompatible, judge_keys, orphans, require_same
from reconciler_pkcs11.names import cluster_label, marker_label, version_label
from reconciler_pkcs11.requests import asked, check_account
from reconciler_pkcs11.rows import PartitionRow
from reconciler_pkcs11.site import Site


def require_partition(site: Site, name: str) -> PartitionRow:
    """The adopted partition of that name or ARN. ResourceNotFoundException."""
    prefix = site.names.partition_arn("")
    with site.store.read() as connection:
        found = rows.partition_by_name(connection, name.removeprefix(prefix))
    if found is None or not found.ready or found.going:
        raise ResourceNotFoundException(
            f"There is no HSM configuration {name} in account {site.account}, Region {site.region}",
            suggestion="Declare an HsmPartition of that name first.",
        )
    return found


def modify_partition(site: Site, caller: Caller, request: PartitionRequest) -> PartitionDescription:
    """See ``HsmProvider.modify_partition``."""
    with asked(site, caller, "ModifyHsmConfiguration", {"hsmConfigurationIdentifier": request.name}) as asking:
        check_request(request)
        kept = require_partition(site, request.name)
        declared = rows.row_of(
            request, uid=kept.uid, token=kept.token, now=kept.created_at, module=site.module
        )._replace(**{name: getattr(kept, name) for name in _FOUND})
        if declared == kept:
            return rows.describe_partition(kept, site.names)
        with site.write() as connection:  # before anything is asked: whoever was overtaken is refused here
            named = request.client_certificate
            if named is not None and rows.certificate_by_name(connection, named) is None:
                raise no_certificate(named)
        if not kept.enforced and not request.allow_unenforced:
            with site.connections.fresh(declared) as partition:
                require_fit(kept.name, partition.examine(), allow_unenforced=False)
        with incompatible(), site.connections.fresh(declared) as partition:
            require_same(partition, declared)
        with site.write() as connection:
            rows.put_partition(connection, declared)
            asking.record(connection)
        site.connections.drop(kept.uid)
        return rows.describe_partition(declared, site.names)


def verify_partition(site: Site, caller: Caller, name: str) -> PartitionDescription:
    """See ``KeepsClusterKeys.verify_partition``."""
    check_account(site, caller, "redshift:DescribeHsmConfigurations")
    row = require_partition(site, name)
    with incompatible(), site.connections.fresh(row) as partition:
        require_same(partition, row)
        found = partition.examine()
    require_fit(row.name, found, allow_unenforced=bool(row.allow_unenforced))
    best = row.known_suites[0]
    if best not in found.suites:
        raise IncompatibleHsm(
            f"The partition {row.name} was adopted with {best}, and does not pass the self-test of that any more",
            fault=HsmFault.NO_MECHANISM,
            detail=f"It passes {', '.join(found.suites)}. A key is never made for a weaker way than its partition had.",
            suggestion="Look what was changed at the HSM (its policy, its firmware, a FIPS mode).",
        )
    return rows.describe_partition(row, site.names)


def probe_partition(site: Site, caller: Caller, name: str, key_ids: Collection[str]) -> PartitionCondition:
    """See ``HsmProvider.probe_partition``."""
    check_account(site, caller, "redshift:DescribeHsmConfigurations")
    row = require_partition(site, name)
    expected = _expected(site, row, key_ids)
    try:
        with site.connections.fresh(row) as partition:
            found = require_same(partition, row)
            verdicts = judge_keys(partition, found, expected)
            examined = partition.examine()
    except HsmError as error:
        return PartitionCondition(fault=error.fault, detail=error.summary)
    return PartitionCondition(
        keys=tuple(verdicts),
        orphans=orphans(found, {one.key_id for one in expected}),
        enforced=not examined.leaks,
        serial=examined.serial,
    )


def delete_partition(site: Site, caller: Caller, name: str) -> None:
    """See ``HsmProvider.delete_partition``. Its ``Key``s count as its cluster keys do."""
    with site.store.read() as connection:
        row = rows.partition_by_name(connection, name)
    if row is None:
        check_account(site, caller, "redshift:DeleteHsmConfiguration")
        return
    with asked(site, caller, "DeleteHsmConfiguration", {"hsmConfigurationIdentifier": name}) as asking:
        letting_go.begin(site, row)
        letting_go.let_go(site, row, asking)


def find_partition(site: Site, token: str) -> PartitionDescription | None:
    """See ``HsmProvider.find_partition``."""
    with site.store.read() as connection:
        found = rows.partition_by_token(connection, token)
    return rows.describe_partition(found, site.names) if found is not None and found.ready and not found.going else None


def describe_partitions(site: Site, names: Collection[str] | None) -> list[PartitionDescription]:
    """See ``HsmProvider.describe_partitions``."""
    with site.store.read() as connection:
        return [rows.describe_partition(row, site.names) for row in rows.partitions(connection, names)]


_FOUND = ("suites", "enforced", "serial", "canary", "lost", "ready", "going")  # what asking showed, not what is asked


def _expected(site: Site, row: PartitionRow, key_ids: Collection[str]) -> list[Expected]:
    """Every key that should be in the partition: the recorded ones, and those that the asker knows of. One that is
    being made or removed may be there or not, and is judged by whoever goes on with it."""
    found = [Expected(row.uid, (marker_label(row.uid),), row.canary)]
    unsettled = set()
    with site.store.read() as connection:
        if connection is not None:
            for key_id, settled, kept in connection.execute(
                "SELECT key_id, ready AND NOT going, canary FROM cluster_key WHERE partition = ?", (row.uid,)
            ):
                if settled:
                    found.append(Expected(key_id, (cluster_label(key_id),), kept))
                else:
                    unsettled.add(key_id)
            found += _versions(connection.execute(_VERSIONS, (row.uid,)))
    known = {one.key_id for one in found} | unsettled
    return [*found, *(Expected(key_id, (cluster_label(key_id),), None) for key_id in key_ids if key_id not in known)]


_VERSIONS = (
    "SELECT key_version.key_id, number, object_id, canary FROM key_version JOIN key USING (key_id)"
    " WHERE partition = ? AND key_version.ready AND destroyed_at IS NULL"
)


def _versions(found: Iterator[tuple[str, int, str, bytes | None]]) -> Iterator[Expected]:
    for key_id, number, object_id, kept in found:
        labels = tuple(version_label(key_id, number, enabled=enabled) for enabled in (True, False))
        yield Expected(object_id, labels, kept)
