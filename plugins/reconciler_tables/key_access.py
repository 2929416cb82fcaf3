"""What the table service asks of keys: of those that its tables are under, and of those that they are to be put under
(KS4, KS5)."""

from __future__ import annotations

from reconciler.access.request import GrantTerms
from reconciler.providers.key_access import Dependent, KeyAccess
from reconciler_tables import catalogue, keyring
from reconciler_tables.names import TableName
from reconciler_tables.roots import OPERATIONS
from reconciler_tables.site import Site


def dependents(site: Site, key_arn: str) -> list[Dependent]:
    """See ``StatesKeyAccess.list_dependents``."""
    with site.keyring.read() as ring:
        wraps = [] if ring is None else keyring.wraps_under(ring, key_arn)
    with site.catalogue.read() as reading:
        gone = {
            wrap.table_uid for wrap in wraps if reading is not None and catalogue.was_dropped(reading, wrap.table_uid)
        }
    asks = ("Decrypt", "ReEncryptFrom")  # its rows are reached, and it can go to another key
    found = [
        Dependent(
            what="table",
            name=str(wrap.name),
            arn=site.arn(wrap.name),
            accesses=tuple(
                KeyAccess(operation=operation, principal=site.service, context=wrap.context) for operation in asks
            ),
        )
        for wrap in wraps
        if wrap.table_uid not in gone and wrap.stage == keyring.LIVE and wrap.wrapped is not None
    ]
    return sorted(found, key=lambda one: one.name)


def adopting(site: Site, name: str) -> list[KeyAccess]:
    """See ``StatesKeyAccess.list_accesses_to_adopt``."""
    table = TableName(*name.split(".", 1))
    context = site.context(table)
    with site.catalogue.read() as reading:
        found = None if reading is None else catalogue.table_named(reading, table)
    terms = GrantTerms(
        grantee_principal=site.service,
        operations=OPERATIONS,
        retiring_principal=site.service,
        context_subset=context,
    )
    makes = "ReEncryptTo" if found is not None and found.status == catalogue.ACTIVE else "GenerateDataKey"
    return [
        KeyAccess(operation="DescribeKey", via=site.service),
        KeyAccess(operation="CreateGrant", via=site.service, context=context, grant=terms),
        KeyAccess(operation=makes, principal=site.service, context=context),
        KeyAccess(operation="Decrypt", principal=site.service, context=context),
    ]
